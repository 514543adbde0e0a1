// `by-process/SESSION`: the view of a session's bearer, as the processes of the POSIX session see
// it that was bound to the bearer (grantctl run).
#include <cerrno>
#include <memory>
#include <utility>

#include "views/doors.h"
#include "views/every_door.h"

namespace grantfs {
namespace {

class ByProcess final : public Door {
 public:
  ByProcess(const DoorContext& context, std::string_view name)
      : Door(context, {.name = name, .inode = 15, .places = {.at_root = true}}) {}

  Result<Opening, Errno> open(const Visit& visit) const override {
    // Only the caller's own POSIX session leads anywhere. All other numbers are EACCES, bound or
    // not.
    auto process = context().processes.of(visit.caller);
    if (process == nullptr) return deny(EACCES);
    const std::string posix_session = std::to_string(process->posix_session());
    if (visit.name != posix_session || !process->admits(visit.caller)) return deny(EACCES);
    Entrance own = entrance(process->bearer(), "process:" + posix_session +
                                                   ":session:" + process->bearer().session.hex());
    own.view.process = std::move(process);
    return Opening(std::move(own));
  }
};

}  // namespace

void add_by_process(Doors& doors, std::string_view name) {
  doors.add(std::make_unique<ByProcess>(doors.context(), name));
}

}  // namespace grantfs
