#include "lease/recall/store_watcher.h"

#include <fmt/core.h>

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
    auto state = state_->lock();
    state->stopping = true;
    state->changed.notify_all();
  }
  thread_.join();
}

void StoreWatcher::watch() {
  auto state = state_->lock();
  if (!std::exchange(state->watching, true)) state->changed.notify_all();
}

void StoreWatcher::forget_file(NodeId node) {
  auto state = state_->lock();
  if (state->stopping) return;
  state->changed_files.push_back(node);
  state->changed.notify_all();
}

void StoreWatcher::run() {
  auto state = state_->lock();
  Clock::time_point next;
  while (true) {
    const auto is_something_else = [&] { return state->stopping || !state->changed_files.empty(); };
    state.wait(state->changed, [&] { return state->watching || is_something_else(); });
    if (state->watching) state.wait_until(state->changed, next, is_something_else);
    if (state->stopping) return;
    if (!state->changed_files.empty()) {
      std::vector<NodeId> changed = std::exchange(state->changed_files, {});
      const bool done = state.unlocked([&] { return attempt([&] { forget_files(changed); }); });
      // As many as there is memory for, at least, are tried again.
      if (!done) state->changed_files.swap(changed);
    }
    if (!state->watching || Clock::now() < next) continue;
    next = Clock::now() + period_;
    state->watching = false;  // before the look: a file that it does not find says so again
    bool any = true;
    // What was not seen again is not vouched for.
    state.unlocked([&] { (void)attempt([&] { any = look(); }); });
    state->watching |= any;
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
  state_->lock()->told = false;
  // It holds the state, and not this: see the destructor.
  recaller_.forget(std::move(entries), [shared = state_] {
    auto state = shared->lock();
    state->told = true;
    state->changed.notify_all();
  });
  auto state = state_->lock();
  state.wait(state->changed, [&] { return state->told || state->stopping; });
  return state->told;
}

}  // namespace grantfs
