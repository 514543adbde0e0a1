#include "policy/decisions/link_uses/use_database.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

#include "db/rows.h"
#include "db/shm_guard.h"
#include "db/transaction.h"
#include "grantfs/link_uses.h"

namespace grantfs {
namespace {

/// `PRAGMA application_id`: "GrFU" in ASCII.
constexpr std::int64_t kUsesApplicationId = 0x47724655;
/// How long to wait for another daemon that counts.
constexpr std::chrono::milliseconds kBusyTimeout{200};
/// How long a count may take, or looking through all the counts there are when it is opened.
constexpr std::chrono::seconds kTimeLimit{5};

constexpr const char* kSchema =
    "CREATE TABLE uses ("
    "  link   TEXT NOT NULL,"
    "  client TEXT NOT NULL,"
    "  used   INTEGER NOT NULL,"
    "  began  INTEGER NOT NULL,"
    "  PRIMARY KEY (link, client)"
    ") STRICT, WITHOUT ROWID";

Error foreign(const std::filesystem::path& database, std::int64_t id) {
  return {ErrorKind::kDatabase,
          fmt::format("{} does not hold the uses of links (application_id {}); move it away",
                      database.string(), id)};
}

Result<void> prepare_schema(db::Connection& connection, const std::filesystem::path& database) {
  auto transaction = db::Transaction::begin(connection, db::Transaction::Kind::kWrite);
  if (!transaction) return transaction.error();
  auto id = connection.query_integer("PRAGMA application_id");
  if (!id) return id.error();
  if (*id == kUsesApplicationId) {
    auto table = connection.query_integer(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'uses'");
    if (!table) return table.error();
    if (*table != 1) return foreign(database, *id);  // a view could say anything
    return {};
  }
  auto objects = connection.query_integer("SELECT count(*) FROM sqlite_schema");
  if (!objects) return objects.error();
  if (*id != 0 || *objects != 0) return foreign(database, *id);
  if (auto made = connection.execute(kSchema); !made) return made;
  const auto claim = fmt::format("PRAGMA application_id = {}", kUsesApplicationId);
  if (auto claimed = connection.execute(claim.c_str()); !claimed) return claimed;
  return transaction->commit();
}

}  // namespace

std::filesystem::path UseDatabase::path_for(const std::filesystem::path& policy_database) {
  return policy_database.string() + ".state";
}

UseDatabase::UseDatabase(Policy& policy, std::filesystem::path database, Clock clock)
    : policy_(policy), database_(std::move(database)), clock_(std::move(clock)) {}

Result<std::optional<LinkUse>> UseDatabase::count(const LinkClient& who, std::int64_t most,
                                                  std::chrono::seconds window) {
  auto use = count_on_disk(who, most, window);
  if (!use) connection_.reset();  // opened afresh the next time, in case another file is there
  return use;
}

Result<std::optional<LinkUse>> UseDatabase::count_on_disk(const LinkClient& who, std::int64_t most,
                                                          std::chrono::seconds window) {
  if (faults_survived_ != db::shm_faults()) connection_.reset();
  if (connection_ == nullptr) {
    faults_survived_ = db::shm_faults();
    auto opened = open();
    if (!opened) return opened.error();
    connection_ = std::move(*opened);
  }
  connection_->limit_time(kTimeLimit);
  auto use = count_in(*connection_, who, most, window);
  if (use && faults_survived_ != db::shm_faults()) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{}-shm was truncated under us", database_.string())};
  }
  return use;
}

Result<std::optional<LinkUse>> UseDatabase::count_in(db::Connection& connection,
                                                     const LinkClient& who, std::int64_t most,
                                                     std::chrono::seconds window) {
  auto transaction = db::Transaction::begin(connection, db::Transaction::Kind::kWrite);
  if (!transaction) return transaction.error();
  LinkUse use;
  {
    auto find = connection.prepare("SELECT used, began FROM uses WHERE link = ?1 AND client = ?2");
    if (!find) return find.error();
    db::Rows rows = find->run(who.link.hex(), who.client);
    auto row = rows.next();
    if (!row) return row.error();
    if (*row) use = {rows.integer(0), Timestamp{std::chrono::seconds{rows.integer(1)}}};
  }
  // Begun before a restart, or by another daemon.
  if (use.used <= most && use.end(clock_(), window)) return std::optional(use);
  if (use.used >= most) return std::optional<LinkUse>();
  use = {use.used + 1, clock_()};
  auto keep = connection.prepare("REPLACE INTO uses (link, client, used, began) VALUES (?,?,?,?)");
  if (!keep) return keep.error();
  const std::int64_t began = use.began.time_since_epoch().count();
  auto kept = keep->execute(who.link.hex(), who.client, use.used, began);
  if (!kept) return kept.error();
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return std::optional(use);
}

Result<std::unique_ptr<db::Connection>> UseDatabase::open() {
  auto connection = db::Connection::open(database_, db::Mode::kCreateNoFollow);
  if (!connection) return connection.error();
  connection->set_busy_timeout(kBusyTimeout);
  connection->limit_time(kTimeLimit);
  if (auto ready = prepare_schema(*connection, database_); !ready) return ready.error();
  // Only now, that it is known to be ours. One that was made before is turned into a WAL.
  auto durable = connection->execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  if (!durable) return durable.error();
  if (auto dropped = drop_unknown_links(*connection); !dropped) return dropped.error();
  return std::make_unique<db::Connection>(std::move(*connection));
}

Result<void> UseDatabase::drop_unknown_links(db::Connection& connection) {
  std::vector<std::string> unknown;
  {
    auto find = connection.prepare("SELECT DISTINCT link FROM uses");
    if (!find) return find.error();
    db::Rows rows = find->run();
    while (true) {
      auto row = rows.next();
      if (!row) return row.error();
      if (!*row) break;
      auto link = TokenHash::parse(rows.text(0));
      if (!link) return Error{ErrorKind::kDatabase, link.error().message};
      auto known = policy_.knows_link(*link);
      if (!known) return known.error();
      if (!*known) unknown.push_back(link->hex());
    }
  }
  auto drop = connection.prepare("DELETE FROM uses WHERE link = ?");
  if (!drop) return drop.error();
  for (const std::string& link : unknown) {
    if (auto dropped = drop->execute(link); !dropped) return dropped;
  }
  return {};
}

Result<std::map<std::string, CountedUses>> counted_uses(
    const std::filesystem::path& policy_database) {
  std::map<std::string, CountedUses> found;
  const auto database = UseDatabase::path_for(policy_database);
  std::error_code error;
  if (!std::filesystem::exists(database, error) && !error) return found;
  auto connection = db::Connection::open(database, db::Mode::kRead);
  if (!connection) return connection.error();
  connection->set_busy_timeout(kBusyTimeout);
  connection->limit_time(kTimeLimit);
  auto id = connection->query_integer("PRAGMA application_id");
  if (!id) return id.error();
  if (*id != kUsesApplicationId) return foreign(database, *id);
  auto statement =
      connection->prepare("SELECT link, count(*), sum(used), max(began) FROM uses GROUP BY link");
  if (!statement) return statement.error();
  db::Rows rows = statement->run();
  while (true) {
    auto row = rows.next();
    if (!row) return row.error();
    if (!*row) return found;
    found[std::string(rows.text(0))] = {rows.integer(1), rows.integer(2),
                                        Timestamp{std::chrono::seconds{rows.integer(3)}}};
  }
}

}  // namespace grantfs
