#include "tree/lookups.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <variant>

namespace grantfs {

Result<Entry, Errno> Lookups::lookup(NodeId parent, std::string_view name, const Caller& caller,
                                     Waiting waiting) {
  const auto place = parts_.nodes.find(parent);
  if (!place) return parts_.refusals.fail(ESTALE);
  auto entry = lookup_at(*place, {parent, name, caller}, waiting);
  if (!entry) parts_.notes.refused(*place, name, caller, entry.error());
  return entry;
}

Result<Entry, Errno> Lookups::lookup_at(const Place& place, const LookedUp& what, Waiting waiting) {
  if (place.kind == NodeKind::kDoor) return lookup_at_door(place, what, waiting);
  if (place.kind != NodeKind::kFolder) return Errno{ENOTDIR};
  if (!place.view->admits(what.caller)) return parts_.refusals.deny(EACCES);
  return lookup_in_view(place, what, waiting);
}

Result<Entry, Errno> Lookups::lookup_at_door(const Place& place, const LookedUp& what,
                                             Waiting waiting) {
  const Visit visit{what.name, what.caller, place.way};
  auto opening = parts_.doors[place.door].open(visit);
  if (!opening) return opening.error();
  if (const auto* const door = std::get_if<const Door*>(&*opening)) {
    // The address's own folder is the first below it.
    Way way = place.way;
    way.emplace_back(what.name);
    return enter_door(what, **door, address_in(way));
  }
  if (auto* const entrance = std::get_if<Entrance>(&*opening)) {
    return entrance->stands_open ? enter_open_view(what, std::move(entrance->view), waiting)
                                 : enter_view(what, std::move(entrance->view), waiting);
  }
  return enter_marker(what);
}

void Lookups::begin_use(NodeId parent, std::string_view name, const Caller& caller) {
  const auto place = parts_.nodes.find(parent);
  if (!place || place->kind != NodeKind::kDoor) return;
  const auto opening = parts_.doors[place->door].open({name, caller, place->way});
  if (!opening) return;
  const auto* const entrance = std::get_if<Entrance>(&*opening);
  if (entrance == nullptr || entrance->stands_open) return;
  parts_.judge.begin_use(entrance->view.identity);
}

Result<Entry, Errno> Lookups::lookup_in_view(const Place& folder, const LookedUp& what,
                                             Waiting waiting) {
  if (!StorePath::is_name(what.name)) return Errno{ENOENT};
  const View& view = *folder.view;
  const StorePath path = folder.path.child(what.name);
  const Beginning beginning = parts_.begin();
  auto sight = parts_.doors.of(view).look(view, path, waiting);
  if (!sight) return sight.error();
  if (sight->what == Sight::What::kMarker) return enter_marker(what);
  if (sight->what == Sight::What::kEmptyFolder) {
    return enter_empty_folder(what, view, path, sight->decision, beginning);
  }
  const Decision& decision = sight->decision;
  const Found found = sight->located->found;
  const auto lent = parts_.lender.offer(view, decision, beginning.mark);
  const auto node = parts_.nodes.remember(what.parent, what.name, *sight->located, file_node(view),
                                          lent ? &*lent : nullptr);
  if (!node) return parts_.refusals.fail(ESTALE);
  if (found.type == Found::Type::kFile) {
    return answer_file(what, std::move(*sight), view, lent, *node, beginning.time);
  }
  const bool whole = decision.access == Access::kRead;
  return answer_folder(*node, parts_.shown.of_folder(view, path, whole ? &found : nullptr), view,
                       decision, beginning.time);
}

Result<Entry, Errno> Lookups::enter_door(const LookedUp& what, const Door& door,
                                         const std::optional<Address>& from) {
  const auto node = parts_.nodes.remember_fixed(
      what.parent, what.name, door.is_link() ? NodeKind::kLink : NodeKind::kDoor, door.number());
  if (!node) return parts_.refusals.fail(ESTALE);
  return Entry{node->node, parts_.shown.of_door(door, from), parts_.lender.lease()};
}

Result<Entry, Errno> Lookups::enter_marker(const LookedUp& what) {
  const auto node = parts_.nodes.remember_fixed(what.parent, what.name, NodeKind::kMarker);
  if (!node) return parts_.refusals.fail(ESTALE);
  return Entry{node->node, parts_.shown.of_marker()};
}

Result<Entry, Errno> Lookups::enter_view(const LookedUp& what, View view, Waiting waiting) {
  const Beginning beginning = parts_.begin();
  auto entered = parts_.judge.enter(view.identity);
  if (!entered) return parts_.refusals.fail(EACCES);
  const Decision& decision = entered->decision;
  if (decision.access == Access::kClosed) {
    if (decision.uses && waiting == Waiting::kRefused) return Errno{EINPROGRESS};
    return parts_.refusals.deny(EACCES);
  }
  view.root = std::move(entered->root);
  view.principal = std::move(entered->principal);
  std::optional<Found> whole;
  if (decision.access == Access::kRead) {
    auto found = parts_.store.find(view.root, waiting);
    if (!found) return parts_.refusals.fail(found.error().value);
    whole = *found;
  }
  const auto shown = parts_.shown.of_folder(view, view.root, whole ? &*whole : nullptr);
  // A door where uses are counted is never lent: behind it the kernel would not ask for the next.
  const bool lends = !decision.uses && may_lend(view, what);
  const auto lent = lends ? parts_.lender.offer(view, decision, beginning.mark) : std::nullopt;
  // By its name the kernel can be told to forget the door: for a session that is the token.
  const auto shared = std::make_shared<const View>(std::move(view));
  const auto node =
      parts_.nodes.remember_view(what.parent, what.name, shared, lent ? &*lent : nullptr);
  if (!node) return parts_.refusals.fail(ESTALE);
  return answer_folder(*node, shown, *shared, decision, beginning.time);
}

Result<Entry, Errno> Lookups::enter_open_view(const LookedUp& what, View view, Waiting waiting) {
  const auto node = parts_.nodes.remember_view(
      what.parent, what.name, std::make_shared<const View>(std::move(view)), nullptr);
  if (!node) return parts_.refusals.fail(ESTALE);
  auto shown = attributes_.read(node->node, waiting);
  if (!shown) {
    parts_.nodes.forget(node->node, 1);
    return shown.error();
  }
  return Entry{node->node, shown->shown};
}

Result<Entry, Errno> Lookups::enter_empty_folder(const LookedUp& what, const View& view,
                                                 const StorePath& path, const Decision& decision,
                                                 const Beginning& beginning) {
  const bool lends = decision.access != Access::kClosed && may_lend(view, what);
  const auto lent = lends ? parts_.lender.offer(view, decision, beginning.mark) : std::nullopt;
  const auto node =
      parts_.nodes.remember_empty_folder(what.parent, what.name, lent ? &*lent : nullptr);
  if (!node) return parts_.refusals.fail(ESTALE);
  return answer_folder(*node, parts_.shown.of_folder(view, path, nullptr), view, decision,
                       beginning.time);
}

FileNode Lookups::file_node(const View& view) const {
  if (!parts_.options.reads_by_node) return FileNode::kOfName;
  return view.traits.shares_files ? FileNode::kShared : FileNode::kOfVersion;
}

Entry Lookups::answer(const NodeTable::Remembered& node, struct stat shown, const View& view,
                      const Decision& decision, SteadyTime begun,
                      std::chrono::nanoseconds longest) const {
  Entry entry{node.node, shown};
  if (!node.lent) return entry;
  const auto left = parts_.lender.left(view, decision, begun, longest);
  entry.lent_for = left.span;
  entry.lent_from = left.from;
  return entry;
}

Entry Lookups::answer_folder(const NodeTable::Remembered& node, struct stat shown, const View& view,
                             const Decision& decision, SteadyTime begun) const {
  return answer(node, shown, view, decision, begun, parts_.lender.folder_lease(node.holds_steady));
}

Result<Entry, Errno> Lookups::answer_file(const LookedUp& what, Sight sight, const View& view,
                                          const std::optional<Loan>& lent,
                                          const NodeTable::Remembered& node, SteadyTime begun) {
  Lender& lender = parts_.lender;
  const Found found = sight.located->found;
  const bool is_steady = lender.lends_steadily() && node.is_steady && node.lent &&
                         lender.lend_longer({what.parent, std::string(what.name)}, sight.path,
                                            *sight.located, *lent, node.node, begun);
  parts_.files.keep_at_hand(node.node, std::move(*sight.located), parts_.options.reads_by_node);
  if (node.before != 0) lender.tell_of_change(node.before);
  const std::chrono::nanoseconds longest = is_steady ? lender.longest() : lender.lease();
  Entry entry = answer(node, parts_.shown.of_file(view.shown_owner, found), view, sight.decision,
                       begun, std::min(longest, node.fresh_for));
  entry.attributes_lent_for = lender.steadily_left(node.node);
  const bool asks_at_open = !parts_.options.reads_by_node;
  if (asks_at_open || parts_.notes.lent(view, sight.path, what.caller, entry.lent_for)) {
    return entry;
  }
  parts_.nodes.forget(node.node, 1);
  return parts_.refuse_unrecorded();
}

}  // namespace grantfs
