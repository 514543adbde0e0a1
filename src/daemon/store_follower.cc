#include "daemon/store_follower.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/quiet_thread.h"

namespace grantfs {
namespace {

constexpr std::chrono::seconds kLookEvery{1};

}  // namespace

struct StoreFollower::Shared {
  Store& store;
  const std::filesystem::path path;
  const std::function<void(const std::string& trouble)> on_change;
  std::string trouble{};  ///< as on_change was told last

  std::mutex mutex{};  ///< held while the store is touched
  std::condition_variable changed{};
  bool stopping = false;
};

StoreFollower::StoreFollower(Store& store, std::filesystem::path path,
                             std::function<void(const std::string& trouble)> on_change)
    : shared_(new Shared{store, std::move(path), std::move(on_change)}) {
  start_quiet_thread([shared = shared_] { run(shared); }).detach();
}

StoreFollower::~StoreFollower() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->changed.notify_all();
}

void StoreFollower::run(const std::shared_ptr<Shared>& shared) {
  while (true) {
    auto found = Store::open_directory(shared->path);
    std::unique_lock lock(shared->mutex);
    if (shared->stopping) return;
    const auto followed = shared->store.follow(shared->path, std::move(found));
    const std::string trouble = followed ? std::string() : followed.error().message;
    const bool moved = followed && *followed == Store::Whereabouts::kChanged;
    if (moved || trouble != shared->trouble) {
      shared->trouble = trouble;
      shared->on_change(trouble);
    }
    if (shared->changed.wait_for(lock, kLookEvery, [&] { return shared->stopping; })) return;
  }
}

}  // namespace grantfs
