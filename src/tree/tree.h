#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errno.h"
#include "grantfs/policy.h"
#include "grantfs/result.h"
#include "lease/lender.h"
#include "lease/withdrawal.h"
#include "nodes/bound_processes.h"
#include "nodes/caller.h"
#include "nodes/inode_numbers.h"
#include "nodes/node_cache.h"
#include "nodes/node_table.h"
#include "nodes/recent_lookups.h"
#include "policy/decisions/judge.h"
#include "policy/decisions/link_uses.h"
#include "store/store.h"
#include "tree/open_folder.h"

namespace grantfs {

/// How a name that exists in the store but is not for this view is refused inside it.
enum class Denial {
  kHide,    ///< ENOENT, as if it were missing
  kForbid,  ///< EACCES
};

struct TreeOptions {
  Denial denial = Denial::kHide;
  /// Group whose members alone may pass the doors for servers; none: whoever has a token.
  std::optional<gid_t> server_group{};
  /// Group whose members alone may pass by-user, being trusted to have authenticated the user;
  /// none: then there is no by-user.
  std::optional<gid_t> by_user_group{};
  /// What there is at the root besides by-user, of all_views(); none: everything.
  std::optional<std::vector<std::string>> views{};
  /// Counts how often links are used; none: a link that may be used so often only is closed.
  LinkUses* link_uses = nullptr;
  FileIdKey key{};     ///< of inode numbers
  timespec mounted{};  ///< shown as the time of what has none of its own
  Lender::Options lending{};
  /// Whether the mount never asks at open(2): a read then names the node alone. If so, and there is
  /// a server_group, the views behind the doors that it alone passes share a node a file.
  bool reads_by_node = false;
  /// How many files may be kept open, a descriptor each, in case they are asked for again.
  std::size_t spare_descriptors = 640;
  /// Told of a file's node whose pages the kernel should forget, as the file has changed since it
  /// read them; called from any thread: it must be quick.
  std::function<void(NodeId)> on_changed{};
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
  /// How long the kernel may believe it without asking again; zero: not at all.
  std::chrono::nanoseconds lent_for{0};
  /// The same of the attributes, if that is longer.
  std::chrono::nanoseconds attributes_lent_for{0};
};

/// The answer to a stat.
struct Attributes {
  struct stat shown;
  std::chrono::nanoseconds lent_for{0};
};

/// The mount as a tree of names: what there is for whom. Knows nothing of FUSE.
///
/// Every lookup, open and opendir is decided by the policy's newest commit, and what a lookup found
/// may be lent to the kernel for a while; withdrawal() says what it must forget again. Refusals are
/// EACCES at a door (a view that is not, or no longer, or not the caller's) and ENOENT inside a
/// view, for denied, missing and unregistered alike. Where the decision itself fails, EACCES
/// everywhere.
///
/// Calls that look into the store may be told not to wait for it. They fail with EWOULDBLOCK where
/// they would have to: then nothing has happened, and the same call may be made where it can wait.
/// What is refused never waits, since the store is not asked about it.
///
/// Thread-safe. Each call costs one decision and one resolution in the store at most.
class Tree {
 public:
  Tree(Policy& policy, const Store& store, TreeOptions options);

  /// The names there can be at the root, by-user included.
  static std::vector<std::string_view> all_views();

  /// From now on as if TreeOptions::reads_by_node were false. Before the first lookup only.
  void decide_every_open() { options_.reads_by_node = false; }
  /// Lender::lend_steadily(), if files are read by node. Before the first lookup only.
  void lend_steadily() {
    if (options_.reads_by_node) lender_.lend_steadily();
  }

  /// Counts one lookup of the node it returns: forget() it once, whatever comes of the answer.
  Result<Entry, Errno> lookup(NodeId parent, std::string_view name, const Caller& caller,
                              Waiting waiting = Waiting::kAllowed);
  /// True if the node has gone with it.
  bool forget(NodeId node, std::uint64_t count);

