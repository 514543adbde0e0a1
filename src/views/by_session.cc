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
    const TokenHash hash = TokenHash::of(visit.name);
    const auto from = visit.from();
    return Opening(entrance(SessionBearer{hash, SharedSecret(visit.name), from},
                            "session:" + hash.hex() + at(from)));
  }
};

}  // namespace

void add_by_session(Doors& doors, std::string_view name) {
  doors.add(std::make_unique<BySession>(doors.context(), name));
}

}  // namespace grantfs
