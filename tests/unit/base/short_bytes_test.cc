#include "base/short_bytes.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/allocation.h"

namespace grantfs {
namespace {

static_assert(sizeof(ShortBytes) == 16, "there may be one for each name that the kernel knows");
static_assert(std::is_nothrow_move_constructible_v<ShortBytes> &&
              std::is_nothrow_move_assignable_v<ShortBytes>);

/// None, some, as many as fit, one more, and more than a name in a file system may have.
std::vector<std::string> texts() {
  std::vector<std::string> texts;
  for (const std::size_t size : {0, 1, 14, 15, 16, 17, 255, 1024}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(size + i);
    texts.push_back(std::move(text));
  }
  return texts;
}

TEST(ShortBytes, AreWhatTheyWereMadeOf) {
  EXPECT_TRUE(ShortBytes().empty());
  EXPECT_NE(ShortBytes().view().data(), nullptr);
  for (const std::string& text : texts()) {
    const ShortBytes bytes(text);
    EXPECT_EQ(bytes.view(), text);
    EXPECT_EQ(bytes.empty(), text.empty());
    EXPECT_EQ(bytes, ShortBytes(text));
    EXPECT_NE(bytes, ShortBytes(text + "x"));
  }
}

TEST(ShortBytes, MoveAndAreCopiedWhateverTheirLengths) {
  for (const std::string& from : texts()) {
    for (const std::string& to : texts()) {
      ShortBytes first(from);
      ShortBytes second(to);
      second = first;
      EXPECT_EQ(first.view(), from);
      EXPECT_EQ(second.view(), from);
      ShortBytes third(to);
      third = std::move(first);
      EXPECT_EQ(third.view(), from);
      EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): that is the question
      first = ShortBytes(to);
      EXPECT_EQ(first.view(), to);
    }
    ShortBytes own(from);
    ShortBytes& same = own;
    own = same;
    EXPECT_EQ(own.view(), from);
    own = std::move(same);
    EXPECT_EQ(own.view(), from);
  }
}

TEST(ShortBytes, LeaveNothingBehind) {
  for (const std::string text :
       {"a secret of 15b", "a secret that lies on the heap, being longer"}) {
    const test::FreedMemory freed(text);
    {
      const auto bytes = std::make_unique<ShortBytes>(text);
      auto moved = std::make_unique<ShortBytes>(ShortBytes(*bytes));
      *moved = ShortBytes("another");
    }
    EXPECT_FALSE(freed.held_it()) << text;
  }
}

TEST(ShortBytes, AllocateNothingWhereTheyAreFew) {
  const long before = test::allocations_made;
  const ShortBytes few("report-2025.pdf");
  EXPECT_EQ(test::allocations_made, before);
}

}  // namespace
}  // namespace grantfs
