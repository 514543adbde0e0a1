#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/sync.h"
#include "grantfs/store_path.h"
#include "nodes/node_table.h"
#include "store/store.h"

namespace grantfs {

/// Files that have changed in the store, or have gone. The kernel must forget the entries first,
/// which waits for lookups in flight, and then the attributes, for clients that have the files
/// open.
struct StoreChanges {
  std::vector<KernelEntry> entries;
  std::vector<NodeId> nodes;
};

/// The files in steady use: those that the kernel was lent for longer than a lease, since they are
/// asked for again and again.
///
/// These are volume leases (Yin, Alvisi, Dahlin, Lin: "Volume Leases for Consistency in Large-Scale
/// Systems"): a file's lease is long, that of the folder it lies in is short, and it takes both to
/// open it, since the kernel looks at the folder's permissions before it takes a name in it
/// (fuse_permission() in fs/fuse/dir.c, with default_permissions). The folder's lease is renewed
/// only when it is known that what is lent below is still right: see Recaller::vouch(). A
/// lookup would have told the kernel of changes in the store. It does not look up here, so check()
/// looks at the store, and the kernel is told of what changed.
///
/// There is room for 16,384 files by 32,768 entries (kMostFiles, kMostEntries). Any further file is
/// lent for a lease, as files that are not in steady use are. Thread-safe.
class SteadyFiles {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kMostFiles = 16'384;
  static constexpr std::size_t kMostEntries = 32'768;

  /// A file, by the name that the kernel has for it.
  struct Use {
    NodeId node;
    StorePath path;     ///< in the store
    Sighting sighting;  ///< at `seen` or later
    KernelEntry entry;
    Time seen;
    Time until;
  };

  /// Keeps the file. False if there is no room, if the node is known by another path, or after
  /// pause(): then the file must not be lent for longer than a lease.
  bool keep(Use use);
  void drop(NodeId node);

  /// The time until which a file is kept; none if it is not kept.
  std::optional<Time> until(NodeId node);

  std::size_t size();
  /// The entries by which the kernel knows these files.
  std::vector<KernelEntry> entries();

  /// Keeps no file from now until `until`.
  void pause(Time until);
  void clear();

  /// The oldest time of a last look at a file in the store; none if no file is kept at `now`.
  std::optional<Time> seen(Time now);

  /// Looks at every file once, without a lock. Files that have changed are returned and not kept
  /// any more; the next lookup may have them kept again. Costs a system call a file, and three a
  /// folder. One thread at a time.
  StoreChanges check(const Store& store, Time now);
  /// Sets whether no more files are kept (`full`), because one look at all files must not take
  /// long.
  void limit(bool full);
  /// Notes that every file was seen at `then` or later, and that the kernel knows of those that had
  /// changed.
  void seen_again(Time then);

 private:
  struct File {
    StorePath path;
    Sighting sighting;
    Time until;
    std::vector<KernelEntry> entries;
  };
  struct State {
    std::unordered_map<NodeId, File> files;
    std::size_t entries = 0;
    bool full = false;
    Time seen;
    Time paused_until;
  };
  using Files = decltype(State::files);

  static Files::iterator erase(State& state, Files::iterator file);

  Sync<State> state_;
};

}  // namespace grantfs
