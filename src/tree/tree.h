#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/errno.h"
#include "grantfs/result.h"
#include "lease/recall/withdrawal.h"
#include "tree/answers.h"
#include "tree/attributes/attributes_reader.h"
#include "tree/folders.h"
#include "tree/lookups.h"
#include "tree/open_folder.h"
#include "tree/tree_options.h"
#include "tree/tree_parts.h"

namespace grantfs {

/// Counts of what was asked since the start. Each count is read by itself; together they are no
/// snapshot.
struct TreeCounters {
  std::atomic<std::uint64_t> lookups{0};
  std::atomic<std::uint64_t> opens{0};
  std::atomic<std::uint64_t> opendirs{0};
};

/// A tree of names: the mount, as each caller may see it. It knows nothing of FUSE.
///
/// Every lookup, open and opendir is decided by the policy's newest commit. The answer to a lookup
/// may be lent to the kernel for a while; withdrawal() says which answers the kernel must forget
/// again. A refusal at a door is EACCES: there is no such view, or no longer, or it is not the
/// caller's. A refusal inside a view is ENOENT, for denied, missing and unregistered names alike.
/// Where the decision itself fails, the answer is EACCES everywhere.
///
/// Calls that look into the store may be told not to wait for it. Such a call fails with
/// EWOULDBLOCK where it would have to wait: then nothing has happened, and the same call may be
/// made on a thread that can wait. A refusal never waits, because the store is not asked.
///
/// A link whose uses are limited is closed to a client who has no use under way. A lookup of its
/// door that is told not to wait fails with EINPROGRESS then: begin_use() may open it.
///
/// Thread-safe. Each call costs one decision and one resolution in the store at most.
class Tree {
 public:
  /// `policy` and `store` must outlive it.
  Tree(Policy& policy, const Store& store, TreeOptions options);

  /// Calls Lender::lend_steadily() if files are read by node. Before the first lookup only.
  void lend_steadily() {
    if (parts_.options.reads_by_node) parts_.lender.lend_steadily();
  }

  /// Counts one lookup of the node that it returns. The caller must forget() that lookup once, also
  /// if the answer does not reach the kernel.
  Result<Entry, Errno> lookup(NodeId parent, std::string_view name, const Caller& caller,
                              Waiting waiting = Waiting::kAllowed);
  /// Begins a use of the link whose door this name leads to, so that lookup() finds the door open;
  /// does nothing if that cannot be, or if there is nothing to begin. May wait, for a disk or for
  /// another machine, but not for the store.
  void begin_use(NodeId parent, std::string_view name, const Caller& caller) {
    lookups_.begin_use(parent, name, caller);
  }
  /// Says that the answer to a lookup in `parent` has been sent, or the attributes of a node. If a
  /// thread stood still meanwhile, what the answer lends may be older than it says, and the kernel
  /// has to forget it again. A reply over io_uring is out a moment after its handler has returned.
  /// Costs one reading of the clock.
  void sent(NodeId parent, const Entry& answer) noexcept;
  void sent(NodeId node, const Attributes& answer) noexcept;
  /// True if the node has gone with it.
  bool forget(NodeId node, std::uint64_t count);

