// `by-user/NAME`: the view of user:NAME, for servers that have authenticated the user themselves.
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "views/doors.h"
#include "views/every_door.h"

namespace grantfs {
namespace {

class ByUser final : public Door {
 public:
  ByUser(const DoorContext& context, std::string_view name)
      : Door(context, {.name = name,
                       .inode = 5,
                       .passers = Passers::kUserGroup,
                       .places = {.at_root = true},
                       .views = {.may_be_lent = true}}) {}

  Result<Opening, Errno> open(const Visit& visit) const override {
    auto user = Principal::parse("user:" + std::string(visit.name));
    if (!user) return deny(EACCES);
    const std::string label = user->text();
    return Opening(entrance(Named{std::move(*user)}, label));
  }
};

}  // namespace

void add_by_user(Doors& doors, std::string_view name) {
  doors.add(std::make_unique<ByUser>(doors.context(), name));
}

}  // namespace grantfs
