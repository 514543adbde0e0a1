#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "grantfs/store_path.h"
#include "nodes/lent_entry.h"
#include "nodes/locked_graph.h"
#include "nodes/node_graph.h"

namespace grantfs {

/// The entries that have been lent to the kernel lately, kept for recalls.
///
/// Marks keep a recall and a lookup apart that overlap. A recall calls begin_recall() before it
/// collects. A lookup takes its mark before it decides, and its decision is not lent if a recall
/// has begun since.
///
/// Thread-safe. A call that goes over many names lets others have the lock after every 128: see
/// Turns.
class LentEntries {
 public:
  static constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

  /// `lent_for`: the time for which an entry counts as lent after each lending, unless it is lent
  /// for longer. `graph` must outlive this object.
  LentEntries(LockedGraph& graph, std::chrono::seconds lent_for)
      : graph_(graph), lent_for_(lent_for) {}

  RecallMark mark() const { return recalls_.load(); }
  void begin_recall() { ++recalls_; }

  /// Counts an entry that was just lent, and the entries that lead to it from the path of its rule
  /// on, as lent for `lent_for`. False if a recall has begun since the loan's mark: then the entry
  /// must not be lent.
  bool lend_for(const KernelEntry& entry, const Loan& loan, std::chrono::seconds lent_for);

  /// Notes that a folder holds files in steady use for `lent_for`. Until then,
  /// NodeTable::remember() and find() say so, and the folder must be lent for a short time only.
  /// True if the folder has held such files for longer than `lease` already: then every lease on
  /// the folder from before is over.
  bool hold_steady(NodeId folder, std::chrono::seconds lease, std::chrono::seconds lent_for);

  /// The lent entries that rest on a rule, each folder before its contents; if there are more than
  /// `most`, no more are looked for. They rest on it no more: decide each anew, and then either
  /// take_back() or rest_on(). What is lent below one of them by the same rule is not among them.
  std::vector<LentEntry> take_resting_on(RuleHash rule, std::size_t most = kAll);
  /// The files that are lent in views of URIs, at whatever path of the store.
  std::vector<LentEntry> lent_files_of_uris();
  /// The entries that are lent in the views of a token, the doors included, each folder before its
  /// contents; if there are more than `most`, no more are looked for.
  std::vector<LentEntry> lent_in_views_of(const TokenHash& token, std::size_t most = kAll);
  /// The same for the views of a principal: View::principal.
  std::vector<LentEntry> lent_in_views_of(const Principal& principal, std::size_t most = kAll);
  /// The same for all views for servers, except views of URIs.
  std::vector<LentEntry> lent_in_views(std::size_t most = kAll);
  /// Counts an entry, and all entries below it, as not lent any more, because the kernel is about
  /// to be told to forget them. Returns the entries that were lent below, each folder before its
  /// contents.
  std::vector<KernelEntry> take_back(const LentEntry& top);
  /// All entries that are lent, or were taken back a moment ago. Doors come first and files last,
  /// because the entries below a forgotten folder need no work any more.
  std::vector<KernelEntry> all_lent();
  /// Takes the entries off the list of those that expire at or before `now`, each folder before its
  /// contents.
  std::vector<LentEntry> take_expired(Timestamp now);
  /// The earliest expiry of the listed entries.
  Expiry next_expiry();
  /// Replaces the decision on which an entry, and what is lent below it for another `left`, rest.
  /// The loan's mark does not matter.
  void rest_on(const KernelEntry& entry, const Loan& loan, std::chrono::seconds left);

  /// The roots of all views for servers, except views of URIs.
  std::vector<NodeId> roots_of_views_for_servers();
  /// The entry that leads to a folder of a view, lent or not. LentEntry::lent is kClosed if it is
  /// not.
  std::optional<LentEntry> leading_to(NodeId folder);
  /// The entries directly in a folder that lead to a node, or did so before, lent or not. For a
  /// shared file, the cost follows the number of names in the folder.
  std::vector<KernelEntry> leading_to(NodeId node, NodeId folder);
  /// The entry, if it is lent.
  std::optional<LentEntry> lent_by(const KernelEntry& entry);
  struct LentIn {
    std::vector<LentEntry> files;  ///< that are lent
    std::vector<NodeId> folders;   ///< lent or not
  };
  /// The entries directly in a folder.
  LentIn lent_directly_in(NodeId folder);
  /// Whether a file has been lent below the name, in a view that is of URIs.
  bool leads_to_uri(NodeId parent, std::string_view name);

  /// Lends an entry that a lookup has just found, under the graph's lock. False if the kernel must
  /// not keep the answer.
  bool lend(NodeGraph& graph, Slot entry, const Loan* loan) const;
  static bool is_lent(const GraphEntry& entry);
  static bool holds_steady(const NodeGraph& graph, Slot folder);

 private:
  static void mark_lent(GraphEntry& entry, Access access, std::chrono::seconds lent_for);
  static void rest_on(NodeGraph& graph, Slot entry, const Loan& loan,
                      std::chrono::seconds lent_for);
  static void lead_to_uri(NodeGraph& graph, Slot file);
  enum class Collect { kLeave, kTakeBack };
  /// The view and the path that add_below() collects below, and whether it takes back what it
  /// collects.
  struct Below {
    const ViewPointer& view;
    StorePath path;
    Collect collect;
    std::size_t most = kAll;  ///< beyond so many no more are collected
  };
  static void add_below(Turns& turns, NodeGraph& graph, Slot folder, const Below& below,
                        std::vector<LentEntry>& found);
  /// The entry with its view and path; none if it is outside the views by now.
  static std::optional<LentEntry> with_place(NodeGraph& graph, const GraphEntry& entry);
  /// Puts each folder before its contents.
  static void sort_folders_first(std::vector<LentEntry>& entries);
  static LentEntry copy(const NodeGraph& graph, const GraphEntry& entry, const ViewPointer& view,
                        const StorePath& path);
  /// The entries that are lent in these views, given by their roots.
  static std::vector<LentEntry> lent_in(LockedGraph::Lock& graph, const std::vector<NodeId>& roots,
                                        std::size_t most);

  LockedGraph& graph_;
  const std::chrono::seconds lent_for_;
  std::atomic<RecallMark> recalls_{0};
};

}  // namespace grantfs
