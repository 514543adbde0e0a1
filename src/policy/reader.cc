#include "policy/reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>

#include "policy/schema.h"

namespace grantfs {
namespace {

constexpr const char* kVersion = "PRAGMA data_version";
constexpr const char* kSession = "SELECT principal, expires, address FROM sessions WHERE id = ?1";
constexpr const char* kParents = "SELECT parent, expires FROM members WHERE member = ?1";
constexpr const char* kOwnerAt = "SELECT principal FROM owners WHERE path = ?1";
constexpr const char* kGrantAt = "SELECT expires FROM grants WHERE principal = ?1 AND path = ?2";
constexpr const char* kNextOwned =
    "SELECT path FROM owners WHERE principal = ?1 AND path >= ?2 AND path < ?3"
    " ORDER BY path LIMIT 1";
constexpr const char* kNextGranted =
    "SELECT path FROM grants WHERE principal = ?1 AND path >= ?2 AND path < ?3"
    " AND (expires IS NULL OR expires > ?4) ORDER BY path LIMIT 1";

constexpr std::array kAllStatements{kSession, kParents,   kOwnerAt,
                                    kGrantAt, kNextOwned, kNextGranted};

/// The paths strictly below a folder, as a half-open range in byte order.
struct Range {
  std::string begin;
  std::string end;
};

Range below(const StorePath& folder) {
  // '0' follows '/' in ASCII. Below the root lies every path but the empty one; no path is longer
  // than StorePath::kMaxBytes, so none sorts after one byte more of the highest byte.
  if (folder.is_root())
    return {std::string(1, '\x01'), std::string(StorePath::kMaxBytes + 1, '\xff')};
  return {folder.text() + '/', folder.text() + '0'};
}

/// The first path that sorts after this one: no path holds a zero byte.
std::string successor(std::string_view path) {
  return std::string(path) + '\0';
}

std::int64_t unix_seconds(Timestamp time) {
  return time.time_since_epoch().count();
}

Expiry to_expiry(std::optional<std::int64_t> seconds) {
  if (!seconds) return std::nullopt;
  return Timestamp{std::chrono::seconds{*seconds}};
}

Error damaged(const std::filesystem::path& database, std::string_view what) {
  return {ErrorKind::kDatabase, fmt::format("{}: {}", database.string(), what)};
}

}  // namespace

Result<DatabaseFiles> identify_database(const std::filesystem::path& database) {
  struct statx status = {};
  constexpr unsigned kWanted = STATX_INO | STATX_BTIME | STATX_MODE | STATX_SIZE;
  const auto look = [&](const std::string& path) {
    return ::statx(AT_FDCWD, path.c_str(), 0, kWanted, &status) == 0;
  };
  const auto identity = [&] {
    return DatabaseFiles::File{status.stx_dev_major, status.stx_dev_minor, status.stx_ino,
                               status.stx_btime.tv_sec, status.stx_btime.tv_nsec};
  };
  if (!look(database.native())) return damaged(database, std::strerror(errno));
  if ((status.stx_mode & S_IWOTH) != 0) return damaged(database, "may be written by anyone");
  DatabaseFiles files{identity(), std::nullopt};
  if (look(database.native() + "-wal") && status.stx_size > 0) files.wal = identity();
  return files;
}

Reader::Reader(PolicyOptions options, DatabaseFiles::File file, db::Connection connection,
               Statements statements)
    : options_(std::move(options)),
      file_(file),
      connection_(std::move(connection)),
      statements_(std::move(statements)) {}

Result<std::unique_ptr<Reader>> Reader::open(const PolicyOptions& options,
                                             DatabaseFiles::File file) {
  if (auto secure = check_database_is_private(options.database); !secure) return secure.error();
  auto connection = db::Connection::open(options.database, db::Mode::kRead);
  if (!connection) return connection.error();
  connection->set_busy_timeout(static_cast<int>(options.busy_timeout.count()));
  if (auto fit = check_schema(*connection, options.database); !fit) return fit.error();

  // SQLite has the file open by now: if it is still the one at the path, it is `file`.
  auto opened = identify_database(options.database);
  if (!opened) return opened.error();
  if (opened->database != file)
    return damaged(options.database, "was replaced while it was being opened");

  std::optional<Error> failure;
  const auto prepare = [&](const char* sql) {
    auto statement = connection->prepare(sql);
    if (!statement) {
      failure = statement.error();
      return db::Statement();
    }
    return std::move(*statement);
  };
  Statements statements{prepare(kVersion),    prepare(kSession), prepare(kParents),
                        prepare(kOwnerAt),    prepare(kGrantAt), prepare(kNextOwned),
                        prepare(kNextGranted)};
  if (failure) return *failure;
  return std::unique_ptr<Reader>(
      new Reader(options, file, std::move(*connection), std::move(statements)));
}

Result<db::Rows> Reader::snapshot() {
  // While one statement is under way, SQLite keeps the read transaction it began, so everything
  // else that is read meanwhile is of the same commit. That saves BEGIN and COMMIT.
  db::Rows version = statements_.version.run();
  auto row = version.next();
  if (!row) return row.error();
  if (!*row) return damaged(options_.database, "has no data_version");
  if (version.integer(0) != checked_version_) {
    if (auto fit = check_schema(connection_, options_.database); !fit) return fit.error();
    checked_version_ = version.integer(0);
  }
  return version;
}

Result<Reader::Holdings> Reader::holdings(const Identity& identity, Timestamp now, Expired expired,
                                          std::optional<Explanation::Session>* session) {
  Holdings found;
  const auto add = [&](std::string principal, std::optional<std::size_t> via, bool live) {
    const bool known =
        std::ranges::any_of(found, [&](const Holding& h) { return h.principal == principal; });
    if (!known) found.push_back({std::move(principal), via.value_or(found.size()), live});
  };

  if (const auto* user = std::get_if<SystemUser>(&identity)) {
    add(Principal::uid(user->uid).text(), {}, true);
    for (const gid_t gid : options_.groups(user->uid)) add(Principal::gid(gid).text(), {}, true);
  } else if (const auto* named = std::get_if<Named>(&identity)) {
    add(named->principal.text(), {}, true);
  } else if (const auto* bearer = std::get_if<SessionBearer>(&identity)) {
    db::Rows rows = statements_.session.run(bearer->session.hex());
    auto row = rows.next();
    if (!row) return row.error();
    if (!*row) return Holdings();
    auto principal = Principal::parse(rows.text(0));
    if (!principal) return damaged(options_.database, principal.error().message);
    const Expiry expires = to_expiry(rows.maybe_integer(1));
    if (session != nullptr) {
      *session = Explanation::Session{*principal, expires, std::string(rows.text(2))};
    }
    if (!is_live(expires, now) || !rows.is_null(2)) return Holdings();
    add(principal->text(), {}, true);
  }
  add(Principal::everyone().text(), {}, true);

  // Breadth first, live memberships before expired ones, so that the first way to reach a group
  // is a live one wherever there is one. Each group is entered once: cycles end.
  for (const bool live_pass : {true, false}) {
    if (!live_pass && expired == Expired::kIgnore) break;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const std::string member = found[i].principal;
      db::Rows rows = statements_.parents.run(member);
      while (true) {
        auto row = rows.next();
        if (!row) return row.error();
        if (!*row) break;
        const bool live = found[i].live && is_live(to_expiry(rows.maybe_integer(1)), now);
        if (live || !live_pass) add(std::string(rows.text(0)), i, live);
      }
    }
  }
  return found;
}

