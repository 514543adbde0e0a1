#pragma once

#include <string>
#include <string_view>

// The whole test program has operators new and delete of its own, in allocation.cc.
namespace grantfs::test {

/// How many more allocations of this thread succeed; negative: all. One fails then, and what
/// follows succeeds.
extern thread_local long allocations_left;

/// How many allocations this thread has made.
extern thread_local long allocations_made;

/// Called once, by the next allocation of this thread: there a test holds a call back that gives it
/// no other place.
extern thread_local void (*at_next_allocation)();

/// While it lives, looks for a text in all memory that this thread gives back by operator delete.
/// One at a time.
class FreedMemory {
 public:
  explicit FreedMemory(std::string_view text);
  ~FreedMemory();
  FreedMemory(const FreedMemory&) = delete;
  FreedMemory& operator=(const FreedMemory&) = delete;

  /// Whether any of it held the text when it was given back.
  bool held_it() const { return held_; }

  void look(const void* memory, std::size_t size);

 private:
  const std::string text_;
  bool held_ = false;
};

}  // namespace grantfs::test
