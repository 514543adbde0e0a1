#include "postgres/pgoutput.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace grantfs::postgres::pgoutput {
namespace {

/// Writes a message as a server does.
class Writer {
 public:
  explicit Writer(char kind) : bytes_(1, kind) {}

  Writer& number(std::uint64_t value, int size) {
    for (int i = size - 1; i >= 0; --i) bytes_ += static_cast<char>(value >> (8 * i) & 0xffU);
    return *this;
  }
  Writer& byte(std::uint64_t value) { return number(value, 1); }
  Writer& n16(std::uint64_t value) { return number(value, 2); }
  Writer& n32(std::uint64_t value) { return number(value, 4); }
  Writer& n64(std::uint64_t value) { return number(value, 8); }
  Writer& text(const std::string& value) {
    bytes_ += value + '\0';
    return *this;
  }
  Writer& field(const std::string& value) {
    byte('t').n32(value.size());
    bytes_ += value;
    return *this;
  }

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// One of each kind.
std::vector<std::string> messages() {
  return {
      Writer('B').n64(0x1600000001).n64(5).n32(77).bytes(),
      Writer('C').byte(0).n64(0x1600000001).n64(0x1600000031).n64(5).bytes(),
      Writer('R')
          .n32(9)
          .text("grantfs")
          .text("owners")
          .byte('d')
          .n16(2)
          .byte(1)
          .text("path")
          .n32(25)
          .n32(0xffffffff)
          .byte(0)
          .text("created")
          .n32(20)
          .n32(0xffffffff)
          .bytes(),
      Writer('I').n32(9).byte('N').n16(3).field("a/b").byte('n').field("").bytes(),
      Writer('U').n32(9).byte('N').n16(2).field("x").byte('u').bytes(),
      Writer('U')
          .n32(9)
          .byte('K')
          .n16(2)
          .field("old")
          .byte('n')
          .byte('N')
          .n16(2)
          .field("x")
          .byte('u')
          .bytes(),
      Writer('D').n32(9).byte('O').n16(1).field("gone").bytes(),
      Writer('T').n32(2).byte(3).n32(9).n32(10).bytes(),
      Writer('O').n64(1).text("elsewhere").bytes(),
      Writer('Y').n32(1).text("grantfs").text("mood").bytes(),
  };
}

template <class T>
T decoded(std::size_t index) {
  const std::string bytes = messages().at(index);
  auto message = decode(bytes);
  EXPECT_TRUE(message) << message.error().message;
  return std::get<T>(*message);
}

TEST(PgoutputTest, ATransactionSaysWhereItsCommitIs) {
  EXPECT_EQ(decoded<Begin>(0).commit_lsn, 0x1600000001U);
  EXPECT_EQ(decoded<Commit>(1).commit_lsn, 0x1600000001U);
  EXPECT_EQ(decoded<Commit>(1).end_lsn, 0x1600000031U);
}

TEST(PgoutputTest, ARelationHasItsColumns) {
  const std::string bytes = messages().at(2);
  auto message = decode(bytes);
  ASSERT_TRUE(message);
  const auto& relation = std::get<Relation>(*message);
  EXPECT_EQ(relation.id, 9U);
  EXPECT_EQ(relation.schema, "grantfs");
  EXPECT_EQ(relation.name, "owners");
  ASSERT_EQ(relation.columns.size(), 2U);
  EXPECT_TRUE(relation.columns[0].is_key);
  EXPECT_EQ(relation.columns[0].name, "path");
  EXPECT_EQ(relation.columns[0].type, 25U);
  EXPECT_FALSE(relation.columns[1].is_key);
}

TEST(PgoutputTest, RowsHaveTextsNullsAndWhatIsUnchanged) {
  const std::string bytes = messages().at(3);
  auto message = decode(bytes);
  ASSERT_TRUE(message);
  const Row& row = std::get<Insert>(*message).row;
  ASSERT_EQ(row.size(), 3U);
  EXPECT_EQ(row[0].text, "a/b");
  EXPECT_EQ(row[1].kind, Field::Kind::kNull);
  EXPECT_EQ(row[2].kind, Field::Kind::kText);
  EXPECT_EQ(row[2].text, "");
  EXPECT_EQ(decoded<Update>(4).before, std::nullopt);
  EXPECT_EQ(decoded<Update>(4).row[1].kind, Field::Kind::kUnchanged);
  EXPECT_EQ(decoded<Update>(5).before->size(), 2U);
  EXPECT_EQ(decoded<Delete>(6).before.size(), 1U);
  EXPECT_EQ(decoded<Truncate>(7).relations, (std::vector<std::uint32_t>{9, 10}));
  (void)decoded<Ignored>(8);
  (void)decoded<Ignored>(9);
}

TEST(PgoutputTest, WhatIsCutOffOrHasMoreIsNoMessage) {
  for (const std::string& whole : messages()) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(decode(std::string_view(whole).substr(0, size))) << whole[0] << ' ' << size;
    }
    EXPECT_FALSE(decode(whole + 'x')) << whole[0];
    EXPECT_FALSE(decode(whole + '\0')) << whole[0];
  }
}

