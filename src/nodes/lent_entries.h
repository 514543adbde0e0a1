#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

#include "grantfs/store_path.h"
#include "nodes/lent_entry.h"
#include "nodes/locked_graph.h"
#include "nodes/node_graph.h"

namespace grantfs {

/// What has been lent to the kernel lately, by which entries, for recalls.
///
/// A recall and a lookup that overlap are kept apart by marks: begin_recall() comes before the
/// recall collects, a lookup takes its mark before it decides, and what it decided is not lent if a
/// recall began meanwhile.
///
/// Thread-safe. What goes over many names hands the lock on in between: see Turns.
class LentEntries {
 public:
  /// `lent_for`: how long an entry counts as lent after it last was, unless it is lent for longer.
  /// `graph` must outlive it.
  LentEntries(LockedGraph& graph, std::chrono::seconds lent_for)
      : graph_(graph), lent_for_(lent_for) {}

  RecallMark mark() const { return recalls_.load(); }
  void begin_recall() { ++recalls_; }

  /// Has an entry that was just lent, and what leads to it from the path of its rule on, count as
  /// lent for so long. False if it must not be lent, since a recall has begun meanwhile.
  bool lend_for(const KernelEntry& entry, const Loan& loan, std::chrono::seconds lent_for);

  /// Has a folder hold files that are lent by its own lease for that long: until then,
  /// NodeTable::remember() and find() say so, and it must be lent for a short time only. True if it
  /// has held such files for longer than `lease` already: nothing older than that stands any more.
  bool hold_steady(NodeId folder, std::chrono::seconds lease, std::chrono::seconds lent_for);

  /// What is lent along `path`, in every view that has looked it up: a chain for each view, its
  /// door first.
  std::vector<std::vector<LentEntry>> lent_along(const StorePath& path);
  /// The files that are lent in views that are of URIs, whatever path of the store they are at.
  std::vector<LentEntry> lent_files_of_uris();
  /// What is lent in a view, its door and everything below it, folders before what is in them.
  std::vector<LentEntry> lent_in(const View& view);
  /// Has an entry, and all below what it leads to, count as lent no more: the kernel is about to be
  /// told to forget it. What was lent below, folders before what is in them.
  std::vector<KernelEntry> take_back(const LentEntry& top);
  /// Everything that is lent, or was taken back a moment ago, doors first and files last: what lies
  /// below a folder that is forgotten needs no work any more.
  std::vector<KernelEntry> all_lent();
  /// Takes what is listed as expiring at or before `now`, folders before what is in them.
  std::vector<LentEntry> take_expired(Timestamp now);
  /// When the first of what is listed expires.
  Expiry next_expiry();
  /// What is lent with the entry, or below it for so long yet, rests on another decision by now;
  /// the mark does not matter.
  void rest_on(const KernelEntry& entry, const Loan& loan, std::chrono::seconds left);

  /// The roots of all views for servers, but for those of URIs.
  std::vector<NodeId> roots_of_views_for_servers();
  /// The entry that leads to a folder of a view, be it lent (LentEntry::lent) or not (kClosed).
  std::optional<LentEntry> leading_to(NodeId folder);
  /// The entry, if it is lent.
  std::optional<LentEntry> lent_by(const KernelEntry& entry);
  struct LentIn {
    std::vector<LentEntry> files;  ///< that are lent
    std::vector<NodeId> folders;   ///< lent or not
  };
  /// What is in a folder, and not what is below that.
  LentIn lent_directly_in(NodeId folder);
  /// Whether a file has been lent below the name, in a view that is of URIs.
  bool leads_to_uri(NodeId parent, std::string_view name);

  /// The views for servers that there are nodes of, but for those of URIs.
  std::vector<ViewPointer> views_for_servers();

  /// Under the graph's lock, of an entry that a lookup has just found: lends it. False if the
  /// kernel must not keep the answer.
  bool lend(NodeGraph& graph, Slot entry, const Loan* loan) const;
  static bool is_lent(const GraphEntry& entry);
  static bool holds_steady(const GraphNode& node);

 private:
  static void mark_lent(GraphEntry& entry, Access access, std::chrono::seconds lent_for);
  static void rest_on(NodeGraph& graph, Slot entry, const Loan& loan,
                      std::chrono::seconds lent_for);
  static void lead_to_uri(NodeGraph& graph, Slot file);
  enum class Collect { kLeave, kTakeBack };
  /// What add_below() goes through, and what becomes of it.
  struct Below {
    const ViewPointer& view;
    StorePath path;
    Collect collect;
  };
  static void add_below(Turns& turns, NodeGraph& graph, Slot folder, const Below& below,
                        std::vector<LentEntry>& found);
  static LentEntry copy(const NodeGraph& graph, const GraphEntry& entry, const ViewPointer& view,
                        const StorePath& path);
  /// Adds what is lent below, and the view's door before it.
  static void add_view(Turns& turns, NodeGraph& graph, Slot root, const ViewPointer& view,
                       std::vector<LentEntry>& found);

  LockedGraph& graph_;
  const std::chrono::seconds lent_for_;
  std::atomic<RecallMark> recalls_{0};
};

}  // namespace grantfs
