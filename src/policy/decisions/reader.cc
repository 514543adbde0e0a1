#include "policy/decisions/reader.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "policy/decisions/reader_impl.h"
#include "policy/feed/feed.h"
#include "policy/schema/schema.h"

namespace grantfs {
namespace {

constexpr const char* kVersion = "PRAGMA data_version";
constexpr const char* kSession = "SELECT principal, expires, address FROM sessions WHERE id = ?1";
constexpr const char* kLink =
    "SELECT principal, path, expires, address, uses FROM links WHERE id = ?1";
constexpr const char* kParents = "SELECT parent, expires FROM members WHERE member = ?1";
constexpr const char* kOwnerAt = "SELECT principal FROM owners WHERE path = ?1";
constexpr const char* kGrantAt = "SELECT expires FROM grants WHERE principal = ?1 AND path = ?2";
// Decisions and listings find a principal's own rows alone, by its name first: that a row is
// somebody else's must take as long as that there is none. So the index is not left to a planner
// that would rather seek by the path, of which there is one in `owners`. Both tables in one
// statement: beginning one costs more than the seek.
constexpr const char* kRulesAt =
    "SELECT NULL FROM owners INDEXED BY owners_by_principal WHERE principal = ?1 AND path = ?2"
    " UNION ALL SELECT expires FROM grants INDEXED BY sqlite_autoindex_grants_1"
    " WHERE principal = ?1 AND path = ?2";
constexpr const char* kNextOwned =
    "SELECT path FROM owners INDEXED BY owners_by_principal"
    " WHERE principal = ?1 AND path >= ?2 AND path < ?3 ORDER BY path LIMIT 1";
constexpr const char* kNextGranted =
    "SELECT path, expires FROM grants INDEXED BY sqlite_autoindex_grants_1"
    " WHERE principal = ?1 AND path >= ?2 AND path < ?3"
    " AND (expires IS NULL OR expires > ?4) ORDER BY path LIMIT 1";

constexpr std::array kAllStatements{kSession, kLink,    kParents,   kOwnerAt,
                                    kGrantAt, kRulesAt, kNextOwned, kNextGranted};

}  // namespace

Reader::Reader(PolicyOptions options, DatabaseFiles::File file, db::Connection connection,
               Statements statements, KeyRing keys)
    : options_(std::move(options)),
      file_(file),
      connection_(std::move(connection)),
      statements_(std::move(statements)),
      keys_(std::move(keys)) {}

Result<std::unique_ptr<Reader>> Reader::open(const PolicyOptions& options,
                                             DatabaseFiles::File file) {
  auto connection = open_for_reading(options, file);
  if (!connection) return connection.error();

  db::Preparer prepare(*connection);
  Statements statements{prepare(kVersion), prepare(kSession),   prepare(kLink),
                        prepare(kParents), prepare(kOwnerAt),   prepare(kGrantAt),
                        prepare(kRulesAt), prepare(kNextOwned), prepare(kNextGranted)};
  if (!prepare.done()) return prepare.done().error();
  auto keys = KeyRing::open(*connection);
  if (!keys) return keys.error();
  return std::unique_ptr<Reader>(
      new Reader(options, file, std::move(*connection), std::move(statements), std::move(*keys)));
}

Result<void> Reader::check_fit() {
  if (auto fit = check_schema(connection_, options_.database); !fit) return fit;
  auto cookie = connection_.query_integer("PRAGMA schema_version");
  if (!cookie) return cookie.error();
  if (*cookie == checked_cookie_) return {};
  if (auto fit = check_tables(connection_, options_.database); !fit) return fit;
  checked_cookie_ = *cookie;
  return {};
}

Result<Reader::Snapshot> Reader::snapshot() {
  return snapshot(1);
}

Result<Reader::Snapshot> Reader::snapshot(int patience) {
  connection_.limit_time(options_.time_limit * patience);
  // While one statement is under way, SQLite keeps the read transaction it began, so everything
  // else that is read meanwhile is of the same commit. That saves BEGIN and COMMIT.
  remembered_commit_ = connection_.newest_commit();  // first: it may be older than what is read
  db::Rows version = statements_.version.run();
  auto row = version.next();
  if (!row) return row.error();
  if (!*row) return damaged(options_.database, "has no data_version");
  if (version.integer(0) != checked_version_) {
    if (auto fit = check_fit(); !fit) return fit.error();
    checked_version_ = version.integer(0);
    remembered_.clear();
    keys_.clear();
  }
  Snapshot held{std::move(version), {}};
  if (source_ != nullptr) {
    auto source = source_->snapshot();
    if (!source) return source.error();
    held.source.emplace(std::move(*source));
  }
  return held;
}

Result<Decision> Reader::decide(const Identity& identity, const StorePath& path) {
  const std::string name = memory_name(identity);
  if (!name.empty() && remembered_commit_ && connection_.newest_commit() == remembered_commit_) {
    if (const Decision* known = recall(name, path, options_.clock())) return *known;
  }
  auto held = snapshot();
  if (!held) return held.error();
  return decide_at(identity, path, options_.clock());
}

Result<Door> Reader::door(const Identity& identity) {
  auto held = snapshot();
  if (!held) return held.error();
  StorePath root;
  if (const auto* bearer = std::get_if<LinkBearer>(&identity)) {
    auto link = find_link(bearer->link);
    if (!link) return link.error();
    if (*link) root = (*link)->path.parent();
  }
  if (const auto* bearer = std::get_if<SignatureBearer>(&identity)) {
    root = bearer->signature.claims().path.parent();
  }
  auto decision = decide_at(identity, root, options_.clock());
  if (!decision) return decision.error();
  return Door{*decision, std::move(root)};
}

Result<bool> Reader::has_expired(const TokenHash& token) {
  auto held = snapshot();
  if (!held) return held.error();
  const Timestamp now = options_.clock();
  auto session = find_session(token);
  if (!session) return session.error();
  auto link = find_link(token);
  if (!link) return link.error();
  return (*session && !is_live((*session)->expires, now)) ||
         (*link && !is_live((*link)->expires, now));
}

Result<bool> Reader::knows_link(const TokenHash& id) {
  auto held = snapshot();
  if (!held) return held.error();
  auto link = find_link(id);
  if (!link) return link.error();
  return link->has_value();
}

Result<Decision> Reader::decide_at(const Identity& identity, const StorePath& path, Timestamp now) {
  const std::string name = memory_name(identity);
  if (!name.empty()) {
    if (const Decision* known = recall(name, path, now)) return *known;
  }
  if (const auto* bearer = std::get_if<Md5Bearer>(&identity)) return by_md5(*bearer, path, now);
  if (const auto* bearer = std::get_if<SignatureBearer>(&identity)) {
    auto decision = by_signature(*bearer, path, now);
    if (decision && decision->access != Access::kClosed && !name.empty()) {
      remembered_.keep(memory_key(name, path.text()), *decision, now);
    }
    return decision;
  }
  auto who = holdings(identity, now, Expired::kIgnore);
  if (!who) return who.error();
  if (who->empty()) return Decision{Access::kClosed, {}};

  std::optional<Explanation::Link> link;
  if (const auto* bearer = std::get_if<LinkBearer>(&identity)) {
    auto found = find_link(bearer->link);
    if (!found) return found.error();
    link = std::move(*found);
  }
  auto decision = link ? by_link(*link, *who, path, now) : by_rules(*who, path, now);
  // Names that are not there can be made up without end.
  if (decision && !name.empty() && decision->access != Access::kNone) {
    remembered_.keep(memory_key(name, path.text()), *decision, now);
  }
  return decision;
}

Result<std::array<unsigned char, 16>> Reader::inode_key() {
  connection_.limit_time(options_.time_limit);
  auto statement = connection_.prepare("SELECT hex(value) FROM meta WHERE key = 'inode_key'");
  if (!statement) return statement.error();
  db::Rows rows = statement->run();
  auto row = rows.next();
  if (!row) return row.error();
  std::array<unsigned char, 16> key{};
  std::size_t size = 0;
  const std::string_view hex = *row ? rows.text(0) : std::string_view();
  if (sodium_hex2bin(key.data(), key.size(), hex.data(), hex.size(), nullptr, &size, nullptr) !=
          0 ||
      size != key.size()) {
    return damaged(options_.database, "has no inode_key of 16 bytes in its table meta");
  }
  return key;
}

Result<std::vector<std::string>> Reader::source_advice() {
  return source_ == nullptr ? Result(std::vector<std::string>()) : source_->advice();
}

Result<std::vector<std::string>> Reader::query_plans() {
  connection_.limit_time(options_.time_limit);
  std::vector<std::string> plans;
  std::vector<std::string_view> all(kAllStatements.begin(), kAllStatements.end());
  std::ranges::copy(Feed::statements(), std::back_inserter(all));
  std::ranges::copy(KeyRing::statements(), std::back_inserter(all));
  for (const std::string_view sql : all) {
    auto statement = connection_.prepare(fmt::format("EXPLAIN QUERY PLAN {}", sql));
    if (!statement) return statement.error();
    db::Rows rows = statement->run();
    while (true) {
      auto row = rows.next();
      if (!row) return row.error();
      if (!*row) break;
      plans.push_back(fmt::format("{}: {}", sql, rows.text(3)));
    }
  }
  return plans;
}

}  // namespace grantfs
