#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/connection.h"
#include "db/rows.h"
#include "db/statement.h"
#include "db/wal_index.h"
#include "grantfs/policy.h"
#include "policy/schema/database_file.h"
#include "policy/source/source.h"

namespace grantfs {

/// The policy database, and an application's own beside it, as one connection reads them. It begins
/// the snapshots that questions are answered from. One thread at a time. After an error it is of no
/// further use.
class DecisionDatabase {
 public:
  /// Opens the database, which must be `file`, and checks that it is fit to be believed.
  static Result<std::unique_ptr<DecisionDatabase>> open(const PolicyOptions& options,
                                                        DatabaseFiles::File file);

  /// Adds the source: from now on its rules count besides those of the policy database.
  void use_source(std::unique_ptr<Source> source) { source_ = std::move(source); }

  /// While a snapshot lives, everything that is read is of one commit: the newest when it began.
  struct Snapshot {
    db::Rows policy;
    std::optional<db::Rows> source;
    /// Something was committed to the policy database since the last snapshot: nothing that was
    /// read before counts any more.
    bool is_anew = false;
  };
  /// Begins a snapshot, in which statements may take `patience` times options().time_limit
  /// together. Checks the schema if anything was committed since the last snapshot.
  Result<Snapshot> snapshot(int patience = 1);
  /// Whether nothing was committed to the policy database since just before the last snapshot
  /// began. False if that is not certain. Costs no system call.
  bool is_unchanged();

  /// The key for hashing inode numbers.
  Result<std::array<unsigned char, 16>> inode_key();
  /// Policy::copy_of().
  Result<std::string> copy_of();
  /// EXPLAIN QUERY PLAN of each statement.
  Result<std::vector<std::string>> query_plans(const std::vector<std::string_view>& statements);

  DatabaseFiles::File file() const { return file_; }
  db::Connection& connection() { return connection_; }
  /// Null: there is none.
  Source* source() const { return source_.get(); }
  const PolicyOptions& options() const { return options_; }
  Timestamp now() const { return options_.clock(); }
  /// The error for a policy database with contents that it must not have.
  Error damaged(std::string_view what) const;

 private:
  DecisionDatabase(PolicyOptions options, DatabaseFiles::File file, db::Connection connection,
                   db::Statement version);

  /// Checks that the database still has our schema and our tables.
  Result<void> check_fit();

  PolicyOptions options_;
  DatabaseFiles::File file_;
  std::int64_t checked_version_ = -1;  ///< data_version at which the schema was last checked
  std::int64_t checked_cookie_ = -1;   ///< schema_version at which the tables were last checked
  /// The newest commit just before the last snapshot began.
  std::optional<db::CommitStamp> last_commit_;
  db::Connection connection_;  // before the statement, which must go first
  db::Statement version_;
  std::unique_ptr<Source> source_;
};

}  // namespace grantfs