  /// Of what the kernel holds already, so never refused, and no error if its name has gone: then
  /// as last seen. If a file has changed, on_changed() is told. But a folder shows its time and
  /// size only while it is readable as a whole, and nothing is lent that is decided worse than what
  /// was lent, or of a view that is void.
  Result<Attributes, Errno> attributes(NodeId node, Waiting waiting = Waiting::kAllowed);
  Result<std::string, Errno> read_link(NodeId node, const Caller& caller);
  /// Whether it is an empty file of the mount's own, which anyone may open.
  bool is_marker(NodeId node);
  /// The decision to open a file: what is at its path now, if that is the node's file still.
  /// ESTALE makes the kernel walk the path again, with fresh lookups (do_filp_open() in
  /// fs/namei.c): if the name leads to another file by now, or to the same one with other
  /// attributes.
  Result<Located, Errno> admit(NodeId node, const Caller& caller,
                               Waiting waiting = Waiting::kAllowed);
  Result<UniqueFd, Errno> open_for_passthrough(const Located& admitted, Waiting waiting);
  /// Has an admitted file stay readable by file_of() for a while, whatever becomes of its name.
  void pin(NodeId node, const Located& admitted);
  /// Whether file_of() reads what has been admitted, so that no client can use up descriptors.
  bool reads_by_handle() const { return store_.opens_by_handle(); }
  /// The file admitted, which all share who have it open through this node.
  Result<std::shared_ptr<OpenedFile>, Errno> share_admitted(NodeId node, const Located& admitted,
                                                            Waiting waiting);
  /// admit() and share_admitted().
  Result<std::shared_ptr<OpenedFile>, Errno> open(NodeId node, const Caller& caller);
  /// The decision to list a folder, which each OpenFolder::read() makes anew. The tree must outlive
  /// what it returns.
  Result<std::unique_ptr<OpenFolder>, Errno> open_folder(NodeId node, const Caller& caller,
                                                         Waiting waiting = Waiting::kAllowed);
  /// The file of a node, to be read by whoever holds it open already: no decision, and whatever
  /// became of its names. Most of the time from a cache of descriptors.
  Result<std::shared_ptr<OpenedFile>, Errno> file_of(NodeId node, Waiting waiting);

  /// What the kernel must forget when access is taken away, for the recalling thread.
  Withdrawal& withdrawal() { return withdrawal_; }
  SteadyFiles& steady_files() { return lender_.steady_files(); }
  /// Closes what is kept open in case it is asked for again, and gives back memory. Call it when
  /// little is asked.
  void rest();
  /// Binds the session that the process `leader` leads (a pidfd; `pid` is its number) to the bearer
  /// of the token: its processes see that view as by-process. kNotFound if the token has no live
  /// session, or one that is bound to an address; kInvalid if there is no by-process; kDatabase on
  /// trouble; else as BoundProcesses::bind().
  Result<void> bind(pid_t pid, UniqueFd leader, std::string_view token);
  std::vector<BoundProcesses::Binding> bindings() { return processes_.list(); }

  /// Counts and reports a request that was refused before or beside a decision: for want of memory,
  /// or since the store hangs.
  void note_refusal(const char* why) noexcept;

  const TreeCounters& counters() const { return counters_; }
  std::size_t node_count() { return nodes_.size(); }

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;

  /// Whether the root has this one of all_views().
  bool shows(std::string_view view) const;
  Result<Entry, Errno> look_up(NodeId parent, std::string_view name, const Caller& caller,
                               Waiting waiting);
  Result<Entry, Errno> lookup_at_root(std::string_view name, Waiting waiting);
  Result<Entry, Errno> lookup_user(std::string_view name, NodeId parent, const Caller& caller,
                                   Waiting waiting);
  Result<Entry, Errno> lookup_process(std::string_view name, NodeId parent, const Caller& caller,
                                      Waiting waiting);
  Result<Entry, Errno> lookup_token(std::string_view token, const Place& parent, Waiting waiting);
  Result<Entry, Errno> lookup_by_user(std::string_view name, NodeId parent, Waiting waiting);
  Result<Entry, Errno> lookup_address(std::string_view name, NodeId parent);
  Result<Entry, Errno> lookup_below_address(std::string_view name, const Place& parent);
  Result<Entry, Errno> lookup_expired(std::string_view token, const Place& parent);
  // Of by-md5, and of the same in expired; see uris.cc.
  Result<Entry, Errno> lookup_md5_expiry(std::string_view name, const Place& parent);
  Result<Entry, Errno> lookup_md5(std::string_view name, const Place& parent, Waiting waiting);
  Result<Entry, Errno> lookup_uri(const Place& parent, std::string_view name, Waiting waiting);
  /// Whether a URI below a signed folder is itself a folder of the store. EWOULDBLOCK, or no error.
  Result<bool, Errno> is_folder_on_the_way(const Decision& decision, const StorePath& uri,
                                           Waiting waiting);
  Result<Entry, Errno> lookup_expired_uri(const Place& parent, std::string_view name,
                                          Waiting waiting);
  Result<std::unique_ptr<OpenFolder>, Errno> open_uri(const Place& folder, const Caller& caller);
  /// An empty file, which says that something has expired: not lent, for it may be extended, and
  /// then nothing is recalled.
  Result<Entry, Errno> enter_marker(NodeId parent, std::string_view name);
  /// A folder of a view of URIs, which is there whatever there is.
  Result<Entry, Errno> enter_virtual(const Place& parent, std::string_view name,
                                     const Decision& decision, RecallMark mark, SteadyTime begun);
  Result<Entry, Errno> lookup_in_view(const Place& parent, std::string_view name, Waiting waiting);
  /// The node of one of the mount's own folders and links, as an answer.
  Result<Entry, Errno> enter(NodeId parent, std::string_view name, NodeKind kind,
                             const std::optional<Address>& from = std::nullopt);
  /// The root of a view that is for servers, or of that of a `process`, as an answer.
  Result<Entry, Errno> enter_view(NodeId parent, std::string_view name, const Identity& identity,
                                  Waiting waiting,
                                  std::shared_ptr<const BoundProcess> process = nullptr);
  Result<std::unique_ptr<OpenFolder>, Errno> open_root() const;
  Result<std::unique_ptr<OpenFolder>, Errno> open_folder_of(NodeId node, const Caller& caller,
                                                            Waiting waiting);
  class Decisions;
  /// Whether the caller may list a folder now, and where it is.
  Result<FolderSight, Errno> look_at_folder(const View& view, const StorePath& path,
                                            const Caller& caller, Waiting waiting);

