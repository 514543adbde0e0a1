#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace grantfs {

/// The place of an item in a Slab; zero is none.
using Slot = std::uint32_t;

/// Many small items at four bytes a reference. They lie in chunks; an item stays where it is as
/// long as it lives, and a chunk with nothing in it goes back to the heap. Slots are used again.
/// One thread at a time.
template <class T>
class Slab {
 public:
  Slab() = default;
  ~Slab() {
    for (const auto& chunk : chunks_) {
      for (std::size_t i = 0; chunk != nullptr && i < kItems; ++i) {
        if (chunk->used[i]) chunk->cells[i].item.~T();
      }
    }
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  /// A new item, default-constructed. The first slot of an empty slab is 1.
  Slot make() {
    if (with_room_.empty()) add_chunk();
    const std::uint32_t number = with_room_.back();
    Chunk& chunk = *chunks_[number];
    const std::uint32_t index = chunk.first_free;
    Cell& cell = chunk.cells[index];
    chunk.first_free = cell.next_free;
    new (&cell.item) T();
    chunk.used[index] = true;
    ++size_;
    if (++chunk.count == kItems) with_room_.pop_back();
    return number * kItems + index + 1;
  }

  void erase(Slot slot) noexcept {
    const std::uint32_t number = (slot - 1) / kItems;
    const std::uint32_t index = (slot - 1) % kItems;
    Chunk& chunk = *chunks_[number];
    chunk.cells[index].item.~T();
    chunk.cells[index].next_free = chunk.first_free;
    chunk.first_free = index;
    chunk.used[index] = false;
    --size_;
    if (chunk.count-- == kItems) with_room_.push_back(number);
    if (chunk.count > 0) return;
    chunks_[number].reset();
    std::erase(with_room_, number);
    unused_.push_back(number);
  }

  T& operator[](Slot slot) { return chunks_[(slot - 1) / kItems]->cells[(slot - 1) % kItems].item; }
  const T& operator[](Slot slot) const {
    return chunks_[(slot - 1) / kItems]->cells[(slot - 1) % kItems].item;
  }

  /// Null if there is no such item.
  T* find(Slot slot) {
    const std::uint32_t number = (slot - 1) / kItems;
    if (slot == 0 || number >= chunks_.size() || chunks_[number] == nullptr) return nullptr;
    return chunks_[number]->used[(slot - 1) % kItems] ? &(*this)[slot] : nullptr;
  }

  std::size_t size() const { return size_; }

 private:
  static constexpr std::uint32_t kItems = 512;

  union Cell {
    Cell() : next_free(0) {}
    ~Cell() {}  // NOLINT(modernize-use-equals-default): a union with a T has no other
    T item;
    std::uint32_t next_free;
  };
  struct Chunk {
    Chunk() {
      for (std::uint32_t i = 0; i < kItems; ++i) cells[i].next_free = i + 1;
    }
    std::uint32_t first_free = 0;
    std::uint32_t count = 0;
    std::bitset<kItems> used;
    std::array<Cell, kItems> cells;
  };

  void add_chunk() {
    if (unused_.empty()) {
      unused_.push_back(static_cast<std::uint32_t>(chunks_.size()));
      chunks_.emplace_back();
    }
    // So that erase() cannot fail.
    with_room_.reserve(chunks_.size());
    unused_.reserve(chunks_.size());
    chunks_[unused_.back()] = std::make_unique<Chunk>();
    with_room_.push_back(unused_.back());
    unused_.pop_back();
  }

  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<std::uint32_t> with_room_;  ///< chunks that are not full
  std::vector<std::uint32_t> unused_;     ///< numbers of chunks that are none at the moment
  std::size_t size_ = 0;
};

/// A hash table of slots that are linked through the items themselves: four bytes an item and
/// about four a bucket. `Of` says where an item keeps its link and what its hash is:
///
///     Slot& link(Slot); std::size_t hash(Slot);
///
/// One thread at a time.
class SlotIndex {
 public:
  /// So that the next insert() cannot fail. std::bad_alloc.
  template <class Of>
  void make_room(Of of) {
    if (size_ >= heads_.size()) resize(std::max(kFewest, heads_.size() * 2), of);
  }

  template <class Of>
  void insert(Slot slot, Of of) {
    make_room(of);
    push(slot, of);
    ++size_;
  }

  /// The item must be there.
  template <class Of>
  void erase(Slot slot, Of of) noexcept {
    Slot* at = &heads_[of.hash(slot) % heads_.size()];
    while (*at != slot) at = &of.link(*at);
    *at = of.link(slot);
    of.link(slot) = 0;
    --size_;
    constexpr std::size_t kSparse = 8;
    if (heads_.size() <= kFewest || size_ >= heads_.size() / kSparse) return;
    try {
      resize(heads_.size() / 2, of);
    } catch (const std::bad_alloc&) {
      return;  // as it is, it works too
    }
  }

  /// The first item with this hash for which `is_wanted(slot)`; none: 0.
  template <class Of, class IsWanted>
  Slot find(std::size_t hash, Of of, IsWanted is_wanted) const {
    if (heads_.empty()) return 0;
    for (Slot slot = heads_[hash % heads_.size()]; slot != 0; slot = of.link(slot)) {
      if (is_wanted(slot)) return slot;
    }
    return 0;
  }

 private:
  static constexpr std::size_t kFewest = 64;

  template <class Of>
  void push(Slot slot, Of of) {
    Slot& head = heads_[of.hash(slot) % heads_.size()];
    of.link(slot) = std::exchange(head, slot);
  }

  template <class Of>
  void resize(std::size_t buckets, Of of) {
    std::vector<Slot> before(buckets, 0);
    before.swap(heads_);
    for (Slot slot : before) {
      while (slot != 0) push(std::exchange(slot, of.link(slot)), of);
    }
  }

  std::vector<Slot> heads_;
  std::size_t size_ = 0;
};

}  // namespace grantfs
