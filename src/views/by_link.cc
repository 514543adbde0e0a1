// `by-link/TOKEN`: the file or folder that a link is on, for the bearer of its token.
#include <cerrno>
#include <memory>
#include <string>

#include "views/doors.h"
#include "views/every_door.h"

namespace grantfs {
namespace {

class ByLink final : public Door {
 public:
  ByLink(const DoorContext& context, std::string_view name)
      : Door(context, {.name = name,
                       .inode = 6,
                       .passers = Passers::kServers,
                       .places = {.at_root = true, .below_address = true},
                       .views = {.may_be_lent = true, .hides_neighbours = true}}) {}

  Result<Opening, Errno> open(const Visit& visit) const override {
    if (!StorePath::is_name(visit.name)) return deny(EACCES);
    return Opening(entrance(LinkBearer{TokenHash::of(visit.name), visit.from()}, label_of(visit)));
  }
  std::string label_of(const Visit& visit) const override {
    return "link:" + TokenHash::of(visit.name).hex() + at(visit.from());
  }
};

}  // namespace

void add_by_link(Doors& doors, std::string_view name) {
  doors.add(std::make_unique<ByLink>(doors.context(), name));
}

}  // namespace grantfs
