#pragma once

#include <filesystem>
#include <memory>

#include "daemon/lending.h"
#include "store/store.h"

namespace grantfs {

/// Compares a store with its path once a second and has it follow (Store::follow()), on a thread of
/// its own, since looking may wait for a disk that hangs.
class StoreFollower {
 public:
  /// `lending` is told, on the thread, what became of the store. Both must stay until stop().
  StoreFollower(Store& store, std::filesystem::path path, Lending& lending);
  /// Whether a look has not come back for seconds: the store hangs. Any thread.
  bool waits() const;
  /// Ends the thread; one that waits for a disk is left to itself, and touches nothing any more.
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
