#include "support/allocation.h"

#include <malloc.h>

#include <cstdlib>
#include <new>
#include <utility>

namespace grantfs::test {

thread_local long allocations_left = -1;
thread_local long allocations_made = 0;
thread_local void (*at_next_allocation)() = nullptr;

namespace {

thread_local FreedMemory* looking = nullptr;

}  // namespace

FreedMemory::FreedMemory(std::string_view text) : text_(text) {
  looking = this;
}

FreedMemory::~FreedMemory() {
  looking = nullptr;
}

void FreedMemory::look(const void* memory, std::size_t size) {
  const std::string_view bytes(static_cast<const char*>(memory), size);
  if (bytes.find(text_) != std::string_view::npos) held_ = true;
}

}  // namespace grantfs::test

namespace {

void* allocate(std::size_t size) {
  if (grantfs::test::at_next_allocation != nullptr) {
    std::exchange(grantfs::test::at_next_allocation, nullptr)();
  }
  if (grantfs::test::allocations_left == 0) {
    grantfs::test::allocations_left = -1;  // one fails, and what follows succeeds
    throw std::bad_alloc();
  }
  ++grantfs::test::allocations_made;
  if (grantfs::test::allocations_left > 0) --grantfs::test::allocations_left;
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}

void give_back(void* memory) noexcept {
  if (auto* const looking = grantfs::test::looking; looking != nullptr && memory != nullptr) {
    looking->look(memory, ::malloc_usable_size(memory));
  }
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate(size);
}
void* operator new[](std::size_t size) {
  return allocate(size);
}
// The sanitizers have these of their own, which would not go with ours.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return allocate(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](std::size_t size, const std::nothrow_t& nothrow) noexcept {
  return operator new(size, nothrow);
}
void operator delete(void* memory) noexcept {
  give_back(memory);
}
void operator delete[](void* memory) noexcept {
  give_back(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  give_back(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  give_back(memory);
}
