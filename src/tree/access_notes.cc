#include "tree/access_notes.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string>
#include <variant>

#include "grantfs/token.h"

namespace grantfs {
namespace {

/// The event, with what a view says.
AuditEvent event_in(const View& view, const Caller& caller) {
  AuditEvent event{.time = audit_now(), .uid = caller.uid, .pid = caller.pid, .label = view.label};
  if (view.principal) event.principal = view.principal->text();
  if (const auto* const bearer = std::get_if<SignatureBearer>(&view.identity)) {
    event.key = bearer->signature.claims().key_id;
  }
  return event;
}

/// The name of the door at which a name was refused. A door behind another has none of its own, and
/// what is refused at the root is one of its doors.
std::string_view door_of(const Door& door, const Place& place, std::string_view name) {
  if (!door.traits().name.empty()) return door.traits().name;
  return place.way.empty() ? name : std::string_view(place.way.front());
}

/// Whether a name might be a token, an MD5 or a signature that was taken for the name of a file.
bool may_be_token(std::string_view name) {
  return name.size() >= kMinTokenBytes && std::ranges::all_of(name, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  c == '_' || c == '-' || c == '=';
         });
}

}  // namespace

bool AccessNotes::is_refusal(Errno error) {
  return error.is_denial || error.value == EACCES;
}

bool AccessNotes::permitted(AuditEvent::What what, const View& view, const StorePath& path,
                            const Caller& caller, std::chrono::nanoseconds span) const {
  AuditEvent event = event_in(view, caller);
  event.what = what;
  event.folder = path.text();
  if (what == AuditEvent::What::kLease) event.lease_until = event.time + span.count();
  return trail_->note(event);
}

void AccessNotes::note_refusal(const Place& place, std::string_view name, const Caller& caller,
                               Errno error) const {
  AuditEvent event{.time = audit_now(), .uid = caller.uid, .pid = caller.pid};
  std::string text;  // lives until the event is noted
  if (place.view != nullptr) {
    if (!trail_->admits_refusal(std::hash<std::string_view>()(place.view->label), event.time)) {
      return;
    }
    event = event_in(*place.view, caller);
    // A name on the way to a URI is anybody's: it need be no file's.
    if (!place.view->traits.is_of_uris) {
      event.folder = place.path.text();
      if (may_be_token(name)) text = "sha256:" + TokenHash::of(name).hex();
      event.name = text.empty() ? name : text;
    }
  } else {
    const Door& door = doors_[place.door];
    event.door = door_of(door, place, name);
    if (!trail_->admits_refusal(std::hash<std::string_view>()(event.door), event.time)) return;
    if (!name.empty()) text = door.label_of({name, caller, place.way});
    event.label = text;
  }
  event.what = AuditEvent::What::kRefused;
  event.why = error.is_denial ? AuditEvent::Why::kDenied : AuditEvent::Why::kFailed;
  event.error = error.value;
  (void)trail_->note(event);
}

}  // namespace grantfs
