#include "views/doors.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <limits>
#include <utility>

#include "views/every_door.h"

namespace grantfs {
namespace {

constexpr Door::Traits kRoot{.inode = 1, .passers = Door::Passers::kEveryone};

}  // namespace

Result<Opening, Errno> FolderOfDoors::open(const Visit& visit) const {
  const Door* const door = doors_.find(visit.name, place_);
  if (door == nullptr) return Errno{ENOENT};
  return door->at_its_name();
}

Doors::Doors(const DoorContext& context, const std::optional<std::vector<std::string>>& views)
    : context_(context) {
  add(std::make_unique<FolderOfDoors>(*this, kRoot, &Door::Places::at_root));
  for (const DoorAtRoot& each : kEveryDoor) {
    const bool is_wanted = each.needs_group
                               ? context_.by_user_group.has_value()
                               : !views || std::ranges::find(*views, each.name) != views->end();
    if (is_wanted) each.add(*this, each.name);
  }
}

std::vector<std::string_view> Doors::all_views() {
  std::vector<std::string_view> names;
  names.reserve(kEveryDoor.size());
  for (const DoorAtRoot& each : kEveryDoor) names.push_back(each.name);
  return names;
}

const Door* Doors::find(std::string_view name, bool Door::Places::*where) const {
  for (const auto& door : doors_) {
    if (door->traits().name == name && door->traits().places.*where) return door.get();
  }
  return nullptr;
}

std::vector<const Door*> Doors::at_root() const {
  std::vector<const Door*> found;
  for (const auto& door : doors_) {
    if (door->traits().places.at_root) found.push_back(door.get());
  }
  return found;
}

const Door& Doors::add(std::unique_ptr<Door> door) {
  assert(doors_.size() <= std::numeric_limits<DoorNumber>::max());
  ViewTraits& views = door->traits_.views;
  views.door = static_cast<DoorNumber>(doors_.size());
  views.shares_files = context_.server_group && door->passing_group() == context_.server_group;
  return *doors_.emplace_back(std::move(door));
}

}  // namespace grantfs