  /// The attributes of a node that the kernel holds already. So the call is never refused, and no
  /// error if the node's name has gone: then the attributes are as last seen. If a file has
  /// changed, the kernel forgets what it read. A folder shows its time and size only while it may
  /// be read as a whole. The attributes are not lent if the decision is worse than the one that was
  /// lent, or if the view is void.
  Result<Attributes, Errno> attributes(NodeId node, Waiting waiting = Waiting::kAllowed) {
    return attributes_.read(node, waiting);
  }
  Result<std::string, Errno> read_link(NodeId node, const Caller& caller);
  /// Whether the node is a marker, which anyone may open.
  bool is_marker(NodeId node);
  /// The decision to open a file. Returns what is at the node's path now, if that is still the
  /// node's file. ESTALE if the name leads to another file by now, or to the same one with other
  /// attributes: it makes the kernel walk the path again, with fresh lookups (do_filp_open() in
  /// fs/namei.c).
  Result<Located, Errno> admit(NodeId node, const Caller& caller,
                               Waiting waiting = Waiting::kAllowed);
  /// No error if the kernel or the store has no such thing: the file is read in another way.
  Result<UniqueFd, Errno> open_for_passthrough(const Located& admitted, Waiting waiting) {
    return parts_.store.open_for_passthrough(admitted.handle, waiting);
  }
  /// Keeps an admitted file readable by file_of() for a while, even if its name is removed.
  void pin(NodeId node, const Located& admitted) { parts_.files.pin(node, admitted); }
  /// Whether file_of() reads what has been admitted, so that no client can use up descriptors.
  bool reads_by_handle() const { return parts_.store.opens_by_handle(); }
  /// The admitted file, opened. All clients that have the file open through this node share it.
  Result<std::shared_ptr<OpenedFile>, Errno> share_admitted(NodeId node, const Located& admitted,
                                                            Waiting waiting) {
    return parts_.files.share(node, admitted, waiting);
  }
  /// admit() and share_admitted().
  Result<std::shared_ptr<OpenedFile>, Errno> open(NodeId node, const Caller& caller);
  /// The decision to list a folder, which each OpenFolder::read() makes anew. The tree must outlive
  /// what it returns.
  Result<std::unique_ptr<OpenFolder>, Errno> open_folder(NodeId node, const Caller& caller,
                                                         Waiting waiting = Waiting::kAllowed);
  /// OpenFiles::file_of().
  Result<std::shared_ptr<OpenedFile>, Errno> file_of(NodeId node, Waiting waiting) {
    return parts_.files.file_of(node, waiting);
  }

  /// By which what is lent is given, and must be told who takes it back.
  Lender& lender() { return parts_.lender; }
  /// What the kernel must forget when access is taken away, for the recalling thread.
  Withdrawal& withdrawal() { return withdrawal_; }
  /// Closes files that are kept open in case they are asked for again, and gives back memory. Call
  /// it when there are few requests.
  void trim();
  /// Binds the POSIX session that the process `leader` leads (a pidfd; `pid` is its number) to the
  /// bearer of the token: its processes see that view as by-process. kNotFound if the token has no
  /// live session, or one that is bound to an address; kInvalid if there is no by-process;
  /// kDatabase on trouble; else as BoundProcesses::bind().
  Result<void> bind(pid_t pid, UniqueFd leader, std::string_view token);
  /// The same by the token's hash, as another daemon has bound it; nothing is done if the session
  /// is bound already. A policy source is not asked about it.
  Result<void> take_binding(pid_t pid, UniqueFd leader, const TokenHash& token);
  std::vector<BoundProcesses::Binding> bindings() { return parts_.processes.list(); }

  /// Counts and reports a request that was refused before or beside a decision: for want of memory,
  /// or since the store hangs.
  void note_refusal(const char* why) noexcept;

  const TreeCounters& counters() const { return counters_; }
  const Refusals& refusals() const { return parts_.refusals; }
  std::size_t node_count() { return parts_.nodes.size(); }

 private:
  Result<Located, Errno> admit_at(const Place& file, const Caller& caller, Waiting waiting);
  /// The file that a place leads to now, if the kernel has looked it up as it is; else ESTALE.
  Result<Located, Errno> as_looked_up(const Place& file, Located located);

  TreeParts parts_;
  AttributesReader attributes_{parts_};
  Lookups lookups_{parts_, attributes_};
  Folders folders_{parts_};
  Withdrawal withdrawal_;
  std::atomic<bool> forgot_{false};  ///< nodes have gone since memory was given back
  TreeCounters counters_;
};

}  // namespace grantfs
