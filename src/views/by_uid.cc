// `by-uid/N`: the view of a user of this machine, which that user alone may enter.
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "base/parse_integer.h"
#include "views/doors.h"
#include "views/every_door.h"

namespace grantfs {
namespace {

/// A uid in decimal, without leading zeros, below (uid_t)-1.
std::optional<uid_t> parse_uid(std::string_view name) {
  if (name.empty() || (name.size() > 1 && name.front() == '0')) return std::nullopt;
  const auto uid = parse_integer<uid_t>(name);
  return uid == kNobodyAtAll ? std::nullopt : uid;
}

class ByUid final : public Door {
 public:
  ByUid(const DoorContext& context, std::string_view name)
      : Door(context, {.name = name,
                       .inode = 3,
                       .places = {.at_root = true},
                       .views = {.root_mode = S_IFDIR | 0500}}) {}

  Result<Opening, Errno> open(const Visit& visit) const override {
    const auto uid = parse_uid(visit.name);
    if (!uid) return Errno{ENOENT};
    // The view is there even where there is nothing in it: `me` must not dangle.
    Entrance own = entrance(SystemUser{*uid}, label_of(visit));
    own.stands_open = true;
    own.view.shown_owner = *uid;
    if (!own.view.admits(visit.caller)) return deny(EACCES);
    return Opening(std::move(own));
  }
  std::string label_of(const Visit& visit) const override {
    const auto uid = parse_uid(visit.name);
    return uid ? "uid:" + std::to_string(*uid) : std::string();
  }
};

}  // namespace

void add_by_uid(Doors& doors, std::string_view name) {
  doors.add(std::make_unique<ByUid>(doors.context(), name));
}

}  // namespace grantfs
