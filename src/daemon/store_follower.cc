#include "daemon/store_follower.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <string>
#include <utility>

#include "base/quiet_thread.h"
#include "base/sync.h"

namespace grantfs {
namespace {

constexpr std::chrono::seconds kLookEvery{1};
constexpr std::chrono::seconds kLongestLook{2};

using SteadyClock = std::chrono::steady_clock;
constexpr SteadyClock::rep kNotLooking = 0;
constexpr std::chrono::milliseconds kRetryAfter{10};

}  // namespace

struct StoreFollower::Shared {
  Store& store;
  const std::filesystem::path path;
  Lending& lending;

  std::atomic<SteadyClock::rep> looking_since{kNotLooking};

  struct State {
    std::string trouble{};  ///< the trouble that `lending` was told last
    bool moved = false;     ///< the store moved, and `lending` was not told yet
    bool stopping = false;
    std::condition_variable stopped{};
  };
  /// Held while the store is touched and `lending` is told. After stop() neither happens.
  Sync<State> state{};
};

StoreFollower::StoreFollower(Store& store, std::filesystem::path path, Lending& lending)
    : shared_(new Shared{store, std::move(path), lending}) {
  start_quiet_thread("grantfs follow", [shared = shared_] { run(shared); }).detach();
}

bool StoreFollower::waits() const {
  const SteadyClock::rep since = shared_->looking_since;
  return since != kNotLooking &&
         SteadyClock::now().time_since_epoch() - SteadyClock::duration(since) > kLongestLook;
}

void StoreFollower::stop() {
  auto state = shared_->state.lock();
  state->stopping = true;
  state->stopped.notify_all();
}

void StoreFollower::look(Shared& shared) {
  auto found = Store::open_directory(shared.path);
  auto state = shared.state.lock();
  if (state->stopping) return;
  const auto followed = shared.store.follow(shared.path, std::move(found));
  state->moved |= followed && *followed == Store::Whereabouts::kChanged;
  std::string trouble = followed ? std::string() : followed.error().message;
  if (!state->moved && trouble == state->trouble) return;
  shared.lending.set_store(trouble);
  state->moved = false;
  state->trouble = std::move(trouble);
}

void StoreFollower::run(const std::shared_ptr<Shared>& shared) {
  while (true) {
    std::chrono::milliseconds pause = kLookEvery;
    shared->looking_since = SteadyClock::now().time_since_epoch().count();
    try {
      look(*shared);
    } catch (const std::exception&) {
      pause = kRetryAfter;  // out of memory: `lending` may not know of a change yet
    }
    shared->looking_since = kNotLooking;
    auto state = shared->state.lock();
    const auto next = SteadyClock::now() + pause;
    if (state.wait_until(state->stopped, next, [&] { return state->stopping; })) return;
  }
}

}  // namespace grantfs
