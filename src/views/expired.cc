// `expired/TOKEN`: an empty file if the token was a session's, a link's or a signature, and its
// time has passed. A server tells "gone" from "forbidden" by it.
#include <cerrno>
#include <memory>

#include "views/doors.h"
#include "views/every_door.h"

namespace grantfs {
namespace {

class Expired final : public Door {
 public:
  Expired(const Doors& doors, std::string_view name)
      : Door(doors.context(), {.name = name,
                               .inode = 8,
                               .passers = Passers::kServers,
                               .places = {.at_root = true, .below_address = true}}),
        doors_(doors) {}

  Result<Opening, Errno> open(const Visit& visit) const override {
    if (const Door* const door = doors_.find(visit.name, &Places::in_expired)) {
      return door->at_its_name();
    }
    if (!StorePath::is_name(visit.name)) return Errno{ENOENT};
    auto expired = context().policy.has_expired(TokenHash::of(visit.name));
    if (auto signature = Signature::parse(visit.name); expired && !*expired && signature) {
      expired = context().policy.has_expired(*signature);
    }
    if (!expired) {
      context().judge.report(expired.error());
      return fail(EACCES);
    }
    if (!*expired) return fail(ENOENT);
    return Opening(Marker{});
  }

 private:
  const Doors& doors_;
};

}  // namespace

void add_expired(Doors& doors, std::string_view name) {
  doors.add(std::make_unique<Expired>(doors, name));
}

}  // namespace grantfs
