#include "lease/store_watcher.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "base/quiet_thread.h"

namespace grantfs {
namespace {

/// False if memory did not suffice.
template <class Action>
bool attempt(Action action) {
  try {
    action();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

StoreWatcher::StoreWatcher(Withdrawal& withdrawal, Recaller& recaller, Kernel& kernel,
                           std::chrono::duration<double> period)
    : withdrawal_(withdrawal),
      recaller_(recaller),
      kernel_(kernel),
      period_(std::chrono::duration_cast<Clock::duration>(period)),
      thread_(start_quiet_thread("grantfs watch", [this] { run(); })) {}

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

void StoreWatcher::forget_file(NodeId node) {
  {
    const std::lock_guard guard(mutex_);
    if (stopping_) return;
    changed_files_.push_back(node);
  }
  changed_.notify_all();
}

void StoreWatcher::run() {
  std::unique_lock lock(mutex_);
  Clock::time_point next;
  while (true) {
    const auto is_something_else = [this] { return stopping_ || !changed_files_.empty(); };
    changed_.wait(lock, [&] { return watching_ || is_something_else(); });
    if (watching_) changed_.wait_until(lock, next, is_something_else);
    if (stopping_) return;
    if (!changed_files_.empty()) {
      std::vector<NodeId> changed = std::exchange(changed_files_, {});
      lock.unlock();
      const bool done = attempt([&] { forget_files(changed); });
      lock.lock();
      // As many as there is memory for, at least, are tried again.
      if (!done) changed_files_.swap(changed);
    }
    if (!watching_ || Clock::now() < next) continue;
    next = Clock::now() + period_;
    watching_ = false;  // before the look: a file that it does not find says so again
    lock.unlock();
    bool any = true;
    (void)attempt([&] { any = look(); });  // what was not seen again is not vouched for
    lock.lock();
    watching_ |= any;
  }
}

void StoreWatcher::forget_files(const std::vector<NodeId>& nodes) {
  for (const NodeId node : nodes) {
    const auto forgotten = kernel_.forget_file(node);
    if (forgotten || forgotten.error().value == ENOENT) continue;
    kernel_.abort(fmt::format("the kernel does not forget what it read of a file that changed: {}",
                              std::strerror(forgotten.error().value)));
  }
}

bool StoreWatcher::look() {
  const auto begun = Clock::now();
  StoreChanges changes = withdrawal_.check_steady_files();
  constexpr int kLeastIdle = 20;  // times as long as a look takes
  withdrawal_.steady_files().limit((Clock::now() - begun) * kLeastIdle > period_);
  if (!changes.entries.empty() && !tell(std::move(changes.entries))) return false;
  forget_files(changes.nodes);
  withdrawal_.steady_files().seen_again(begun);
  return withdrawal_.steady_files().seen(begun).has_value();
}

bool StoreWatcher::tell(std::vector<KernelEntry> entries) {
  const auto set = [this](bool told) {
    const std::lock_guard guard(mutex_);
    told_ = told;
    changed_.notify_all();
  };
  set(false);
  recaller_.forget(std::move(entries), [set] { set(true); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return told_ || stopping_; });
  return told_;
}

}  // namespace grantfs
