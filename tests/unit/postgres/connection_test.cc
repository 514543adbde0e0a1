#include "postgres/connection.h"

#include <gtest/gtest.h>

#include <string>

#include "postgres/where.h"

namespace grantfs::postgres {
namespace {

constexpr const char* kSecret = "hunter2secret";

TEST(PostgresWhere, AUriIsToldFromAPath) {
  EXPECT_TRUE(is_uri("postgresql://db.example/site"));
  EXPECT_TRUE(is_uri("postgres:///site?service=files"));
  EXPECT_FALSE(is_uri("/var/lib/grantfs/postgresql:/policy.db"));
  EXPECT_FALSE(is_uri("postgresql:site"));
}

TEST(PostgresWhere, APasswordIsSeenWhereverItStands) {
  for (const char* where :
       {"postgresql://u:hunter2secret@h/d", "postgresql://h/d?password=hunter2secret",
        "host=h password=hunter2secret", "postgresql://h/d?sslpassword=hunter2secret"}) {
    auto has = has_password(where);
    ASSERT_TRUE(has) << has.error().message;
    EXPECT_TRUE(*has) << where;
  }
  auto without = has_password("postgresql://u@h:5433/d?sslmode=verify-full");
  ASSERT_TRUE(without);
  EXPECT_FALSE(*without);
}

TEST(PostgresWhere, NoErrorRepeatsAPassword) {
  for (const std::string where :
       {"postgresql://u:hunter2secret@h:port/d", "postgresql://u:hunter2@hunter2secret@h/d",
        "postgresql://u:hunter2secret%zz@h/d", "host=h password='hunter2secret",
        "postgresql://h/d?hunter2secret=1", "hunter2secret"}) {
    const auto parsed = Where::parse(where);
    if (!parsed) {
      EXPECT_EQ(parsed.error().kind, ErrorKind::kInvalid);
      EXPECT_EQ(parsed.error().message.find(kSecret), std::string::npos) << parsed.error().message;
    }
    const auto opened = Connection::open(where);
    ASSERT_FALSE(opened) << where;
    EXPECT_EQ(opened.error().message.find(kSecret), std::string::npos) << opened.error().message;
  }
}

TEST(PostgresConnection, AServerThatIsNotThereIsNamedInOneLineWithoutThePassword) {
  const auto opened =
      Connection::open("postgresql://alice:hunter2secret@/site?host=/nonexistent&port=5433");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::kDatabase);
  EXPECT_TRUE(opened.error().message.starts_with("postgresql://alice@/nonexistent:5433/site: "))
      << opened.error().message;
  EXPECT_EQ(opened.error().message.find(kSecret), std::string::npos) << opened.error().message;
  EXPECT_EQ(opened.error().message.find('\n'), std::string::npos) << opened.error().message;
}

TEST(PostgresValues, ByteaGoesThereAndBack) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(bytea_text(std::string_view("\0\xff", 2)).view(), "\\x00ff");
  EXPECT_EQ(bytea_bytes(bytea_text(bytes).view()).value().view(), bytes);
  EXPECT_EQ(bytea_bytes("\\x").value().view(), "");
  for (const char* malformed : {"", "00", "\\x0", "\\x0g", "\\x-1", "\\000"}) {
    EXPECT_FALSE(bytea_bytes(malformed)) << malformed;
  }
}

}  // namespace
}  // namespace grantfs::postgres
