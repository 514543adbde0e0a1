#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/connection.h"
#include "db/statement.h"
#include "db/wal_index.h"
#include "grantfs/policy.h"
#include "policy/schema/database_file.h"
#include "policy/source/source.h"

namespace grantfs {

/// Reads the recall feed (table `changes`) as it grows. It has a connection of its own, for
/// `PRAGMA data_version` tells what other connections committed since this one looked last.
/// One thread at a time. After an error it is of no further use: its owner closes it and opens
/// another, which knows no position and therefore begins with "unexplained".
class Feed {
 public:
  static Result<std::unique_ptr<Feed>> open(const PolicyOptions& options, DatabaseFiles::File file);

  DatabaseFiles::File file() const { return file_; }

  /// Adds the source: from now on, any commit to its database is an unexplained loss.
  void use_source(std::unique_ptr<Source> source) { source_ = std::move(source); }

  /// As Policy::losses().
  Result<Losses> losses();

  /// The statements that must be index seeks.
  static std::vector<std::string_view> statements();

 private:
  /// A row of the feed, as it was read.
  struct Row {
    std::int64_t seq = 0;
    std::optional<std::string> path;
    std::optional<std::string> principal;
    std::optional<std::string> token;
    friend bool operator==(const Row&, const Row&) = default;
  };

  /// Up to where the feed was read.
  struct Position {
    std::int64_t schema_cookie = 0;
    std::optional<std::int64_t> revision;  ///< none if the row is gone, or holds no integer
    std::int64_t sequence = 0;             ///< highest `seq` ever given out
    std::optional<Row> newest;             ///< the row of that `seq`, if it is there
  };

  struct Statements {
    db::Statement version;
    db::Statement cookie;
    db::Statement revision;
    db::Statement sequence;
    db::Statement rows;
  };

  /// A trigger's name and SQL.
  using Triggers = std::vector<std::pair<std::string, std::string>>;

  Feed(PolicyOptions options, DatabaseFiles::File file, db::Connection connection,
       Statements statements, Triggers ours);

  /// losses() of the policy database.
  Result<Losses> recorded_losses();
  static Result<Triggers> triggers(db::Connection& connection);
  Result<Position> position();
  Result<std::vector<Row>> rows(std::int64_t first, std::int64_t last);
  /// The losses by the commits between the two positions, if the feed explains them all.
  Result<Losses> between(const Position& before, const Position& after);

  PolicyOptions options_;
  DatabaseFiles::File file_;
  Triggers ours_;                   ///< what the schema's triggers must be
  std::int64_t seen_version_ = -1;  ///< data_version when the feed was last read
  std::optional<Position> seen_;    ///< none: never read
  /// The newest commit when the feed was last read; none if that is not certain.
  std::optional<db::CommitStamp> seen_commit_;
  bool whole_ = false;         ///< the triggers were `ours_` when the schema last changed
  db::Connection connection_;  // before the statements, which must go first
  Statements statements_;
  std::unique_ptr<Source> source_;  ///< null: none
};

}  // namespace grantfs
