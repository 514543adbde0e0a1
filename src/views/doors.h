#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "views/door.h"

namespace grantfs {

/// The table of a mount's doors, the root first. Thread-safe once it is made.
class Doors {
 public:
  /// `views`: the doors at the root, by their names in all_views(); none: all of them. A door that
  /// needs a group is there if the group is named, whether `views` has it or not.
  Doors(const DoorContext& context, const std::optional<std::vector<std::string>>& views);
  Doors(const Doors&) = delete;
  Doors& operator=(const Doors&) = delete;
  ~Doors() = default;

  /// The names of all doors that the root can have.
  static std::vector<std::string_view> all_views();

  const Door& root() const { return *doors_.front(); }
  const Door& operator[](DoorNumber number) const { return *doors_.at(number); }
  /// The door that a view was entered by.
  const Door& of(const View& view) const { return (*this)[view.traits.door]; }

  /// The door that has this name at the root (&Door::Places::at_root) or elsewhere; null: none.
  const Door* find(std::string_view name, bool Door::Places::*where) const;
  /// The doors at the root, in the order of a listing.
  std::vector<const Door*> at_root() const;

  const DoorContext& context() const { return context_; }

  /// Adds a door and gives it a number. Only while the table is made.
  const Door& add(std::unique_ptr<Door> door);

 private:
  const DoorContext context_;
  std::vector<std::unique_ptr<Door>> doors_;
};

/// A door whose names are those of other doors: the root, and from/ADDRESS.
class FolderOfDoors final : public Door {
 public:
  /// `place`: the doors that stand in it.
  FolderOfDoors(const Doors& doors, const Traits& traits, bool Places::*place)
      : Door(doors.context(), traits), doors_(doors), place_(place) {}

  Result<Opening, Errno> open(const Visit& visit) const override;

 private:
  const Doors& doors_;
  bool Places::*const place_;
};

}  // namespace grantfs
