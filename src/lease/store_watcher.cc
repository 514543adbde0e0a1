#include "lease/store_watcher.h"

#include <utility>

#include "base/quiet_thread.h"

namespace grantfs {

StoreWatcher::StoreWatcher(Tree& tree, Recaller& recaller, std::chrono::duration<double> period)
    : tree_(tree),
      recaller_(recaller),
      period_(std::chrono::duration_cast<Clock::duration>(period)),
      thread_(start_quiet_thread([this] { run(); })) {}

void StoreWatcher::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void StoreWatcher::watch() {
  {
    const std::lock_guard guard(mutex_);
    if (std::exchange(watching_, true)) return;
  }
  changed_.notify_all();
}

void StoreWatcher::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || watching_; });
    if (stopping_) return;
    const auto next = Clock::now() + period_;
    watching_ = false;  // before the look: a file that it does not find says so again
    lock.unlock();
    const bool any = look();
    lock.lock();
    watching_ |= any;
    if (changed_.wait_until(lock, next, [this] { return stopping_; })) return;
  }
}

bool StoreWatcher::look() {
  const auto begun = Clock::now();
  StoreChanges changes = tree_.check_steady_files();
  constexpr int kLeastIdle = 20;  // times as long as a look takes
  tree_.steady_files().limit((Clock::now() - begun) * kLeastIdle > period_);
  if (!changes.nodes.empty() && !tell(std::move(changes))) return false;
  tree_.steady_files().seen_again(begun);
  return tree_.steady_files().seen(begun).has_value();
}

bool StoreWatcher::tell(StoreChanges changes) {
  const auto set = [this](bool told) {
    const std::lock_guard guard(mutex_);
    told_ = told;
    changed_.notify_all();
  };
  set(false);
  recaller_.forget(std::move(changes), [set] { set(true); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return told_ || stopping_; });
  return told_;
}

}  // namespace grantfs
