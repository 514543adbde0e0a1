#pragma once

#include <cstdint>
#include <utility>

#include "nodes/slab.h"
#include "nodes/slot_index.h"

namespace grantfs {

/// Slots in groups, each group known by a number of 64 bits. Every call costs the same however many
/// groups there are and however large they are. A member takes about 30 bytes. One thread at a
/// time.
class SlotGroups {
 public:
  /// A slot's place in a group; zero is none.
  using Place = Slot;

  /// Adds a slot as the newest of the group. Adds it, or throws std::bad_alloc and changes nothing.
  Place add(std::uint64_t group, Slot slot) {
    first_.make_room(ByGroup{members_});
    const Place place = members_.make();
    Member& member = members_[place];
    member.group = group;
    member.slot = slot;
    const Place first = find(group);
    if (first == 0) {
      member.next = member.previous = place;
      first_.insert(place, ByGroup{members_});
    } else {
      member.next = first;
      member.previous = std::exchange(members_[first].previous, place);
      members_[member.previous].next = place;
    }
    return place;
  }

  /// Removes the slot that has this place. Zero is nothing.
  void remove(Place place) noexcept {
    if (place == 0) return;
    const Member& member = members_[place];
    if (find(member.group) == place) {
      first_.erase(place, ByGroup{members_});
      if (member.next != place) first_.insert(member.next, ByGroup{members_});  // has room
    }
    members_[member.previous].next = member.next;
    members_[member.next].previous = member.previous;
    members_.erase(place);
  }

  Slot slot_at(Place place) const { return members_[place].slot; }
  std::uint64_t group_of(Place place) const { return members_[place].group; }
  /// The oldest slot of the group; 0: there is none.
  Slot oldest(std::uint64_t group) const {
    const Place first = find(group);
    return first == 0 ? 0 : members_[first].slot;
  }
  /// Calls `use(slot)` for every slot of the group, the oldest first.
  template <class Use>
  void each(std::uint64_t group, Use use) const {
    const Place first = find(group);
    for (Place place = first; place != 0;) {
      use(members_[place].slot);
      place = members_[place].next == first ? 0 : members_[place].next;
    }
  }
  /// The number of slots in all groups.
  std::size_t size() const { return members_.size(); }

 private:
  /// The members of a group are a ring. The oldest of them is in the index.
  struct Member {
    std::uint64_t group = 0;
    Slot slot = 0;
    Place next = 0;
    Place previous = 0;
    Place next_by_group = 0;
  };
  struct ByGroup {
    Slab<Member>& members;
    Slot& link(Slot slot) const { return members[slot].next_by_group; }
    std::size_t hash(Slot slot) const { return members[slot].group; }
  };

  Place find(std::uint64_t group) const {
    return first_.find(group, ByGroup{members_},
                       [&](Slot slot) { return members_[slot].group == group; });
  }

  mutable Slab<Member> members_;
  SlotIndex first_;
};

}  // namespace grantfs
