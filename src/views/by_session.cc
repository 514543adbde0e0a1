// `by-session/TOKEN`: the view of the bearer of a session's token.
#include <cerrno>
#include <memory>
#include <string>

#include "views/doors.h"
#include "views/every_door.h"

namespace grantfs {
namespace {

class BySession final : public Door {
 public:
  BySession(const DoorContext& context, std::string_view name)
      : Door(context, {.name = name,
                       .inode = 4,
                       .passers = Passers::kServers,
                       .places = {.at_root = true, .below_address = true},
                       .views = {.may_be_lent = true}}) {}

  Result<Opening, Errno> open(const Visit& visit) const override {
    // A token is never longer than a name can be (NAME_MAX).
    if (!StorePath::is_name(visit.name)) return deny(EACCES);
    return Opening(
        entrance(SessionBearer{TokenHash::of(visit.name), SharedSecret(visit.name), visit.from()},
                 label_of(visit)));
  }
  std::string label_of(const Visit& visit) const override {
    return "session:" + TokenHash::of(visit.name).hex() + at(visit.from());
  }
};

}  // namespace

void add_by_session(Doors& doors, std::string_view name) {
  doors.add(std::make_unique<BySession>(doors.context(), name));
}

}  // namespace grantfs
