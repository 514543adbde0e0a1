#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "db/connection.h"
#include "fuzz.h"
#include "policy/schema/schema.h"

namespace grantfs::fuzz {

/// A policy database in memory, of the current schema: asked whether its CHECKs take a row.
class SchemaRows {
 public:
  SchemaRows() : connection_(db::Connection::open(":memory:", db::Mode::kCreate).value()) {
    require(migrate_schema(connection_, "policy.db", schema_migrations()).ok(),
            "the schema is made");
  }

  /// Whether `insert` (an INSERT with a parameter for each value) is taken. Nothing of it stays.
  template <class... Values>
  bool take(std::string_view insert, const Values&... values) {
    if (insert != prepared_) {
      statement_ = connection_.prepare(insert).value();
      prepared_ = insert;
    }
    require(connection_.execute("BEGIN").ok(), "a transaction begins");
    const bool taken = statement_.execute(values...).ok();
    require(connection_.execute("ROLLBACK").ok(), "a transaction ends");
    return taken;
  }

 private:
  db::Connection connection_;
  std::string prepared_;
  db::Statement statement_;
};

}  // namespace grantfs::fuzz
