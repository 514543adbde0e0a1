#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "daemon/troubles.h"
#include "fuse/mount.h"
#include "lease/recall/recaller.h"
#include "tree/tree.h"

namespace grantfs {

/// Switches the lending of a mount off and on, and recalls what was lent, when the daemon is not
/// known at its database any more, or when the store is another one. Of each method one call at a
/// time.
class Lending {
 public:
  /// All must outlive this object. `lease`: the longest time for which anything but files in steady
  /// use is lent.
  Lending(Tree& tree, FuseMount& mount, Recaller& recaller, Troubles& troubles,
          std::filesystem::path store, std::chrono::seconds lease);

  /// Says whether commands that take access away can know of this daemon from now on: `trouble` is
  /// empty, or says why they cannot. While they cannot, nothing is lent, and when this call
  /// returns, the kernel has nothing that was lent before.
  void set_known(const std::string& trouble);
  /// Says why the store is away or, by an empty text, that it is there again, in another directory
  /// than before. When this call returns, the kernel has nothing that was lent before.
  void set_store(const std::string& trouble);
  /// Closes what is kept open in case it is asked for again, if nothing is lent, and gives back
  /// memory: every ten seconds at most, however often it is called.
  void trim_if_idle();
  /// Whether the mount is where it was mounted. Reads the list of mounts.
  bool is_at_mountpoint() const { return mount_.stage() == Stage::kServing; }

 private:
  using SteadyClock = std::chrono::steady_clock;

  /// Returns when the kernel has nothing any more that was lent before.
  void recall_everything();

  Tree& tree_;
  FuseMount& mount_;
  Recaller& recaller_;
  Troubles& troubles_;
  const std::filesystem::path store_;
  const std::chrono::seconds lease_;
  SteadyClock::time_point trims_from_ = SteadyClock::now();
};

}  // namespace grantfs
