#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "nodes/slab.h"

namespace grantfs {

/// A hash table of slots that are linked through the items themselves: four bytes an item and
/// about four a bucket. `Of` says where an item keeps its link and what its hash is:
///
///     Slot& link(Slot); std::size_t hash(Slot);
///
/// It grows and shrinks by a bucket or a few at a time (linear hashing: Litwin, "Linear Hashing: A
/// New Tool for File and Table Addressing"), so that no call takes long however many items there
/// are, and memory is given back as they go. One thread at a time.
class SlotIndex {
 public:
  /// Makes room, so that the next insert() cannot fail. Throws std::bad_alloc.
  template <class Of>
  void make_room(Of of) {
    if (heads_.empty()) heads_.resize(kFewest);
    if (size_ >= heads_.size()) split(of);
  }

  /// The item must be in no index that keeps its link where this one does.
  template <class Of>
  void insert(Slot slot, Of of) {
    assert(slot != 0 && of.link(slot) == 0);
    make_room(of);
    push(slot, of);
    ++size_;
  }

  /// The item must be there.
  template <class Of>
  void erase(Slot slot, Of of) noexcept {
    assert(slot != 0 && size_ > 0);
    Slot* at = &heads_[bucket_of(of.hash(slot))];
    while (*at != slot) {
      assert(*at != 0);  // else it was not there
      at = &of.link(*at);
    }
    *at = of.link(slot);
    of.link(slot) = 0;
    --size_;
    constexpr std::size_t kSparse = 8;
    for (std::size_t i = 0; i < 2 * kSparse; ++i) {
      if (heads_.size() > kFewest && size_ < heads_.size() / kSparse) merge(of);
    }
  }

  /// The first item with this hash for which `is_wanted(slot)`; none: 0.
  template <class Of, class IsWanted>
  Slot find(std::size_t hash, Of of, IsWanted is_wanted) const {
    if (heads_.empty()) return 0;
    for (Slot slot = heads_[bucket_of(hash)]; slot != 0; slot = of.link(slot)) {
      if (is_wanted(slot)) return slot;
    }
    return 0;
  }

 private:
  static constexpr std::size_t kFewest = 64;

  /// The bucket of a hash: as many of the hash's low bits as lead to a bucket that exists.
  std::size_t bucket_of(std::size_t hash) const {
    const std::size_t mask = std::bit_ceil(heads_.size()) - 1;
    const std::size_t bucket = hash & mask;
    return bucket < heads_.size() ? bucket : bucket & (mask >> 1U);
  }

  template <class Of>
  void push(Slot slot, Of of) {
    Slot& head = heads_[bucket_of(of.hash(slot))];
    of.link(slot) = std::exchange(head, slot);
  }
  template <class Of>
  void push_chain(Slot slot, Of of) {
    while (slot != 0) push(std::exchange(slot, of.link(slot)), of);
  }

  /// Adds a bucket and moves its items there from the bucket that had them.
  template <class Of>
  void split(Of of) {
    const std::size_t from = heads_.size() - std::bit_floor(heads_.size());
    heads_.push_back(0);
    push_chain(std::exchange(heads_[from], 0), of);
  }
  /// Removes the last bucket.
  template <class Of>
  void merge(Of of) noexcept {
    const Slot chain = heads_.back();
    heads_.pop_back();
    push_chain(chain, of);
  }

  std::deque<Slot> heads_;
  std::size_t size_ = 0;
};

}  // namespace grantfs
