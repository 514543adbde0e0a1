#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.h"
#include "grantfs/policy.h"

namespace grantfs {

/// Which files the database is, to notice that another has taken its place.
struct DatabaseFiles {
  struct File {
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::uint64_t inode = 0;
    /// Birth time: ext4 gives the inode number of a file just deleted to the next one at once.
    std::int64_t born_seconds = 0;
    std::uint32_t born_nanoseconds = 0;
    friend bool operator==(const File&, const File&) = default;
  };
  File database;
  std::optional<File> wal;  ///< the -wal file; none if there is none or it is empty
  friend bool operator==(const DatabaseFiles&, const DatabaseFiles&) = default;
};

/// The files at `database` now; an error if there is none or others may write to it.
Result<DatabaseFiles> identify_database(const std::filesystem::path& database);

/// One connection and the statements that decide. One thread at a time.
///
/// Every public method reads one snapshot: the newest commit when it began. After an error the
/// reader is of no further use: its owner closes it and opens another.
class Reader {
 public:
  /// Opens the database, which must be `file`, and checks that it is fit to be believed.
  static Result<std::unique_ptr<Reader>> open(const PolicyOptions& options,
                                              DatabaseFiles::File file);

  DatabaseFiles::File file() const { return file_; }

  Result<Access> decide(const Identity& identity, const StorePath& path);
  Result<Listing> list(const Identity& identity, const StorePath& folder);
  Result<Explanation> explain(const Identity& identity, const StorePath& path);
  Result<std::array<unsigned char, 16>> inode_key();
  Result<std::vector<std::string>> query_plans();

 private:
  /// A principal that an identity turned out to be, and how.
  struct Holding {
    std::string principal;
    std::size_t via;   ///< index of the member that this one follows from; its own for a seed
    bool live = true;  ///< false if an expired membership lies on the way
  };
  using Holdings = std::vector<Holding>;
  enum class Expired { kIgnore, kFollow };

  /// Statements, all of them index seeks; see reader.cc for the SQL.
  struct Statements {
    db::Statement version;
    db::Statement session;
    db::Statement parents;
    db::Statement owner_at;
    db::Statement grant_at;
    db::Statement next_owned;
    db::Statement next_granted;
  };

  Reader(PolicyOptions options, DatabaseFiles::File file, db::Connection connection,
         Statements statements);

  /// Begins the read that the snapshot lasts for, and checks the schema if anything was committed
  /// since the last time.
  Result<db::Rows> snapshot();
  /// Everything the identity counts as at `now`; empty if the identity itself is void.
  /// `session`, if given, is told of the identity's session.
  Result<Holdings> holdings(const Identity& identity, Timestamp now, Expired expired,
                            std::optional<Explanation::Session>* session = nullptr);
  Result<bool> is_covered(const Holdings& holdings, const StorePath& path, Timestamp now);
  Result<bool> has_rule_below(const Holdings& holdings, const StorePath& path, Timestamp now);
  Result<std::vector<Rule>> rules_at(const Holding& holding, std::string_view path);

  PolicyOptions options_;
  DatabaseFiles::File file_;
  std::int64_t checked_version_ = -1;  ///< data_version at which the schema was last checked
  db::Connection connection_;          // before the statements, which must go first
  Statements statements_;
};

}  // namespace grantfs