Result<bool> Reader::is_covered(const Holdings& holdings, const StorePath& path, Timestamp now) {
  for (const std::string_view ancestor : path.self_and_ancestors()) {
    db::Rows owner = statements_.owner_at.run(ancestor);
    auto owned = owner.next();
    if (!owned) return owned.error();
    if (*owned && std::ranges::any_of(
                      holdings, [&](const Holding& h) { return h.principal == owner.text(0); })) {
      return true;
    }
    for (const Holding& holding : holdings) {
      db::Rows grant = statements_.grant_at.run(holding.principal, ancestor);
      auto granted = grant.next();
      if (!granted) return granted.error();
      if (*granted && is_live(to_expiry(grant.maybe_integer(0)), now)) return true;
    }
  }
  return false;
}

Result<bool> Reader::has_rule_below(const Holdings& holdings, const StorePath& path,
                                    Timestamp now) {
  const Range range = below(path);
  for (const Holding& holding : holdings) {
    db::Rows owned = statements_.next_owned.run(holding.principal, range.begin, range.end);
    auto row = owned.next();
    if (!row || *row) return row;
    db::Rows granted =
        statements_.next_granted.run(holding.principal, range.begin, range.end, unix_seconds(now));
    row = granted.next();
    if (!row || *row) return row;
  }
  return false;
}

Result<Access> Reader::decide(const Identity& identity, const StorePath& path) {
  auto held = snapshot();
  if (!held) return held.error();
  const Timestamp now = options_.clock();
  auto who = holdings(identity, now, Expired::kIgnore);
  if (!who) return who.error();
  if (who->empty()) return Access::kClosed;

  auto covered = is_covered(*who, path, now);
  if (!covered) return covered.error();
  if (*covered) return Access::kRead;
  auto passage = has_rule_below(*who, path, now);
  if (!passage) return passage.error();
  return *passage ? Access::kPassage : Access::kNone;
}

