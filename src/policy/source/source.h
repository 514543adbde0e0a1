#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/connection.h"
#include "db/rows.h"
#include "db/statement.h"
#include "grantfs/policy.h"
#include "grantfs/source.h"
#include "policy/schema/database_file.h"

namespace grantfs {

/// A source reads an application's own database by the queries of its SourceConfig. It has one
/// connection, and one thread at a time. Anything that is not as the configuration promises is an
/// error, and denies. After an error it is of no further use.
class Source {
 public:
  /// Opens the database, which must be `file`, read-only, and checks the queries: each one
  /// statement that only reads, with the parameters it should have and one or two columns.
  /// kInvalid says what is wrong with a query; kDatabase with the database.
  static Result<std::unique_ptr<Source>> open(const SourceConfig& config,
                                              std::chrono::milliseconds busy_timeout,
                                              DatabaseFiles::File file);

  /// While it lives, everything read is of one commit, and must be read within a second.
  Result<db::Rows> snapshot();
  /// Whether anything was committed since the last call; true at the first.
  Result<bool> changed();

  /// The principal of a token and its expiry; none if it is nobody's token. Expired tokens are
  /// returned too.
  struct Bearer {
    Principal principal;
    Expiry expires;
  };
  Result<std::optional<Bearer>> who(std::string_view token);

  /// Since when allowed a rule would end, if there is one at all.
  struct Rule {
    Expiry expires;
  };
  /// A live rule on exactly this path. None for the whole store.
  Result<std::optional<Rule>> allow(std::string_view principal, std::string_view path,
                                    Timestamp now);
  /// Calls `take` for each path strictly below the folder that a live rule is on, in any order,
  /// until it returns false.
  using Take = std::function<bool(const StorePath& path, const Expiry& expires)>;
  Result<void> below(std::string_view principal, const StorePath& folder, Timestamp now,
                     const Take& take);

  /// How many columns each query has. A SELECT * may lose the second, and with it every end: what
  /// opens the database anew compares.
  std::array<int, 3> shape() const { return {who_.columns, allow_.columns, list_.columns}; }

  /// For each query that reads all of a table: that it does, and the index it lacks.
  Result<std::vector<std::string>> advice();

 private:
  /// A query of the configuration.
  struct Query {
    std::string name;
    std::string sql;
    std::vector<std::string> needs;  ///< the parameters that it must have
    db::Statement statement;
    std::vector<std::size_t> order;  ///< of each parameter, its index in `needs`
    int columns = 0;
  };

  Source(SourceConfig config, db::Connection connection);

  Result<void> prepare(Query& query);
  /// Prepares the queries anew if the schema is another. SQLite does so by itself only where the
  /// statement at hand reads a table: one of a view that reads none would go on for ever.
  Result<void> follow_schema(std::int64_t version);
  /// Runs the query with texts in the order of `needs`, which must outlive the rows.
  db::Rows run(Query& query, const std::vector<std::string_view>& texts);
  /// The next row, if it has the columns that it should.
  Result<bool> next(const Query& query, db::Rows& rows) const;
  Result<Expiry> expires(const Query& query, const db::Rows& rows) const;
  Error wrong(const Query& query, std::string_view what) const;
  /// The message for an error of the database's, whose kind is kept.
  Error wrong(const Query& query, const Error& error) const;
  /// The principal as the application knows it; none if it is not asked about.
  std::optional<std::string_view> asked_about(std::string_view principal) const;

  SourceConfig config_;
  db::Connection connection_;  // before the statements, which must go first
  db::Statement version_;
  db::Statement cookie_;
  std::optional<std::int64_t> prepared_version_;  ///< data_version at the last follow_schema()
  std::optional<std::int64_t> prepared_cookie_;   ///< schema_version when the queries were prepared
  std::optional<std::int64_t> seen_version_;      ///< data_version at the last changed()
  Query who_;
  Query allow_;
  Query list_;
};

}  // namespace grantfs
