#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/errno.h"
#include "grantfs/policy.h"
#include "grantfs/result.h"
#include "store/store.h"
#include "tree/inode_numbers.h"
#include "tree/node_table.h"
#include "tree/open_folder.h"
#include "tree/recent_lookups.h"

namespace grantfs {

/// How a name that exists in the store but is not for this view is refused inside it.
enum class Denial {
  kHide,    ///< ENOENT, as if it were missing
  kForbid,  ///< EACCES
};

struct TreeOptions {
  Denial denial = Denial::kHide;
  /// Group whose members alone may pass by-session; none: whoever has a token.
  std::optional<gid_t> server_group{};
  FileIdKey key{};     ///< of inode numbers
  timespec mounted{};  ///< shown as the time of what has none of its own
  /// Told of every failed decision; called from any thread, often: it must be quick.
  std::function<void(const Error&)> on_policy_error{};
};

/// What is counted, since the start. Each is its own; together they are no snapshot.
struct TreeCounters {
  std::atomic<std::uint64_t> lookups{0};
  std::atomic<std::uint64_t> opens{0};
  std::atomic<std::uint64_t> opendirs{0};
  std::atomic<std::uint64_t> denials{0};  ///< refused by the policy
  std::atomic<std::uint64_t> errors{0};   ///< refused because deciding or looking failed
};

/// The answer to a lookup.
struct Entry {
  NodeId node;
  struct stat attributes;
};

/// The mount as a tree of names: what there is for whom. Knows nothing of FUSE.
///
/// Every lookup, open and opendir is decided by the policy's newest commit. Refusals are EACCES at
/// a door (a view that is not, or no longer, or not the caller's) and ENOENT inside a view, for
/// denied, missing and unregistered alike. Where the decision itself fails, EACCES everywhere.
///
/// Thread-safe. Each call costs one decision and one resolution in the store at most.
class Tree {
 public:
  Tree(Policy& policy, const Store& store, TreeOptions options);

  /// Counts one lookup of the node it returns: forget() it once, whatever comes of the answer.
  Result<Entry, Errno> lookup(NodeId parent, std::string_view name, uid_t caller);
  void forget(NodeId node, std::uint64_t count) { nodes_.forget(node, count); }

  /// Of what the kernel holds already, so not a decision, and no error if its name has gone: then
  /// as last seen. But a folder shows its time and size only while it is readable as a whole.
  Result<struct stat, Errno> attributes(NodeId node);
  Result<std::string, Errno> read_link(NodeId node, uid_t caller);
  Result<std::shared_ptr<OpenFile>, Errno> open(NodeId node, uid_t caller);
  Result<std::unique_ptr<OpenFolder>, Errno> open_folder(NodeId node, uid_t caller);

  const TreeCounters& counters() const { return counters_; }
  std::size_t node_count() { return nodes_.size(); }

 private:
  Result<Entry, Errno> lookup_at_root(std::string_view name);
  Result<Entry, Errno> lookup_user(std::string_view name, NodeId parent, uid_t caller);
  Result<Entry, Errno> lookup_session(std::string_view token, NodeId parent);
  Result<Entry, Errno> lookup_in_view(const Place& parent, std::string_view name);
  /// The node of a door or a view's root, as an answer.
  Result<Entry, Errno> enter(NodeId parent, std::string_view name, NodeKind kind,
                             ViewPointer view = nullptr);

  /// What the policy says, or what to refuse with.
  Result<Access, Errno> decide(const View& view, const StorePath& path);
  Errno deny(int error);
  Errno fail(int error);

  struct stat fixed_attributes(NodeKind kind) const;
  struct stat file_attributes(const View& view, const Found& found) const;
  /// `found` only if the view may read the folder as a whole.
  struct stat folder_attributes(const View& view, const StorePath& path, const Found* found) const;

  Policy& policy_;
  const Store& store_;
  const TreeOptions options_;
  const InodeNumbers numbers_;
  NodeTable nodes_;
  RecentLookups recent_;
  TreeCounters counters_;
};

}  // namespace grantfs
