#include "policy/decisions/link_uses/link_uses.h"

#include <fmt/core.h>

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

std::filesystem::path LinkUses::database_for(const std::filesystem::path& policy_database) {
  return policy_database.string() + ".state";
}

LinkUses::LinkUses(Policy& policy, std::filesystem::path database, std::chrono::seconds window,
                   Clock clock)
    : policy_(policy), database_(std::move(database)), window_(window), clock_(std::move(clock)) {}

Expiry LinkUses::end_of(const Use& use, std::int64_t uses, std::chrono::seconds grace) const {
  const Timestamp now = clock_();
  // A clock that was set back must not make a use longer.
  const bool under_way = use.began <= now && now < use.began + window_ + grace;
  if (!under_way || use.used > uses) return std::nullopt;
  return use.began + window_;
}

Expiry LinkUses::known_end(const Key& key, std::int64_t uses, std::chrono::seconds grace) {
  auto under_way = under_way_.lock();
  const auto known = under_way->find(key);
  return known == under_way->end() ? std::nullopt : end_of(known->second, uses, grace);
}

void LinkUses::keep(const Key& key, const Use& use) {
  const Timestamp now = clock_();
  auto under_way = under_way_.lock();
  std::erase_if(*under_way, [&](const auto& each) {
    return each.second.began > now || now >= each.second.began + window_ + kGrace;
  });
  (*under_way)[key] = use;
}

Expiry LinkUses::current(const TokenHash& link, std::string_view client, std::int64_t uses) {
  return known_end(Key(link, client), uses, kGrace);
}

Result<Expiry> LinkUses::enter(const TokenHash& link, std::string_view client, std::int64_t uses) {
  const Key key(link, client);
  if (const Expiry end = known_end(key, uses, {})) return end;
  auto counter = counter_.lock();
  // Whoever had the lock may have counted the same use.
  if (const Expiry end = known_end(key, uses, {})) return end;
  auto use = count_on_disk(*counter, key, uses);
  if (!use) {
    counter->connection.reset();  // opened afresh the next time, in case another file is there
    return use.error();
  }
  if (!*use) return Expiry();
  keep(key, **use);
  return Expiry((*use)->began + window_);
}

Result<std::optional<LinkUses::Use>> LinkUses::count_on_disk(Counter& counter, const Key& key,
                                                             std::int64_t uses) {
  if (counter.faults_survived != db::shm_faults()) counter.connection.reset();
  if (counter.connection == nullptr) {
    counter.faults_survived = db::shm_faults();
    auto opened = open();
    if (!opened) return opened.error();
    counter.connection = std::move(*opened);
  }
  counter.connection->limit_time(kTimeLimit);
  auto use = count(*counter.connection, key, uses);
  if (use && counter.faults_survived != db::shm_faults()) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{}-shm was truncated under us", database_.string())};
  }
  return use;
}

Result<std::optional<LinkUses::Use>> LinkUses::count(db::Connection& connection, const Key& key,
                                                     std::int64_t uses) {
  auto transaction = db::Transaction::begin(connection, db::Transaction::Kind::kWrite);
  if (!transaction) return transaction.error();
  Use use;
  {
    auto find = connection.prepare("SELECT used, began FROM uses WHERE link = ?1 AND client = ?2");
    if (!find) return find.error();
    db::Rows rows = find->run(key.first.hex(), key.second);
    auto row = rows.next();
    if (!row) return row.error();
    if (*row) use = {rows.integer(0), Timestamp{std::chrono::seconds{rows.integer(1)}}};
  }
  if (use.used > 0 && end_of(use, uses, {})) return std::optional(use);  // begun before a restart
  if (use.used >= uses) return std::optional<Use>();
  use = {use.used + 1, clock_()};
  auto keep = connection.prepare("REPLACE INTO uses (link, client, used, began) VALUES (?,?,?,?)");
  if (!keep) return keep.error();
  const std::int64_t began = use.began.time_since_epoch().count();
  auto kept = keep->execute(key.first.hex(), key.second, use.used, began);
  if (!kept) return kept.error();
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return std::optional(use);
}

Result<std::unique_ptr<db::Connection>> LinkUses::open() {
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

Result<void> LinkUses::drop_unknown_links(db::Connection& connection) {
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
  const auto database = LinkUses::database_for(policy_database);
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
