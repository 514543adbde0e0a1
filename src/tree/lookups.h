#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "tree/answers.h"
#include "tree/attributes/attributes_reader.h"
#include "tree/tree_parts.h"

namespace grantfs {

/// Lookups says what a name in a folder leads to, and for how long the kernel may believe the
/// answer. Thread-safe.
class Lookups {
 public:
  /// Both must outlive it.
  Lookups(TreeParts& parts, AttributesReader& attributes)
      : parts_(parts), attributes_(attributes) {}

  /// See Tree::lookup().
  Result<Entry, Errno> lookup(NodeId parent, std::string_view name, const Caller& caller,
                              Waiting waiting);
  /// See Tree::begin_use().
  void begin_use(NodeId parent, std::string_view name, const Caller& caller);

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct LookedUp {
    NodeId parent;
    std::string_view name;
    const Caller& caller;
  };

  Result<Entry, Errno> lookup_at(const Place& place, const LookedUp& what, Waiting waiting);
  Result<Entry, Errno> lookup_at_door(const Place& place, const LookedUp& what, Waiting waiting);
  Result<Entry, Errno> lookup_in_view(const Place& folder, const LookedUp& what, Waiting waiting);
  Result<Entry, Errno> enter_door(const LookedUp& what, const Door& door,
                                  const std::optional<Address>& from);
  Result<Entry, Errno> enter_marker(const LookedUp& what);
  /// Answers with the root of a view that exists only if the policy says so.
  Result<Entry, Errno> enter_view(const LookedUp& what, View view, Waiting waiting);
  /// Answers with the root of a view that is there for everybody who passed its door. The answer is
  /// not lent.
  Result<Entry, Errno> enter_open_view(const LookedUp& what, View view, Waiting waiting);
  /// Answers with a folder of a view of URIs, which is there whatever the store has.
  Result<Entry, Errno> enter_empty_folder(const LookedUp& what, const View& view,
                                          const StorePath& path, const Decision& decision,
                                          const Beginning& beginning);

  /// The way in which files of the view have nodes.
  FileNode file_node(const View& view) const;
  /// Whether a folder may be lent to which clients could make up names without end.
  bool may_lend(const View& view, const LookedUp& what) {
    return !view.traits.is_of_uris || parts_.nodes.lent().leads_to_uri(what.parent, what.name);
  }
  /// The answer for a node that is remembered. It is lent from the moment at which the decision was
  /// begun, or not at all if a recall has begun since.
  Entry answer(const NodeTable::Remembered& node, struct stat shown, const View& view,
               const Decision& decision, SteadyTime begun, std::chrono::nanoseconds longest) const;
  Entry answer_folder(const NodeTable::Remembered& node, struct stat shown, const View& view,
                      const Decision& decision, SteadyTime begun) const;
  /// The answer to a lookup of a file. If it is in steady use, it is lent for longer. EACCES if it
  /// must be recorded and cannot be.
  Result<Entry, Errno> answer_file(const LookedUp& what, Sight sight, const View& view,
                                   const std::optional<Loan>& lent,
                                   const NodeTable::Remembered& node, SteadyTime begun);

  TreeParts& parts_;
  AttributesReader& attributes_;
};

}  // namespace grantfs