  Result<Located, Errno> admit_by_name(NodeId node, const Caller& caller, Waiting waiting);
  /// Keeps what a lookup found for the open or the read that is likely to follow.
  void keep_at_hand(NodeId node, Located located);
  /// The judge's decision, or what to refuse with.
  Result<Decision, Errno> decide(const View& view, const StorePath& path);
  FileNode file_node(const View& view) const;
  void tell_of_change(NodeId node) const;
  /// The answer to a lookup of a file. If it is in steady use, it is lent for longer.
  Entry answer_file(NodeId parent, std::string_view name, const StorePath& path, Located located,
                    const View& view, const Decision& decision, const std::optional<Loan>& lent,
                    const NodeTable::Remembered& node, SteadyTime begun);
  /// The answer, once its node is remembered: not lent if a recall came in between, and from the
  /// moment the decision was begun.
  Entry answer(const NodeTable::Remembered& node, struct stat shown, const View& view,
               const Decision& decision, SteadyTime begun, std::chrono::nanoseconds longest) const;
  Entry answer_folder(const NodeTable::Remembered& node, struct stat shown, const View& view,
                      const Decision& decision, SteadyTime begun) const;

  Errno deny(int error);
  Errno fail(int error);

  Result<Attributes, Errno> attributes_of_folder(const Place& folder, Waiting waiting);
  Result<Attributes, Errno> attributes_of_file(const Place& file, Waiting waiting);
  /// What a file is now; anything but the node's own file means that it cannot be told.
  Result<Found, Errno> examine(const Place& file, Waiting waiting);
  /// Whether a descriptor of the file is held.
  bool is_at_hand(NodeId node) { return files_.find(node) || pinned_.find(node); }
  /// Counts a call, once, however often it is made because it would have had to wait.
  template <class Answer>
  static void count(std::atomic<std::uint64_t>& counter, const Result<Answer, Errno>& answer) {
    if (!would_wait(answer)) ++counter;
  }
  struct stat fixed_attributes(NodeKind kind, const std::optional<Address>& from) const;
  struct stat file_attributes(uid_t owner, const Found& found) const;
  /// `found` only if the view may read the folder as a whole.
  struct stat folder_attributes(const View& view, const StorePath& path, const Found* found) const;

  Policy& policy_;
  const Store& store_;
  TreeOptions options_;
  const InodeNumbers numbers_;
  BoundProcesses processes_;
  const Judge judge_;
  NodeTable nodes_;
  Lender lender_;
  Withdrawal withdrawal_;
  RecentLookups recent_;
  NodeShare<OpenedFile> opened_;
  NodeCache<OpenedFile> files_;  ///< read lately
  /// Files found lately, by O_PATH: one that is replaced or deleted meanwhile is not gone, and can
  /// be read by whoever opened it, though we are not told who did.
  NodeCache<UniqueFd> pinned_;
  std::shared_ptr<FolderStreams> streams_ = std::make_shared<FolderStreams>();
  std::atomic<bool> forgot_{false};  ///< nodes have gone since memory was given back
  TreeCounters counters_;
};

}  // namespace grantfs
