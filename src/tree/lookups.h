#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "tree/answers.h"
#include "tree/attributes_reader.h"
#include "tree/tree_parts.h"

namespace grantfs {

/// Answers lookups: what a name in a folder leads to, and how long the kernel may believe it.
/// Thread-safe.
class Lookups {
 public:
  /// Both must outlive it.
  Lookups(TreeParts& parts, AttributesReader& attributes)
      : parts_(parts), attributes_(attributes) {}

  /// See Tree::lookup().
  Result<Entry, Errno> lookup(NodeId parent, std::string_view name, const Caller& caller,
                              Waiting waiting);

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  /// When an answer was begun: nothing is lent from a later moment on, nor after a recall since.
  struct Beginning {
    SteadyTime time = std::chrono::steady_clock::now();
    RecallMark mark;
  };
  struct LookedUp {
    NodeId parent;
    std::string_view name;
  };

  Beginning begin() const { return {.mark = parts_.nodes.lent().mark()}; }

  Result<Entry, Errno> lookup_at_door(const Place& place, const LookedUp& what,
                                      const Caller& caller, Waiting waiting);
  Result<Entry, Errno> lookup_in_view(const Place& folder, const LookedUp& what, Waiting waiting);
  Result<Entry, Errno> enter_door(const LookedUp& what, const Door& door,
                                  const std::optional<Address>& from);
  Result<Entry, Errno> enter_marker(const LookedUp& what);
  /// The root of a view of which the policy says whether there is one.
  Result<Entry, Errno> enter_view(const LookedUp& what, View view, Waiting waiting);
  /// The root of a view that is there for whoever passed its door. It is not lent.
  Result<Entry, Errno> enter_open_view(const LookedUp& what, View view, Waiting waiting);
  /// A folder of a view of URIs, which is there whatever there is.
  Result<Entry, Errno> enter_empty_folder(const LookedUp& what, const View& view,
                                          const StorePath& path, const Decision& decision,
                                          const Beginning& beginning);

  /// Whose node a file of the view has.
  FileNode file_node(const View& view) const;
  /// Whether a folder may be lent that names made up without end could lead to.
  bool may_lend(const View& view, const LookedUp& what) {
    return !view.traits.is_of_uris || parts_.nodes.lent().leads_to_uri(what.parent, what.name);
  }
  /// The answer, once its node is remembered: not lent if a recall came in between, and from the
  /// moment the decision was begun.
  Entry answer(const NodeTable::Remembered& node, struct stat shown, const View& view,
               const Decision& decision, SteadyTime begun, std::chrono::nanoseconds longest) const;
  Entry answer_folder(const NodeTable::Remembered& node, struct stat shown, const View& view,
                      const Decision& decision, SteadyTime begun) const;
  /// The answer to a lookup of a file. If it is in steady use, it is lent for longer.
  Entry answer_file(const LookedUp& what, Sight sight, const View& view,
                    const std::optional<Loan>& lent, const NodeTable::Remembered& node,
                    SteadyTime begun);

  TreeParts& parts_;
  AttributesReader& attributes_;
};

}  // namespace grantfs