TEST(PgoutputTest, WhatIsNotUnderstoodIsRefused) {
  EXPECT_FALSE(decode(Writer('S').n32(1).byte(1).bytes())) << "a stream of version 2";
  EXPECT_FALSE(decode(Writer('M').byte(0).n64(1).text("x").n32(0).bytes()));
  EXPECT_FALSE(decode(Writer('I').n32(9).byte('N').n16(1).byte('b').n32(0).bytes())) << "binary";
  EXPECT_FALSE(decode(Writer('I').n32(9).byte('K').n16(0).bytes()));
  EXPECT_FALSE(decode(Writer('D').n32(9).byte('N').n16(0).bytes()));
  EXPECT_FALSE(decode(Writer('U').n32(9).byte('K').n16(0).byte('K').n16(0).bytes()));
}

TEST(PgoutputTest, NoCountMakesItTakeMoreThanItsBytes) {
  EXPECT_FALSE(decode(Writer('T').n32(0xffffffff).byte(0).bytes()));
  EXPECT_FALSE(decode(Writer('I').n32(9).byte('N').n16(0xffff).bytes()));
  EXPECT_FALSE(decode(Writer('I').n32(9).byte('N').n16(1).byte('t').n32(0xffffffff).bytes()));
  EXPECT_FALSE(decode(Writer('R').n32(9).text("").text("").byte('d').n16(0xffff).bytes()));
}

TEST(PgoutputTest, WhateverIsChangedInAMessageItIsReadOrRefused) {
  std::mt19937 random(20261128);  // NOLINT(cert-msc51-cpp): the same each time
  const auto all = messages();
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes = all[random() % all.size()];
    for (unsigned changes = random() % 4 + 1; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) bytes.resize(random() % (bytes.size() + 1));
    (void)decode(bytes).ok();  // under a sanitizer, nothing else is found
  }
}

TEST(LsnTest, ItIsReadAndWrittenAsTheServerDoes) {
  EXPECT_EQ(lsn_text(0x16B374D848), "16/B374D848");
  EXPECT_EQ(parse_lsn("16/B374D848"), 0x16B374D848U);
  EXPECT_EQ(parse_lsn("0/0"), 0U);
  for (const char* text :
       {"", "/", "1/", "/1", "1", "1/2/3", "x/1", "1/ 2", "100000000/0", "-1/0", "0x1/0"}) {
    EXPECT_EQ(parse_lsn(text), std::nullopt) << text;
  }
}

TEST(LsnTest, APageThatIsEmptyBeginsBehindItsHeader) {
  const LogSizes sizes;
  EXPECT_EQ(before_page_header(0x2000 + 24, sizes), 0x2000U);
  EXPECT_EQ(before_page_header(0x2000 + 32, sizes), 0x2020U);
  EXPECT_EQ(before_page_header(0x2000 + 40, sizes), 0x2028U);
  EXPECT_EQ(before_page_header(0x2000, sizes), 0x2000U);
  EXPECT_EQ(before_page_header(0x1000000 + 40, sizes), 0x1000000U);
  EXPECT_EQ(before_page_header(0x1000000 + 24, sizes), 0x1000018U);
  for (const Lsn lsn : {Lsn{0x2000}, Lsn{0x1000000}, Lsn{0x2100}, Lsn{0}}) {
    EXPECT_EQ(before_page_header(after_page_header(lsn, sizes), sizes), lsn);
  }
}

}  // namespace
}  // namespace grantfs::postgres::pgoutput
