#include "policy/feed/feed.h"

#include <algorithm>

#include "db/preparer.h"
#include "db/rows.h"
#include "policy/feed/uris_feed.h"
#include "policy/schema/schema.h"

namespace grantfs {
namespace {

constexpr const char* kVersion = "PRAGMA data_version";
constexpr const char* kCookie = "PRAGMA schema_version";
constexpr const char* kRevision = "SELECT value, typeof(value) FROM meta WHERE key = 'revision'";
// The highest `seq` is not taken from the rows, because it would not tell that later rows were
// deleted. sqlite_sequence has no index, and one row for each AUTOINCREMENT table.
constexpr const char* kSequence = "SELECT seq FROM sqlite_sequence WHERE name = 'changes'";
constexpr const char* kRows =
    "SELECT seq, path, principal, token FROM changes WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
// A trigger's tbl_name is spelt as its CREATE TRIGGER spelt it.
constexpr const char* kTriggers =
    "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name COLLATE NOCASE IN"
    " ('owners', 'grants', 'members', 'sessions', 'links', 'signing_keys', 'changes', 'meta')"
    " ORDER BY name";

/// More losses than this at once are not worth telling apart.
constexpr std::int64_t kMaxRows = 1000;

std::optional<std::string> maybe_text(const db::Rows& rows, int column) {
  if (rows.is_null(column)) return std::nullopt;
  return std::string(rows.text(column));
}

Losses unexplained(Unexplained why) {
  Losses losses;
  losses.unexplained = losses.committed = true;
  losses.why = why;
  return losses;
}

template <class T>
void sort_and_deduplicate(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

/// False if the text is none that the type knows.
template <class T>
bool take(std::vector<T>& values, const std::string& text) {
  auto value = T::parse(text);
  if (value) values.push_back(std::move(*value));
  return value.ok();
}

}  // namespace

Feed::Feed(PolicyOptions options, DatabaseFiles::File file, db::Connection connection,
           Statements statements, Triggers ours)
    : options_(std::move(options)),
      file_(file),
      ours_(std::move(ours)),
      connection_(std::move(connection)),
      statements_(std::move(statements)) {}

Result<std::unique_ptr<Feed>> Feed::open(const PolicyOptions& options, DatabaseFiles::File file) {
  auto connection = open_for_reading(options, file);
  if (!connection) return connection.error();

  // What the triggers must be is what the migrations make of an empty database.
  auto model = db::Connection::open(":memory:", db::Mode::kCreate);
  if (!model) return model.error();
  auto made = migrate_schema(*model, ":memory:", schema_migrations());
  if (!made) return made.error();
  auto ours = triggers(*model);
  if (!ours) return ours.error();

  db::Preparer prepare(*connection);
  Statements statements{prepare(kVersion), prepare(kCookie), prepare(kRevision), prepare(kSequence),
                        prepare(kRows)};
  if (!prepare.done()) return prepare.done().error();
  return std::unique_ptr<Feed>(
      new Feed(options, file, std::move(*connection), std::move(statements), std::move(*ours)));
}

std::vector<std::string_view> Feed::statements() {
  return {kRevision, kRows};
}

Result<Losses> Feed::losses() {
  auto losses = recorded_losses();
  if (!losses || source_ == nullptr) return losses;
  auto changed = source_->changed();
  if (!changed) return changed.error();
  return *changed ? Result<Losses>(unexplained(Unexplained::kSource)) : losses;
}

Result<Losses> Feed::recorded_losses() {
  connection_.limit_time(options_.time_limit);
  const auto newest = connection_.newest_commit();
  // Under way, it holds the read transaction: all below is of one commit.
  db::Rows version = statements_.version.run();
  auto row = version.next();
  if (!row) return row.error();
  if (!*row) return damaged(options_.database, "has no data_version");
  if (version.integer(0) == seen_version_) return Losses();
  // `newest` is the commit that is read only if it was the newest both before and after the read
  // began.
  const auto commit = newest == connection_.newest_commit() ? newest : std::nullopt;
  const auto seen_commit = std::exchange(seen_commit_, commit);
  if (seen_ && seen_commit && commit && db::only_restarted(*seen_commit, *commit)) {
    seen_version_ = version.integer(0);
    return Losses();
  }

  if (auto fit = check_schema(connection_, options_.database); !fit) return fit.error();
  auto now = position();
  if (!now) return now.error();

  Losses losses = unexplained(seen_ ? Unexplained::kSchema : Unexplained::kPositionLost);
  if (!seen_ || seen_->schema_cookie != now->schema_cookie) {
    if (auto fit = check_tables(connection_, options_.database); !fit) return fit.error();
    // This is unexplained even with the triggers in place, because they may have been away for a
    // while.
    auto there = triggers(connection_);
    if (!there) return there.error();
    whole_ = *there == ours_;
  } else if (whole_) {
    auto lost = between(*seen_, *now);
    if (!lost) return lost.error();
    losses = std::move(*lost);
  }
  seen_ = std::move(*now);
  seen_version_ = version.integer(0);
  return losses;
}

Result<Losses> Feed::between(const Position& before, const Position& after) {
  // A row of the feed without a new revision is what an ignored statement leaves.
  const bool rose = before.revision && after.revision && *after.revision >= *before.revision &&
                    after.sequence >= before.sequence &&
                    (*after.revision > *before.revision || after.sequence > before.sequence);
  if (!rose) {
    const bool same =
        before.revision && before.revision == after.revision && before.sequence == after.sequence;
    return unexplained(same ? Unexplained::kForeignCommit : Unexplained::kPositionLost);
  }
  if (before.sequence < 0) return unexplained(Unexplained::kPositionLost);
  if (after.sequence - before.sequence > kMaxRows) return unexplained(Unexplained::kTooMany);

  auto read = rows(before.sequence, after.sequence);
  if (!read) return read.error();
  auto row = read->begin();
  // The last row that was seen must still be there. Otherwise rows were deleted, or these rows
  // follow other ones, as in a backup that was put back.
  if (before.newest) {
    if (row == read->end() || *row != *before.newest) {
      return unexplained(Unexplained::kPositionLost);
    }
    ++row;
  }
  Losses losses;
  losses.committed = true;
  std::int64_t seq = before.sequence;
  for (; row != read->end(); ++row) {
    const int values =
        int{row->path.has_value()} + int{row->principal.has_value()} + int{row->token.has_value()};
    const bool good = row->seq - 1 == seq && values == 1 &&
                      (!row->path || take(losses.paths, *row->path)) &&
                      (!row->principal || take(losses.members, *row->principal)) &&
                      row->token != kUrisMoved && (!row->token || take(losses.tokens, *row->token));
    if (row->token == kUrisMoved) return unexplained(Unexplained::kKeys);
    if (!good) return unexplained(Unexplained::kPositionLost);
    seq = row->seq;
  }
  if (seq != after.sequence) return unexplained(Unexplained::kPositionLost);
  sort_and_deduplicate(losses.paths);
  sort_and_deduplicate(losses.members);
  sort_and_deduplicate(losses.tokens);
  return losses;
}

Result<Feed::Position> Feed::position() {
  Position position;
  db::Rows cookie = statements_.cookie.run();
  auto row = cookie.next();
  if (!row) return row.error();
  if (!*row) return damaged(options_.database, "has no schema_version");
  position.schema_cookie = cookie.integer(0);

  db::Rows revision = statements_.revision.run();
  row = revision.next();
  if (!row) return row.error();
  if (*row && revision.text(1) == "integer") position.revision = revision.integer(0);

  db::Rows sequence = statements_.sequence.run();
  row = sequence.next();
  if (!row) return row.error();
  if (*row) position.sequence = sequence.integer(0);

  auto newest = rows(position.sequence, position.sequence);
  if (!newest) return newest.error();
  if (!newest->empty()) position.newest = std::move(newest->back());
  return position;
}

Result<std::vector<Feed::Row>> Feed::rows(std::int64_t first, std::int64_t last) {
  std::vector<Row> found;
  db::Rows rows = statements_.rows.run(first, last);
  while (true) {
    auto row = rows.next();
    if (!row) return row.error();
    if (!*row) return found;
    found.push_back(
        {rows.integer(0), maybe_text(rows, 1), maybe_text(rows, 2), maybe_text(rows, 3)});
  }
}

Result<Feed::Triggers> Feed::triggers(db::Connection& connection) {
  auto statement = connection.prepare(kTriggers);
  if (!statement) return statement.error();
  Triggers found;
  db::Rows rows = statement->run();
  while (true) {
    auto row = rows.next();
    if (!row) return row.error();
    if (!*row) return found;
    found.emplace_back(rows.text(0), rows.text(1));
  }
}

}  // namespace grantfs
