#include "policy/decisions/decision_database.h"
#include "policy/schema/copy_mark.h"

#include <fmt/core.h>
#include <sodium.h>

#include "policy/schema/schema.h"

namespace grantfs {
namespace {

/// The pages that a connection keeps, at most: 16 MiB (in KiB where it is negative). They hold the
/// inner pages of the indexes of some ten million rows, so that a seek reads the outer ones alone.
/// SQLite empties the cache at every commit.
constexpr const char* kCacheSize = "PRAGMA cache_size = -16384";

}  // namespace

DecisionDatabase::DecisionDatabase(PolicyOptions options, DatabaseFiles::File file,
                                   db::Connection connection, db::Statement version)
    : options_(std::move(options)),
      file_(file),
      connection_(std::move(connection)),
      version_(std::move(version)) {}

Result<std::unique_ptr<DecisionDatabase>> DecisionDatabase::open(const PolicyOptions& options,
                                                                 DatabaseFiles::File file) {
  auto connection = open_for_reading(options, file);
  if (!connection) return connection.error();
  if (auto done = connection->execute(kCacheSize); !done) return done.error();
  auto version = connection->prepare("PRAGMA data_version");
  if (!version) return version.error();
  return std::unique_ptr<DecisionDatabase>(
      new DecisionDatabase(options, file, std::move(*connection), std::move(*version)));
}

Result<void> DecisionDatabase::check_fit() {
  if (auto fit = check_schema(connection_, options_.database); !fit) return fit;
  auto cookie = connection_.query_integer("PRAGMA schema_version");
  if (!cookie) return cookie.error();
  if (*cookie == checked_cookie_) return {};
  if (auto fit = check_tables(connection_, options_.database); !fit) return fit;
  checked_cookie_ = *cookie;
  return {};
}

Result<DecisionDatabase::Snapshot> DecisionDatabase::snapshot(int patience) {
  connection_.limit_time(options_.time_limit * patience);
  // While one statement is under way, SQLite keeps the read transaction it began, so everything
  // else that is read meanwhile is of the same commit. That saves BEGIN and COMMIT.
  last_commit_ = connection_.newest_commit();  // first: it may be older than what is read
  db::Rows version = version_.run();
  auto row = version.next();
  if (!row) return row.error();
  if (!*row) return damaged("has no data_version");
  bool is_anew = false;
  if (version.integer(0) != checked_version_) {
    if (auto fit = check_fit(); !fit) return fit.error();
    checked_version_ = version.integer(0);
    is_anew = true;
  }
  Snapshot held{std::move(version), {}, is_anew};
  if (source_ != nullptr) {
    auto source = source_->snapshot();
    if (!source) return source.error();
    held.source.emplace(std::move(*source));
  }
  return held;
}

bool DecisionDatabase::is_unchanged() {
  return last_commit_ && connection_.newest_commit() == last_commit_;
}

Result<std::array<unsigned char, 16>> DecisionDatabase::inode_key() {
  connection_.limit_time(options_.time_limit);
  auto statement = connection_.prepare("SELECT hex(value) FROM meta WHERE key = 'inode_key'");
  if (!statement) return statement.error();
  db::Rows rows = statement->run();
  auto row = rows.next();
  if (!row) return row.error();
  std::array<unsigned char, 16> key{};
  std::size_t size = 0;
  const std::string_view hex = *row ? rows.text(0) : std::string_view();
  if (sodium_hex2bin(key.data(), key.size(), hex.data(), hex.size(), nullptr, &size, nullptr) !=
          0 ||
      size != key.size()) {
    return damaged("has no inode_key of 16 bytes in its table meta");
  }
  return key;
}

Result<std::string> DecisionDatabase::copy_of() {
  connection_.limit_time(options_.time_limit);
  auto mark = read_copy_mark(connection_);
  if (!mark) return damaged(mark.error().message);
  return *mark ? (*mark)->upstream : std::string();
}

Result<std::vector<std::string>> DecisionDatabase::query_plans(
    const std::vector<std::string_view>& statements) {
  connection_.limit_time(options_.time_limit);
  std::vector<std::string> plans;
  for (const std::string_view sql : statements) {
    auto statement = connection_.prepare(fmt::format("EXPLAIN QUERY PLAN {}", sql));
    if (!statement) return statement.error();
    db::Rows rows = statement->run();
    while (true) {
      auto row = rows.next();
      if (!row) return row.error();
      if (!*row) break;
      plans.push_back(fmt::format("{}: {}", sql, rows.text(3)));
    }
  }
  return plans;
}

Error DecisionDatabase::damaged(std::string_view what) const {
  return grantfs::damaged(options_.database, what);
}

}  // namespace grantfs
