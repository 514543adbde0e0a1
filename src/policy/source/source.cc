#include "policy/source/source.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/quote.h"
#include "db/error.h"
#include "values/path_range.h"

namespace grantfs {
namespace {

/// A query that takes longer than this would hold up whoever asks after it.
constexpr std::chrono::milliseconds kSourceTimeLimit{1000};

}  // namespace

Source::Source(SourceConfig config, db::Connection connection)
    : config_(std::move(config)),
      connection_(std::move(connection)),
      who_{"who", config_.who, {":token"}, {}, {}},
      allow_{"allow", config_.allow, {":principal", ":path"}, {}, {}},
      list_{"list", config_.list, {":principal", ":begin", ":end"}, {}, {}} {}

Result<std::unique_ptr<Source>> Source::open(const SourceConfig& config,
                                             std::chrono::milliseconds busy_timeout,
                                             DatabaseFiles::File file) {
  auto connection = db::Connection::open(config.database, db::Mode::kRead);
  if (!connection) return connection.error();
  connection->set_busy_timeout(busy_timeout);
  if (auto limited = connection->allow_only_reading(); !limited) return limited.error();
  std::unique_ptr<Source> source(new Source(config, std::move(*connection)));

  auto version = source->connection_.prepare("PRAGMA data_version");
  if (!version) return version.error();
  source->version_ = std::move(*version);
  auto cookie = source->connection_.prepare("PRAGMA schema_version");
  if (!cookie) return cookie.error();
  source->cookie_ = std::move(*cookie);
  for (Query* query : {&source->who_, &source->allow_, &source->list_}) {
    if (query->sql.empty()) continue;  // who, of which there may be none
    if (auto prepared = source->prepare(*query); !prepared) return prepared.error();
  }
  // SQLite has read the file by now: if it is still the one at the path, it is `file`.
  auto opened = identify_database(config.database, DirectoryMay::kBeRead);
  if (!opened) return opened.error();
  if (opened->database != file) {
    return damaged(config.database, "was replaced while it was being opened");
  }
  return source;
}

Error Source::wrong(const Query& query, std::string_view what) const {
  return {ErrorKind::kInvalid,
          fmt::format("{}: query {}: {}", config_.database.string(), query.name, what)};
}

Error Source::wrong(const Query& query, const Error& error) const {
  return {error.kind, wrong(query, db::without_path(error, config_.database)).message};
}

Result<void> Source::prepare(Query& query) {
  auto statement = connection_.prepare(query.sql);
  if (!statement) {
    return wrong(query, statement.error());
  }
  if (!statement->is_read_only()) return wrong(query, "must be a SELECT");
  query.columns = static_cast<int>(statement->columns().size());
  if (query.columns < 1 || query.columns > 2) {
    return wrong(query, "must have one column, or two: the second is when it ends");
  }
  query.order.clear();
  for (const std::string& parameter : statement->parameters()) {
    const auto known = std::ranges::find(query.needs, parameter);
    if (known == query.needs.end()) {
      return wrong(query, fmt::format("no parameter {} is known; there are: {}",
                                      grantfs::quoted(parameter), fmt::join(query.needs, ", ")));
    }
    query.order.push_back(static_cast<std::size_t>(known - query.needs.begin()));
  }
  if (query.order.size() != query.needs.size()) {
    return wrong(query, fmt::format("must use all of {}", fmt::join(query.needs, ", ")));
  }
  query.statement = std::move(*statement);
  return {};
}

Result<db::Rows> Source::snapshot() {
  connection_.limit_time(kSourceTimeLimit);
  db::Rows version = version_.run();  // under way, it holds the read transaction
  auto row = version.next();
  if (!row) return row.error();
  if (!*row) return damaged(config_.database, "has no data_version");
  if (auto followed = follow_schema(version.integer(0)); !followed) return followed.error();
  return version;
}

Result<void> Source::follow_schema(std::int64_t version) {
  if (version == prepared_version_) return {};
  db::Rows rows = cookie_.run();
  auto row = rows.next();
  if (!row) return row.error();
  if (!*row) return damaged(config_.database, "has no schema_version");
  const std::int64_t cookie = rows.integer(0);
  if (cookie != prepared_cookie_) {
    // Of the tables that there are now; and only a statement that reads a table has SQLite forget
    // the schema that it knew before.
    if (auto limited = connection_.allow_only_reading(); !limited) return limited;
    for (Query* query : {&who_, &allow_, &list_}) {
      if (query->sql.empty()) continue;
      const int columns = query->columns;
      if (auto prepared = prepare(*query); !prepared) return prepared;
      if (query->columns != columns) {
        return wrong(*query, "has other columns than when it was checked");
      }
    }
  }
  prepared_cookie_ = cookie;
  prepared_version_ = version;
  return {};
}

Result<bool> Source::changed() {
  auto held = snapshot();
  if (!held) return held.error();
  const std::int64_t version = held->integer(0);
  return std::exchange(seen_version_, version) != version;
}

db::Rows Source::run(Query& query, const std::vector<std::string_view>& texts) {
  std::vector<std::string_view> ordered;
  for (const std::size_t place : query.order) ordered.push_back(texts.at(place));
  return query.statement.run_with(ordered);
}

Result<bool> Source::next(const Query& query, db::Rows& rows) const {
  auto row = rows.next();
  if (!row) return wrong(query, row.error());
  if (*row && rows.columns() != query.columns) {
    return wrong(query, "has other columns than when it was checked");
  }
  return row;
}

Result<Expiry> Source::expires(const Query& query, const db::Rows& rows) const {
  if (query.columns == 1 || rows.is_null(1)) return Expiry();
  const Timestamp time{std::chrono::seconds{rows.integer(1)}};
  if (rows.type(1) != db::Type::kInteger || time < Timestamp{} || time > kLastTimestamp) {
    return wrong(query, "the second column must be Unix seconds (an INTEGER), or NULL");
  }
  return Expiry(time);
}

std::optional<std::string_view> Source::asked_about(std::string_view principal) const {
  if (!principal.starts_with(config_.principal_prefix)) return std::nullopt;
  const std::string_view name = principal.substr(config_.principal_prefix.size());
  // To a column of numbers, 01, 1.0 and +1 are all 1 (https://sqlite.org/datatype3.html, 3.3).
  const bool number = !name.empty() && name.find_first_not_of("0123456789") == name.npos;
  const bool canonical = number && (name == "0" || name.front() != '0');
  const bool like_a_number = name.find_first_not_of("0123456789+-.eExX \t\n\v\f\r") == name.npos;
  if (like_a_number && !canonical) return std::nullopt;
  return name;
}

Result<std::optional<Source::Bearer>> Source::who(std::string_view token) {
  using Answer = std::optional<Bearer>;
  // Also lest a sloppy comparison take "1" for the number of a row.
  if (who_.sql.empty() || !check_token(token)) return Answer();
  db::Rows rows = run(who_, {token});
  auto row = next(who_, rows);
  if (!row) return row.error();
  if (!*row || rows.is_null(0)) return Answer();
  if (rows.type(0) != db::Type::kText && rows.type(0) != db::Type::kInteger) {
    return wrong(who_, "the first column must be a principal: a TEXT, or an INTEGER");
  }
  auto principal = Principal::parse(config_.principal_prefix + std::string(rows.text(0)));
  if (!principal) return wrong(who_, principal.error().message);
  auto until = expires(who_, rows);
  if (!until) return until.error();
  Bearer bearer{std::move(*principal), *until};
  row = next(who_, rows);
  if (!row) return row.error();
  if (*row) return wrong(who_, "gives several rows for one token");
  return Answer(std::move(bearer));
}

Result<std::optional<Source::Rule>> Source::allow(std::string_view principal, std::string_view path,
                                                  Timestamp now) {
  using Answer = std::optional<Rule>;
  const auto name = asked_about(principal);
  if (!name || path.empty()) return Answer();
  const std::string full_path = config_.path_prefix + std::string(path);
  db::Rows rows = run(allow_, {*name, full_path});
  while (true) {
    auto row = next(allow_, rows);
    if (!row) return row.error();
    if (!*row) return Answer();
    if (rows.is_null(0)) continue;
    const std::int64_t yes = rows.integer(0);
    if (rows.type(0) != db::Type::kInteger || yes < 0 || yes > 1) {
      return wrong(allow_, "the first column must be 1, 0 or NULL");
    }
    auto until = expires(allow_, rows);
    if (!until) return until.error();
    if (yes == 1 && is_live(*until, now)) return Answer(Rule{*until});
  }
}

Result<void> Source::below(std::string_view principal, const StorePath& folder, Timestamp now,
                           const Take& take) {
  const auto name = asked_about(principal);
  if (!name) return {};
  std::string prefix = config_.path_prefix;
  if (!folder.is_root()) prefix += folder.text() + '/';
  const PathRange range = PathRange::beginning_with(std::move(prefix));
  db::Rows rows = run(list_, {*name, range.begin, range.end});
  while (true) {
    auto row = next(list_, rows);
    if (!row) return row.error();
    if (!*row) return {};
    if (rows.is_null(0)) continue;
    if (rows.type(0) != db::Type::kText) {
      return wrong(list_, "the first column must be a path (a TEXT), or NULL");
    }
    auto until = expires(list_, rows);
    if (!until) return until.error();
    // What is elsewhere, or is no path in the store, `allow` is never asked about either.
    const std::string_view text = rows.text(0);
    if (!text.starts_with(range.begin) || !is_live(*until, now)) continue;
    const auto path = StorePath::parse(text.substr(config_.path_prefix.size()));
    if (!path || *path == folder || path->is_root()) continue;
    if (!take(*path, *until)) return {};
  }
}

}  // namespace grantfs
