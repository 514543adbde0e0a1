#pragma once

#include <array>
#include <bitset>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace grantfs {

/// The place of an item in a Slab; zero is none.
using Slot = std::uint32_t;

/// A slab holds many small items, and a reference to one takes four bytes. The items lie in chunks.
/// An item stays where it is as long as it lives, and an empty chunk goes back to the heap. Slots
/// are used again. One thread at a time.
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

  /// The item must be there.
  void erase(Slot slot) noexcept {
    assert(holds(slot));
    const std::uint32_t number = (slot - 1) / kItems;
    const std::uint32_t index = (slot - 1) % kItems;
    Chunk& chunk = *chunks_[number];
    chunk.cells[index].item.~T();
    chunk.cells[index].next_free = chunk.first_free;
    chunk.first_free = index;
    chunk.used[index] = false;
    --size_;
    if (chunk.count-- == kItems) list_with_room(number);
    if (chunk.count > 0) return;
    const std::uint32_t last = with_room_.back();
    with_room_[chunk.listed_at] = last;
    chunks_[last]->listed_at = chunk.listed_at;
    with_room_.pop_back();
    chunks_[number].reset();
    unused_.push_back(number);
  }

  /// The item must be there.
  T& operator[](Slot slot) {
    assert(holds(slot));
    return chunks_[(slot - 1) / kItems]->cells[(slot - 1) % kItems].item;
  }
  const T& operator[](Slot slot) const {
    assert(holds(slot));
    return chunks_[(slot - 1) / kItems]->cells[(slot - 1) % kItems].item;
  }

  /// Null if there is no such item.
  T* find(Slot slot) { return holds(slot) ? &(*this)[slot] : nullptr; }
  bool holds(Slot slot) const {
    const std::uint32_t number = (slot - 1) / kItems;
    if (slot == 0 || number >= chunks_.size() || chunks_[number] == nullptr) return false;
    return chunks_[number]->used[(slot - 1) % kItems];
  }

  std::size_t size() const { return size_; }
  /// The end of the slots: no item has this slot or a higher one.
  Slot end() const { return static_cast<Slot>(chunks_.size()) * kItems + 1; }

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
    std::uint32_t listed_at = 0;  ///< where in with_room_, while it has room
    std::bitset<kItems> used;
    std::array<Cell, kItems> cells;
  };

  /// Adds a chunk, or throws and changes nothing: what can fail comes first.
  void add_chunk() {
    auto chunk = std::make_unique<Chunk>();
    const bool is_new = unused_.empty();
    const std::size_t most = chunks_.size() + (is_new ? 1 : 0);
    chunks_.reserve(most);
    // So that erase() cannot fail.
    with_room_.reserve(most);
    unused_.reserve(most);
    if (is_new) {
      unused_.push_back(static_cast<std::uint32_t>(chunks_.size()));
      chunks_.emplace_back();
    }
    chunks_[unused_.back()] = std::move(chunk);
    list_with_room(unused_.back());
    unused_.pop_back();
  }

  void list_with_room(std::uint32_t number) {
    chunks_[number]->listed_at = static_cast<std::uint32_t>(with_room_.size());
    with_room_.push_back(number);
  }

  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::vector<std::uint32_t> with_room_;  ///< chunks that are not full
  std::vector<std::uint32_t> unused_;     ///< numbers of chunks that are none at the moment
  std::size_t size_ = 0;
};

}  // namespace grantfs
