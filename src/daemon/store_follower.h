#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "store/store.h"

namespace grantfs {

/// Compares a store with its path once a second and has it follow (Store::follow()), on a thread of
/// its own, since looking may wait for a disk that hangs.
class StoreFollower {
 public:
  /// `on_change` is told, on the thread, that the store is away, and why; or, with an empty text,
  /// that it is there, in another directory than before. `store` must outlive this.
  StoreFollower(Store& store, std::filesystem::path path,
                std::function<void(const std::string& trouble)> on_change);
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
