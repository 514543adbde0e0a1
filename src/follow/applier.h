#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "db/connection.h"
#include "db/transaction.h"
#include "follow/row_values.h"
#include "follow/tables.h"
#include "grantfs/result.h"
#include "policy/schema/copy_mark.h"
#include "policy/schema/database_file.h"
#include "postgres/pgoutput.h"

namespace grantfs::follow {

/// Applies the upstream's transactions to the copy: each as one transaction of SQLite's, with its
/// position in the upstream's log inside. So after a crash at any moment the copy is that of before
/// or after a transaction, and knows which.
///
/// What contradicts the copy is an error of the kind kConflict: the copy has to be made anew. That
/// is a row that is not there, a table of another shape, a change that is not the follower's own.
/// After any error the transaction under way is rolled back, and the messages behind it are not for
/// this applier any more. One thread at a time.
class Applier {
 public:
  /// Opens the copy. kNotFound if there is none; kConflict if the database is no copy, or not one
  /// of this program's schema.
  static Result<std::unique_ptr<Applier>> open(const std::filesystem::path& database);

  const CopyMark& mark() const { return mark_; }
  /// The position behind all that has been applied and is on the disk.
  postgres::Lsn position() const { return position_; }
  bool is_in_transaction() const { return in_transaction_; }

  /// Applies a message. The position behind the transaction that ends with it; none: none does.
  Result<std::optional<postgres::Lsn>> apply(const postgres::pgoutput::Message& message);
  /// Notes that up to here there is nothing more to apply. Between transactions only.
  Result<void> advance(postgres::Lsn position);
  /// Checks that the copy is the file at its path still, and that nobody else has changed it.
  Result<void> check_untouched();

 private:
  /// A table that messages speak of, and which of our columns each of their columns is.
  struct Known {
    const Table* table;
    std::vector<std::size_t> columns;
  };

  Applier(std::filesystem::path database, db::Connection connection, DatabaseFiles::File file,
          CopyMark mark, postgres::Lsn position, std::int64_t revision)
      : database_(std::move(database)),
        connection_(std::move(connection)),
        file_(file),
        mark_(std::move(mark)),
        position_(position),
        revision_(revision) {}

  Result<void> take(const postgres::pgoutput::Begin& begin);
  Result<void> take(const postgres::pgoutput::Relation& relation);
  Result<void> take(const postgres::pgoutput::Insert& insert);
  Result<void> take(const postgres::pgoutput::Update& update);
  Result<void> take(const postgres::pgoutput::Delete& deleted);
  Result<void> take(const postgres::pgoutput::Truncate& truncate);
  static Result<void> take(const postgres::pgoutput::Commit& /*commit*/) { return {}; }
  static Result<void> take(const postgres::pgoutput::Ignored& /*ignored*/) { return {}; }
  Result<std::optional<postgres::Lsn>> finish(const postgres::pgoutput::Commit& commit);

  /// Begins a change of a relation. Null if its transaction has been applied before.
  Result<const Known*> begin_change_of(std::uint32_t relation);
  /// Begins the copy's own transaction, at the first change of one of the upstream's.
  Result<void> begin_changes();
  Result<std::int64_t> read_revision();
  /// Runs a statement that must change exactly one row.
  Result<void> change_one(const Table& table, const std::string& sql);
  Error about(const Table& table, Error error) const;
  /// Adds a value of a row to the parameters.
  Result<void> add_value(const Table& table, const Column& column,
                         const postgres::pgoutput::Field& field);
  /// Adds the value of a key to the parameters, and returns whether there is one.
  bool add_key(const Known& known, const postgres::pgoutput::Row& row);

  const std::filesystem::path database_;
  db::Connection connection_;
  const DatabaseFiles::File file_;
  CopyMark mark_;
  postgres::Lsn position_;
  std::int64_t revision_;  ///< meta.revision as we left it
  std::unordered_map<std::uint32_t, Known> relations_;
  std::unordered_map<std::string, db::Statement> statements_;
  RowValues values_;
  bool in_transaction_ = false;                 ///< of the upstream
  bool skips_ = false;                          ///< that transaction has been applied before
  std::optional<db::Transaction> transaction_;  ///< of the copy
};

}  // namespace grantfs::follow
