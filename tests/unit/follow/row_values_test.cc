#include "follow/row_values.h"

#include <gtest/gtest.h>

namespace grantfs::follow {
namespace {

using Fields = std::vector<std::optional<std::string_view>>;

TEST(CopyFieldsTest, ALineIsTakenApart) {
  std::string line = "a\t\\N\t\tuser:x";
  EXPECT_EQ(copy_fields(line), (Fields{"a", std::nullopt, "", "user:x"}));
  line = "";
  EXPECT_EQ(copy_fields(line), (Fields{""}));
}

TEST(CopyFieldsTest, WhatIsEscapedIsWhatItWas) {
  std::string line = "a\\tb\t\\\\x00ff\t\\n\\r\\b\\f\\v\t\\\\N";
  EXPECT_EQ(copy_fields(line), (Fields{"a\tb", "\\x00ff", "\n\r\b\f\v", "\\N"}));
}

TEST(CopyFieldsTest, ABackslashAtTheEndIsNoLine) {
  std::string line = "a\\";
  EXPECT_EQ(copy_fields(line), std::nullopt);
}

TEST(RowValuesTest, TextsStayTextsAndBytesBecomeBytes) {
  RowValues values;
  values.add_null();
  EXPECT_TRUE(values.add(ColumnType::kBigint, "12"));
  EXPECT_TRUE(values.add(ColumnType::kBytea, "\\x00ff"));
  ASSERT_EQ(values.parameters().size(), 3U);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(values.parameters()[0]));
  EXPECT_EQ(std::get<std::string_view>(values.parameters()[1]), "12");
  EXPECT_EQ(std::get<db::Blob>(values.parameters()[2]).bytes, std::string_view("\0\xff", 2));
  values.clear();
  for (const char* text : {"", "00", "\\x0", "\\xzz", "\\000"}) {
    EXPECT_FALSE(values.add(ColumnType::kBytea, text)) << text;
  }
}

}  // namespace
}  // namespace grantfs::follow
