#include <fmt/core.h>

#include "base/quote.h"
#include "db/connection.h"
#include "db/error.h"
#include "db/rows.h"
#include "db/statement.h"
#include "grantctl/rows/records.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Result;

namespace db = grantfs::db;

namespace {

class QueryRecords : public Records {
 public:
  QueryRecords(db::Connection connection, db::Statement statement, const std::string& name)
      : connection_(std::move(connection)),
        statement_(std::move(statement)),
        columns_(statement_.columns()),
        numbered_(name + " row"),
        rows_(statement_.run()) {}

  const std::vector<std::string>& columns() const override { return columns_; }
  std::int64_t number() const override { return number_; }
  const std::string& numbered() const override { return numbered_; }

  Result<bool> next() override {
    auto row = rows_.next();
    if (!row) return row.error();
    if (*row) ++number_;
    return *row;
  }

  Result<std::optional<std::string_view>> value(std::size_t column) const override {
    const int index = static_cast<int>(column);
    switch (rows_.type(index)) {
      case db::Type::kNull:
        return std::optional<std::string_view>();
      case db::Type::kInteger:
      case db::Type::kText:
        return std::optional<std::string_view>(rows_.text(index));
      case db::Type::kReal:
      case db::Type::kBlob:
        break;
    }
    return Error{
        ErrorKind::kInvalid,
        fmt::format("{} {}: column {} is {}; have --query make a text of it: CAST(... AS "
                    "TEXT)",
                    numbered_, number_, grantfs::quoted(columns_[column]),
                    rows_.type(index) == db::Type::kReal ? "a floating-point number" : "a BLOB")};
  }

 private:
  db::Connection connection_;  // declared before the statement, so closed after it
  db::Statement statement_;
  std::vector<std::string> columns_;
  const std::string numbered_;
  std::int64_t number_ = 0;
  db::Rows rows_;
};

/// SQLite's message, with the file and the query named.
Error query_error(const std::string& file, const Error& error) {
  return {error.kind, fmt::format("{}: {}", grantfs::escaped(file), db::without_path(error, file))};
}

}  // namespace

Result<std::unique_ptr<Records>> read_query(const std::string& file, const std::string& sql) {
  auto connection = db::Connection::open(file, db::Mode::kRead);
  if (!connection) return connection.error();
  if (auto readable = connection->query_integer("SELECT count(*) FROM sqlite_schema"); !readable) {
    return query_error(file, readable.error());
  }
  auto statement = connection->prepare(sql);
  if (!statement) {
    return query_error(file, {ErrorKind::kInvalid, statement.error().message});
  }
  if (!statement->is_read_only() || statement->columns().empty()) {
    return query_error(file, {ErrorKind::kInvalid, "the query must be a SELECT"});
  }
  return std::unique_ptr<Records>(std::make_unique<QueryRecords>(
      std::move(*connection), std::move(*statement), grantfs::escaped(file)));
}

std::string sql_name(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"') text += '"';
    text += c;
  }
  return text + '"';
}

}  // namespace grantctl
