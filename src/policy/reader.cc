#include "policy/reader.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>

#include "policy/feed.h"
#include "policy/reader_impl.h"
#include "policy/schema.h"

namespace grantfs {
namespace {

constexpr const char* kVersion = "PRAGMA data_version";
constexpr const char* kSession = "SELECT principal, expires, address FROM sessions WHERE id = ?1";
constexpr const char* kLink =
    "SELECT principal, path, expires, address, uses FROM links WHERE id = ?1";
constexpr const char* kParents = "SELECT parent, expires FROM members WHERE member = ?1";
constexpr const char* kOwnerAt = "SELECT principal FROM owners WHERE path = ?1";
constexpr const char* kGrantAt = "SELECT expires FROM grants WHERE principal = ?1 AND path = ?2";
constexpr const char* kNextOwned =
    "SELECT path FROM owners WHERE principal = ?1 AND path >= ?2 AND path < ?3"
    " ORDER BY path LIMIT 1";
constexpr const char* kNextGranted =
    "SELECT path, expires FROM grants WHERE principal = ?1 AND path >= ?2 AND path < ?3"
    " AND (expires IS NULL OR expires > ?4) ORDER BY path LIMIT 1";

constexpr std::array kAllStatements{kSession, kLink,      kParents,    kOwnerAt,
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
  Statements statements{prepare(kVersion),   prepare(kSession),    prepare(kLink),
                        prepare(kParents),   prepare(kOwnerAt),    prepare(kGrantAt),
                        prepare(kNextOwned), prepare(kNextGranted)};
  if (!prepare.done()) return prepare.done().error();
  auto keys = KeyRing::open(*connection);
  if (!keys) return keys.error();
  return std::unique_ptr<Reader>(
      new Reader(options, file, std::move(*connection), std::move(statements), std::move(*keys)));
}

Result<Reader::Snapshot> Reader::snapshot() {
  // While one statement is under way, SQLite keeps the read transaction it began, so everything
  // else that is read meanwhile is of the same commit. That saves BEGIN and COMMIT.
  remembered_commit_ = connection_.newest_commit();  // first: it may be older than what is read
  db::Rows version = statements_.version.run();
  auto row = version.next();
  if (!row) return row.error();
  if (!*row) return damaged(options_.database, "has no data_version");
  if (version.integer(0) != checked_version_) {
    if (auto fit = check_schema(connection_, options_.database); !fit) return fit.error();
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

Result<std::optional<Decision>> Reader::covered(const Holdings& holdings, const StorePath& path,
                                                Timestamp now) {
  using Answer = std::optional<Decision>;
  for (const std::string_view ancestor : path.self_and_ancestors()) {
    db::Rows owner = statements_.owner_at.run(ancestor);
    auto owned = owner.next();
    if (!owned) return owned.error();
    if (*owned) {
      const auto holder = std::ranges::find_if(
          holdings, [&](const Holding& h) { return h.principal == owner.text(0); });
      if (holder != holdings.end()) {
        return Answer(Decision{Access::kRead, holder->until, ancestor.size()});
      }
    }
    for (const Holding& holding : holdings) {
      db::Rows grant = statements_.grant_at.run(holding.principal, ancestor);
      auto granted = grant.next();
      if (!granted) return granted.error();
      if (!*granted) continue;
      const Expiry expires = to_expiry(grant.maybe_integer(0));
      if (is_live(expires, now)) {
        return Answer(Decision{Access::kRead, earlier(holding.until, expires), ancestor.size()});
      }
    }
    if (source_ == nullptr) continue;
    for (const Holding& holding : holdings) {
      auto rule = source_->allow(holding.principal, ancestor, now);
      if (!rule) return rule.error();
      if (*rule) {
        const Expiry until = earlier(holding.until, (*rule)->expires);
        return Answer(Decision{Access::kRead, until, ancestor.size()});
      }
    }
  }
  return Answer();
}

Result<std::optional<Decision>> Reader::passage(const Holdings& holdings, const StorePath& path,
                                                Timestamp now) {
  using Answer = std::optional<Decision>;
  const Range range = below(path);
  for (const Holding& holding : holdings) {
    db::Rows owned = statements_.next_owned.run(holding.principal, range.begin, range.end);
    auto row = owned.next();
    if (!row) return row.error();
    if (*row) return Answer(Decision{Access::kPassage, holding.until});
    db::Rows granted =
        statements_.next_granted.run(holding.principal, range.begin, range.end, unix_seconds(now));
    row = granted.next();
    if (!row) return row.error();
    if (*row) {
      const Expiry expires = to_expiry(granted.maybe_integer(1));
      return Answer(Decision{Access::kPassage, earlier(holding.until, expires)});
    }
  }
  if (source_ == nullptr) return Answer();
  Answer found;
  for (const Holding& holding : holdings) {
    auto looked =
        source_->below(holding.principal, path, now, [&](const StorePath&, const Expiry& expires) {
          found = Decision{Access::kPassage, earlier(holding.until, expires)};
          return false;
        });
    if (!looked) return looked.error();
    if (found) break;
  }
  return found;
}

Result<Decision> Reader::by_rules(const Holdings& holdings, const StorePath& path, Timestamp now) {
  auto found = covered(holdings, path, now);
  if (found && !*found) found = passage(holdings, path, now);
  if (!found) return found.error();
  return (*found).value_or(Decision{Access::kNone, holdings.front().until});
}

Result<Decision> Reader::by_link(const Explanation::Link& link, const Holdings& holdings,
                                 const StorePath& path, Timestamp now) {
  const bool is_door = path == link.path.parent();
  Decision decision{Access::kNone, holdings.front().until};
  if (is_door || link.path.covers(path)) {
    auto found = by_rules(holdings, is_door ? link.path : path, now);
    if (!found) return found.error();
    decision = *found;
  }
  if (is_door && decision.access == Access::kNone) {
    decision.access = Access::kClosed;  // the link's own principal has lost what it is on
  } else if (is_door && !link.path.is_root()) {
    decision.access = Access::kPassage;
    decision.rule_path_bytes = 0;
  }
  decision.uses = link.uses;
  return decision;
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

Result<Listing> Reader::list(const Identity& identity, const StorePath& folder) {
  auto held = snapshot();
  if (!held) return held.error();
  const Timestamp now = options_.clock();
  if (const auto* bearer = std::get_if<SignatureBearer>(&identity)) {
    return list_signed(*bearer, folder, now);
  }
  auto who = holdings(identity, now, Expired::kIgnore);
  if (!who) return who.error();
  if (who->empty()) return Listing{Access::kClosed, {}};
  if (const auto* bearer = std::get_if<LinkBearer>(&identity)) {
    auto link = find_link(bearer->link);
    if (!link) return link.error();
    if (!*link) return Listing{Access::kClosed, {}};
    const StorePath& shared = (*link)->path;
    if (!shared.covers(folder)) {
      auto door = by_link(**link, *who, folder, now);
      if (!door) return door.error();
      if (door->access != Access::kPassage) return Listing{door->access, {}};
      auto inside = by_link(**link, *who, shared, now);
      if (!inside) return inside.error();
      return Listing{Access::kPassage, {{std::string(shared.name()), inside->access}}};
    }
  }
  auto whole = covered(*who, folder, now);
  if (!whole) return whole.error();
  if (*whole) return Listing{Access::kRead, {}};

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

  const auto add_name = [&](const StorePath& path, const Expiry&) {
    const std::string_view rest = std::string_view(path.text()).substr(prefix);
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) {
      names[std::string(rest)] = Access::kRead;
    } else {
      names.emplace(rest.substr(0, slash), Access::kPassage);
    }
    return true;
  };
  for (const Holding& holding : *who) {
    if (source_ == nullptr) break;
    auto looked = source_->below(holding.principal, folder, now, add_name);
    if (!looked) return looked.error();
  }

  Listing listing{names.empty() ? Access::kNone : Access::kPassage, {}};
  listing.names.reserve(names.size());
  for (auto& [name, access] : names) listing.names.push_back({name, access});
  return listing;
}

Result<std::vector<Rule>> Reader::rules_at(const Holding& holding, std::string_view path,
                                           Timestamp now) {
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
  if (source_ != nullptr) {
    auto rule = source_->allow(holding.principal, path, now);
    if (!rule) return rule.error();
    if (*rule) rules.push_back({Rule::Kind::kSource, *principal, *store_path, (*rule)->expires});
  }
  return rules;
}

Result<Explanation> Reader::explain(const Identity& identity, const StorePath& path) {
  auto held = snapshot();
  if (!held) return held.error();
  const Timestamp now = options_.clock();
  if (const auto* bearer = std::get_if<SignatureBearer>(&identity)) {
    return explain_signature(*bearer, path, now);
  }
  Explanation result;
  auto who = holdings(identity, now, Expired::kFollow, &result);
  if (!who) return who.error();

  for (const std::string_view ancestor : path.self_and_ancestors()) {
    for (const Holding& holding : *who) {
      auto rules = rules_at(holding, ancestor, now);
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
  } else if (result.link) {
    std::erase_if(*who, [](const Holding& holding) { return !holding.live; });
    auto decision = by_link(*result.link, *who, path, now);
    if (!decision) return decision.error();
    result.access = decision->access;
    if (!result.link->path.covers(path)) result.expired.clear();
    if (result.access != Access::kRead) result.rule.reset();
  } else if (result.rule) {
    result.access = Access::kRead;
  } else {
    std::erase_if(*who, [](const Holding& holding) { return !holding.live; });
    auto below = passage(*who, path, now);
    if (!below) return below.error();
    result.access = *below ? Access::kPassage : Access::kNone;
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

Result<std::vector<std::string>> Reader::source_advice() {
  return source_ == nullptr ? Result(std::vector<std::string>()) : source_->advice();
}

Result<std::vector<std::string>> Reader::query_plans() {
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
