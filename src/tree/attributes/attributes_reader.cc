#include "tree/attributes/attributes_reader.h"

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace grantfs {

Result<Attributes, Errno> AttributesReader::read(NodeId node, Waiting waiting) {
  const Beginning beginning = parts_.begin();  // first: a folder may come to hold steady files
  const auto place = parts_.nodes.find(node);
  if (!place) return parts_.refusals.fail(ESTALE);
  switch (place->kind) {
    case NodeKind::kFolder:
      return read_folder(*place, beginning, waiting);
    case NodeKind::kFile:
      return read_file(*place, beginning, waiting);
    case NodeKind::kMarker:
      return Attributes{parts_.shown.of_marker()};
    case NodeKind::kDoor:
    case NodeKind::kLink:
      break;
  }
  const auto from = address_in(place->way);
  return Attributes{parts_.shown.of_door(parts_.doors[place->door], from), parts_.lender.lease()};
}

Result<Attributes, Errno> AttributesReader::read_folder(const Place& place,
                                                        const Beginning& beginning,
                                                        Waiting waiting) {
  const View& view = *place.view;
  const auto longest = parts_.lender.folder_lease(place.holds_steady);
  const auto decision = parts_.judge.decide(view.identity, place.path);
  bool whole = false;
  Result<Found, Errno> found = Errno{ENOENT};
  if (!view.traits.is_of_uris && decision && decision->access == Access::kRead) {
    found = parts_.store.find(place.path, waiting);
    if (would_wait(found)) return found.error();
    whole = found && found->type == Found::Type::kFolder;
  }
  Attributes shown{parts_.shown.of_folder(view, place.path, whole ? &*found : nullptr)};
  if (!decision || decision->access == Access::kClosed) return shown;
  // Attributes of a folder are lent only by a decision that is no worse than the one that its entry
  // was lent by, because names in use below it go on as long as these attributes are lent.
  const auto left = parts_.lender.left(view, *decision, beginning.time, longest);
  const bool stands = std::max(decision->access, Access::kNone) >= place.lent &&
                      parts_.nodes.lent().mark() == beginning.mark;
  if (stands) {
    shown.lent_for = left.span;
    shown.lent_from = left.from;
  }
  return shown;
}

Result<Attributes, Errno> AttributesReader::read_file(const Place& place,
                                                      const Beginning& beginning, Waiting waiting) {
  bool stands = true;
  // A file that views share belongs to no view: it is lent by its names.
  if (place.view != nullptr) {
    const auto decision = parts_.judge.decide(place.view->identity, place.path);
    stands = place.view->traits.may_be_lent && decision && decision->access == Access::kRead;
  }
  const auto found = parts_.files.examine(place, waiting);
  if (would_wait(found)) return found.error();
  const bool same = found && found->id == place.last.id;
  if (same && parts_.options.reads_by_node && parts_.nodes.note_change(place.id, *found)) {
    parts_.lender.tell_of_change(place.id);
  }
  Attributes shown{parts_.shown.of_file(place.view == nullptr ? 0 : place.view->shown_owner,
                                        same ? *found : place.last)};
  if (stands) {
    const auto span = std::max<std::chrono::nanoseconds>(parts_.lender.lease(),
                                                         parts_.lender.steadily_left(place.id));
    const auto left = Lender::left_of(span, beginning.time);
    shown.lent_for = left.span;
    shown.lent_from = left.from;
  }
  return shown;
}

}  // namespace grantfs
