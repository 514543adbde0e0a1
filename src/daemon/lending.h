#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "daemon/troubles.h"
#include "fuse/mount.h"
#include "lease/recaller.h"
#include "tree/tree.h"

namespace grantfs {

/// Whether the mount lends anything to the kernel, and what becomes of that when the daemon is not
/// known any more, or the store is another one. One call at a time of each.
class Lending {
 public:
  /// All must outlive it. `lease`: the longest that anything is lent, but for files in steady use.
  Lending(Tree& tree, FuseMount& mount, Recaller& recaller, Troubles& troubles,
          std::filesystem::path store, std::chrono::seconds lease);

  /// Those who take access away know of this daemon from now on (`trouble` is empty), or do not,
  /// and why. Then nothing is lent, and when this returns, the kernel has nothing that was lent
  /// before.
  void set_known(const std::string& trouble);
  /// The store is away, and why; or, with an empty text, it is there, in another directory than
  /// before. When this returns, the kernel has nothing that was lent before.
  void set_store(const std::string& trouble);

 private:
  /// Returns when the kernel has nothing any more that was lent before.
  void recall_everything();

  Tree& tree_;
  FuseMount& mount_;
  Recaller& recaller_;
  Troubles& troubles_;
  const std::filesystem::path store_;
  const std::chrono::seconds lease_;
};

}  // namespace grantfs
