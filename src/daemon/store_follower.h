#pragma once

#include <filesystem>
#include <memory>

#include "daemon/lending.h"
#include "store/store.h"

namespace grantfs {

/// Compares a store with its path once a second, and makes the store follow the path
/// (Store::follow()). It has a thread of its own, because looking may wait for a disk that hangs.
class StoreFollower {
 public:
  /// The thread tells `lending` of changes of the store. Both arguments must live until stop().
  StoreFollower(Store& store, std::filesystem::path path, Lending& lending);
  /// Whether the store hangs: a look at it has not come back for seconds. Any thread.
  bool waits() const;
  /// Ends the thread. A thread that waits for a disk is left to itself, and touches nothing any
  /// more.
  void stop();
  ~StoreFollower() { stop(); }
  StoreFollower(const StoreFollower&) = delete;
  StoreFollower& operator=(const StoreFollower&) = delete;

 private:
  struct Shared;
  static void look(Shared& shared);
  static void run(const std::shared_ptr<Shared>& shared);

  std::shared_ptr<Shared> shared_;
};

}  // namespace grantfs
