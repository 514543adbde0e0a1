// `public`: the view of everybody. The name at the root is the view itself.
#include <cerrno>
#include <memory>

#include "views/doors.h"
#include "views/every_door.h"

namespace grantfs {
namespace {

class Public final : public Door {
 public:
  Public(const DoorContext& context, std::string_view name)
      : Door(context, {.name = name, .places = {.at_root = true}, .views = {.may_be_lent = true}}) {
  }

  Opening at_its_name() const override { return entrance(Anyone{}, "public"); }
  Result<Opening, Errno> open(const Visit& /*visit*/) const override { return Errno{ENOENT}; }
};

}  // namespace

void add_public(Doors& doors, std::string_view name) {
  doors.add(std::make_unique<Public>(doors.context(), name));
}

}  // namespace grantfs
