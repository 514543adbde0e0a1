#include "daemon/store_follower.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

#include "base/quiet_thread.h"

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
  std::string trouble{};  ///< as `lending` was told last
  bool moved = false;     ///< which `lending` was not told yet

  std::atomic<SteadyClock::rep> looking_since{kNotLooking};
  std::mutex mutex{};  ///< held while the store is touched
  std::condition_variable changed{};
  bool stopping = false;
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
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->changed.notify_all();
}

void StoreFollower::look(Shared& shared) {
  auto found = Store::open_directory(shared.path);
  const std::lock_guard lock(shared.mutex);
  if (shared.stopping) return;
  const auto followed = shared.store.follow(shared.path, std::move(found));
  shared.moved |= followed && *followed == Store::Whereabouts::kChanged;
  std::string trouble = followed ? std::string() : followed.error().message;
  if (!shared.moved && trouble == shared.trouble) return;
  shared.lending.set_store(trouble);
  shared.moved = false;
  shared.trouble = std::move(trouble);
}

void StoreFollower::run(const std::shared_ptr<Shared>& shared) {
  while (true) {
    std::chrono::milliseconds pause = kLookEvery;
    shared->looking_since = SteadyClock::now().time_since_epoch().count();
    try {
      look(*shared);
    } catch (const std::exception&) {
      pause = kRetryAfter;  // no memory: what changed may not have been told
    }
    shared->looking_since = kNotLooking;
    std::unique_lock lock(shared->mutex);
    if (shared->changed.wait_for(lock, pause, [&] { return shared->stopping; })) return;
  }
}

}  // namespace grantfs
