#include "follow/first_copy.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/new_file.h"
#include "base/quote.h"
#include "db/connection.h"
#include "db/error.h"
#include "db/rows.h"
#include "db/transaction.h"
#include "follow/row_values.h"
#include "follow/tables.h"
#include "grantfs/admin.h"
#include "policy/schema/copy_mark.h"
#include "policy/schema/replacement.h"
#include "policy/schema/schema.h"
#include "postgres/replication_stream.h"

namespace grantfs::follow {
namespace {

using postgres::Connection;

std::filesystem::path beside(const std::filesystem::path& database) {
  return database.native() + ".copying";
}

/// The inode key of the database that is there, in hexadecimal digits; empty: none is.
Result<std::string> inode_key_of(const std::filesystem::path& database) {
  std::error_code error;
  if (!std::filesystem::exists(database, error)) return std::string();
  auto connection = db::Connection::open(database, db::Mode::kRead);
  if (!connection) return connection.error();
  auto statement = connection->prepare("SELECT hex(value) FROM meta WHERE key = 'inode_key'");
  if (!statement) return statement.error();
  db::Rows rows = statement->run();
  auto row = rows.next();
  if (!row) return row.error();
  return *row ? std::string(rows.text(0)) : std::string();
}

/// Copies the rows of a table; how many.
Result<std::int64_t> copy_table(const Table& table, Connection& from, db::Connection& to) {
  std::string places;
  for (std::size_t i = 0; i < table.columns.size(); ++i) places += i == 0 ? "?" : ", ?";
  auto insert = to.prepare(
      fmt::format("INSERT INTO {} ({}) VALUES ({})", table.name, column_list(table), places));
  if (!insert) return insert.error();
  std::int64_t count = 0;
  std::string fields_of;
  RowValues values;
  auto copied = from.copy_out(
      fmt::format("COPY (SELECT {} FROM ONLY {}.{}) TO STDOUT", column_list(table), kUpstreamSchema,
                  table.name),
      [&](std::string_view line) -> Result<void> {
        if (line.ends_with('\n')) line.remove_suffix(1);
        fields_of = line;
        const auto fields = copy_fields(fields_of);
        if (!fields || fields->size() != table.columns.size()) {
          return Error{ErrorKind::kDatabase, fmt::format("a row of {} is malformed", table.name)};
        }
        values.clear();
        for (std::size_t i = 0; i < fields->size(); ++i) {
          const auto& field = fields->at(i);
          if (!field) {
            values.add_null();
          } else if (!values.add(table.columns[i].type, *field)) {
            return Error{ErrorKind::kDatabase,
                         fmt::format("a value of {} is none of its type", table.name)};
          }
        }
        db::Rows rows = insert->run_with(values.parameters());
        if (auto row = rows.next(); !row) {
          return Error{ErrorKind::kDatabase,
                       fmt::format("a row of {} is refused: {}", table.name, row.error().message)};
        }
        ++count;
        return {};
      });
  if (!copied) return copied.error();
  return count;
}

/// Fills an empty database with the upstream's rows of one snapshot; how many.
Result<std::int64_t> fill(db::Connection& copy, Connection& ordinary, const std::string& snapshot,
                          const std::string& inode_key, const CopyMark& mark) {
  auto transaction = db::Transaction::begin(copy, db::Transaction::Kind::kWrite);
  if (!transaction) return transaction.error();
  if (!inode_key.empty()) {
    const std::string kept =
        fmt::format("UPDATE meta SET value = x'{}' WHERE key = 'inode_key'", inode_key);
    if (auto written = copy.execute(kept.c_str()); !written) return written.error();
  }
  if (auto written = write_copy_mark(copy, mark); !written) return written.error();
  auto begun = ordinary.execute(fmt::format(
      "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{}'", snapshot));
  if (!begun) return begun.error();
  std::int64_t count = 0;
  for (const Table& table : tables()) {
    auto copied = copy_table(table, ordinary, copy);
    if (!copied) {
      (void)ordinary.execute("ROLLBACK");
      return copied.error();
    }
    count += *copied;
  }
  if (auto ended = ordinary.execute("COMMIT"); !ended) return ended.error();
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return count;
}

}  // namespace

Result<void> check_may_become_copy(const std::filesystem::path& database) {
  std::error_code error;
  if (!std::filesystem::exists(database, error)) return {};
  auto connection = db::Connection::open(database, db::Mode::kRead);
  if (!connection) return connection.error();
  auto id = connection->query_integer("PRAGMA application_id");
  if (!id) return id.error();
  auto mark = read_copy_mark(*connection);
  if (mark && *mark) return {};
  bool is_empty = *id == kApplicationId && mark;
  for (const Table& table : tables()) {
    auto rows =
        connection->query_integer(fmt::format("SELECT EXISTS (SELECT 1 FROM {})", table.name));
    is_empty = is_empty && rows && *rows == 0;
  }
  if (is_empty) return {};
  return Error{ErrorKind::kInvalid,
               fmt::format("{} is a database of its own, and no copy; move it and what lies beside "
                           "it (-wal, -shm) away first, or name another",
                           quoted(database.native()))};
}

Result<void> make_first_copy(const std::filesystem::path& database, Connection& ordinary,
                             Connection& replication, const UpstreamState& upstream,
                             const std::string& slot) {
  const auto began = std::chrono::steady_clock::now();
  if (auto may = check_may_become_copy(database); !may) return may;
  auto there = look_at_slot(ordinary, slot);
  if (!there) return there.error();
  if (*there) {
    if (auto dropped = drop_slot(ordinary, slot); !dropped) return dropped;
  }
  // Makes it where it is not there, with its folder.
  if (auto made = init_database(database); !made) return made.error();
  auto inode_key = inode_key_of(database);
  if (!inode_key) return inode_key.error();
  auto made = postgres::create_slot(replication, slot);
  if (!made) return made.error();

  NewFile file(beside(database));
  if (file.trouble()) {
    return Error{ErrorKind::kSystem,
                 fmt::format("cannot write beside {}: {}", quoted(database.native()),
                             file.trouble().message())};
  }
  file.close();
  auto copy = db::Connection::open(file.path(), db::Mode::kWrite);
  if (!copy) return copy.error();
  // It is of no use to anybody before it is whole.
  if (auto quick = copy->execute("PRAGMA synchronous = OFF"); !quick) return quick;
  auto migrated = migrate_schema(*copy, file.path(), schema_migrations());
  if (!migrated) return migrated.error();
  const CopyMark mark{.upstream = ordinary.name(),
                      .system = upstream.system,
                      .timeline = upstream.timeline,
                      .publication = upstream.publication,
                      .slot = slot,
                      .lsn = postgres::lsn_text(made->consistent_point)};
  auto rows = fill(*copy, ordinary, made->snapshot, *inode_key, mark);
  if (!rows) return rows.error();
  if (auto replaced = replace_contents(*copy, database); !replaced) return replaced;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  spdlog::info("{} is a copy of {} as of {}: {} rows in {:.1f} s", quoted(database.native()),
               ordinary.name(), mark.lsn, *rows, took.count());
  return {};
}

void remove_leftovers(const std::filesystem::path& database) {
  const std::string prefix = beside(database).filename().native() + '.';
  std::error_code error;
  const auto directory = database.has_parent_path() ? database.parent_path() : ".";
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().filename().native().starts_with(prefix)) {
      std::error_code ignored;
      std::filesystem::remove(entry.path(), ignored);
    }
  }
}

}  // namespace grantfs::follow
