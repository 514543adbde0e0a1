// `from/ADDRESS/...`: some of the doors again, for visitors whose address the server says.
#include <cerrno>
#include <memory>

#include "views/doors.h"
#include "views/every_door.h"

namespace grantfs {
namespace {

/// Every address has a folder of the same number here; below_address() tells them apart.
constexpr std::uint64_t kInode = 7;

class From final : public Door {
 public:
  From(const DoorContext& context, std::string_view name, const Door& address)
      : Door(context, {.name = name,
                       .inode = kInode,
                       .passers = Passers::kServers,
                       .places = {.at_root = true}}),
        address_(address) {}

  Result<Opening, Errno> open(const Visit& visit) const override {
    if (!Address::parse(visit.name)) return deny(EACCES);
    return Opening(&address_);
  }

 private:
  const Door& address_;
};

}  // namespace

void add_from(Doors& doors, std::string_view name) {
  const Door::Traits one_address{.inode = kInode, .passers = Door::Passers::kServers};
  const Door& address =
      doors.add(std::make_unique<FolderOfDoors>(doors, one_address, &Door::Places::below_address));
  doors.add(std::make_unique<From>(doors.context(), name, address));
}

}  // namespace grantfs
