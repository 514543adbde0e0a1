// `me`: a symbolic link to the caller's own view.
#include <cerrno>
#include <memory>

#include "views/doors.h"
#include "views/every_door.h"

namespace grantfs {
namespace {

class Me final : public Door {
 public:
  Me(const DoorContext& context, std::string_view name)
      : Door(context, {.name = name, .inode = 2, .places = {.at_root = true}}) {}

  bool is_link() const override { return true; }
  Result<std::string, Errno> read_link(const Caller& caller) const override {
    if (caller.uid == kNobodyAtAll) return deny(EACCES);
    if (const auto process = context().processes.of(caller)) {
      return std::string(kByProcessName) + '/' + std::to_string(process->posix_session());
    }
    return std::string(kByUidName) + '/' + std::to_string(caller.uid);
  }
  Result<Opening, Errno> open(const Visit& /*visit*/) const override { return Errno{ENOTDIR}; }
};

}  // namespace

void add_me(Doors& doors, std::string_view name) {
  doors.add(std::make_unique<Me>(doors.context(), name));
}

}  // namespace grantfs