Result<Listing> Reader::list(const Identity& identity, const StorePath& folder) {
  auto held = snapshot();
  if (!held) return held.error();
  const Timestamp now = options_.clock();
  auto who = holdings(identity, now, Expired::kIgnore);
  if (!who) return who.error();
  if (who->empty()) return Listing{Access::kClosed, {}};
  auto covered = is_covered(*who, folder, now);
  if (!covered) return covered.error();
  if (*covered) return Listing{Access::kRead, {}};

  // A skip scan: from each rule found, on to the first path that can add a name or widen it. Two
  // seeks at most for each name, a principal and a table, however many rules lie below the name.
  std::map<std::string, Access> names;
  const Range range = below(folder);
  const std::size_t prefix = folder.is_root() ? 0 : range.begin.size();
  const auto walk = [&](auto&& next_rule) -> Result<void> {
    std::string from = range.begin;
    while (true) {
      db::Rows rows = next_rule(from);
      auto row = rows.next();
      if (!row) return row.error();
      if (!*row) return {};
      const std::string_view path = rows.text(0);
      const std::size_t slash = path.find('/', prefix);
      const std::string name(path.substr(prefix, slash - prefix));
      std::string next;
      if (slash == std::string_view::npos) {
        names[name] = Access::kRead;
        next = successor(path);
      } else {
        names.emplace(name, Access::kPassage);
        next = std::string(path.substr(0, slash)) + '0';
      }
      from = std::move(next);
    }
  };
  for (const Holding& holding : *who) {
    auto owned = walk([&](const std::string& from) {
      return statements_.next_owned.run(holding.principal, from, range.end);
    });
    if (!owned) return owned.error();
    auto granted = walk([&](const std::string& from) {
      return statements_.next_granted.run(holding.principal, from, range.end, unix_seconds(now));
    });
    if (!granted) return granted.error();
  }

  Listing listing{names.empty() ? Access::kNone : Access::kPassage, {}};
  listing.names.reserve(names.size());
  for (auto& [name, access] : names) listing.names.push_back({name, access});
  return listing;
}

Result<std::vector<Rule>> Reader::rules_at(const Holding& holding, std::string_view path) {
  std::vector<Rule> rules;
  auto principal = Principal::parse(holding.principal);
  if (!principal) return damaged(options_.database, principal.error().message);
  auto store_path = StorePath::parse(path);
  if (!store_path) return damaged(options_.database, store_path.error().message);
  db::Rows owner = statements_.owner_at.run(path);
  auto owned = owner.next();
  if (!owned) return owned.error();
  if (*owned && owner.text(0) == holding.principal) {
    rules.push_back({Rule::Kind::kOwner, *principal, *store_path, std::nullopt});
  }
  db::Rows grant = statements_.grant_at.run(holding.principal, path);
  auto granted = grant.next();
  if (!granted) return granted.error();
  if (*granted) {
    rules.push_back(
        {Rule::Kind::kGrant, *principal, *store_path, to_expiry(grant.maybe_integer(0))});
  }
  return rules;
}

Result<Explanation> Reader::explain(const Identity& identity, const StorePath& path) {
  auto held = snapshot();
  if (!held) return held.error();
  const Timestamp now = options_.clock();
  Explanation result;
  auto who = holdings(identity, now, Expired::kFollow, &result.session);
  if (!who) return who.error();

  for (const std::string_view ancestor : path.self_and_ancestors()) {
    for (const Holding& holding : *who) {
      auto rules = rules_at(holding, ancestor);
      if (!rules) return rules.error();
      for (Rule& rule : *rules) {
        if (!holding.live || !is_live(rule.expires, now)) {
          result.expired.push_back(std::move(rule));
        } else if (!result.rule) {
          result.rule = std::move(rule);
          for (const Holding* step = &holding;; step = &(*who)[step->via]) {
            auto principal = Principal::parse(step->principal);
            if (!principal) return damaged(options_.database, principal.error().message);
            result.membership.insert(result.membership.begin(), std::move(*principal));
            if (step == &(*who)[step->via]) break;
          }
        }
      }
    }
    db::Rows owner = statements_.owner_at.run(ancestor);
    auto owned = owner.next();
    if (!owned) return owned.error();
    if (*owned && !result.owner) {
      auto principal = Principal::parse(owner.text(0));
      auto owned_path = StorePath::parse(ancestor);
      if (!principal) return damaged(options_.database, principal.error().message);
      if (!owned_path) return damaged(options_.database, owned_path.error().message);
      result.owner = Rule{Rule::Kind::kOwner, *principal, *owned_path, std::nullopt};
    }
  }

  if (who->empty()) {
    result.access = Access::kClosed;
  } else if (result.rule) {
    result.access = Access::kRead;
  } else {
    std::erase_if(*who, [](const Holding& holding) { return !holding.live; });
    auto passage = has_rule_below(*who, path, now);
    if (!passage) return passage.error();
    result.access = *passage ? Access::kPassage : Access::kNone;
  }
  return result;
}

Result<std::array<unsigned char, 16>> Reader::inode_key() {
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

Result<std::vector<std::string>> Reader::query_plans() {
  std::vector<std::string> plans;
  for (const char* sql : kAllStatements) {
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
