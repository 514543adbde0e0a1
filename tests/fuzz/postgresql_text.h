#pragma once

#include <array>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "fuzz.h"
#include "postgres/connection.h"

namespace grantfs::fuzz {

/// A condition of the schema in PostgreSQL (policy/postgresql/checks.h), asked of a server: that of
/// $GRANTFS_FUZZ_POSTGRESQL. Without it, nothing is compared.
class PostgresqlCheck {
 public:
  /// `condition` is about a text that it calls v.
  explicit PostgresqlCheck(std::string_view condition)
      : sql_("SELECT (" + std::string(condition) +
             R"()::text FROM (SELECT $1::text COLLATE "C" AS v) AS given)") {
    if (const char* where = std::getenv("GRANTFS_FUZZ_POSTGRESQL")) {
      connection_ = postgres::Connection::open(where).value();
    }
  }

  /// Whether it holds; none if nobody is there to ask, or for what PostgreSQL has no text for.
  std::optional<bool> holds(std::string_view text) {
    if (!connection_ || text.find('\0') != std::string_view::npos) return std::nullopt;
    const std::array<postgres::Value, 1> parameters{text};
    const auto answer = connection_->query(sql_, parameters);
    if (answer) return answer->text(0, 0) == "true";
    constexpr std::string_view kNotUtf8 = "22021";  // character_not_in_repertoire
    require(connection_->failure().sqlstate == kNotUtf8, "PostgreSQL answers");
    return std::nullopt;
  }

 private:
  std::string sql_;
  std::optional<postgres::Connection> connection_;
};

}  // namespace grantfs::fuzz
