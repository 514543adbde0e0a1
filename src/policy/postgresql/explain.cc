#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp() is not in <cstdlib>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "db/connection.h"
#include "grantfs/policy.h"
#include "grantfs/postgresql.h"
#include "policy/changes/change_connection.h"
#include "policy/changes/sqlite_engine.h"
#include "policy/postgresql/postgresql_engine.h"
#include "policy/postgresql/schema.h"
#include "values/expiry.h"
#include "values/path_range.h"

namespace grantfs {
namespace {

/// A folder that is ours alone, gone with the object. In memory where there is such a place, since
/// hashes of tokens and secrets of keys lie in it.
class OwnFolder {
 public:
  static Result<OwnFolder> make() {
    std::error_code ignored;
    for (const std::filesystem::path& parent :
         {std::filesystem::path("/dev/shm"), std::filesystem::temp_directory_path(ignored)}) {
      std::string name = parent / "grantctl.XXXXXX";
      if (!parent.empty() && ::mkdtemp(name.data()) != nullptr) return OwnFolder(std::move(name));
    }
    return Error{ErrorKind::kSystem,
                 fmt::format("cannot make a temporary folder: {}", std::strerror(errno))};
  }
  ~OwnFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  OwnFolder(OwnFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  OwnFolder(const OwnFolder&) = delete;
  OwnFolder& operator=(const OwnFolder&) = delete;
  OwnFolder& operator=(OwnFolder&&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit OwnFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
};

/// A text[] as PostgreSQL reads it.
std::string array_of(const std::set<std::string>& texts) {
  std::string array = "{";
  for (const std::string& text : texts) {
    if (array.size() > 1) array += ',';
    array += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') array += '\\';
      array += c;
    }
    array += '"';
  }
  return array + '}';
}

/// Copies the rows that decide about one identity and one path.
class Excerpt {
 public:
  Excerpt(ChangeConnection& from, ChangeConnection& to) : from_(from), to_(to) {}

  Result<void> copy(const Identity& identity, const std::vector<gid_t>& groups,
                    const StorePath& path, Timestamp now) {
    add_path(path);
    if (const auto* signature = std::get_if<SignatureBearer>(&identity)) {
      return copy_key(signature->signature.claims().key_id);
    }
    if (auto known = add_principals(identity, groups); !known) return known;
    if (auto done = copy_memberships(); !done) return done;
    if (auto done = copy_rules_on_the_way(); !done) return done;
    for (const PathRange& range : below_) {
      if (auto done = copy_rules_below(range, now); !done) return done;
    }
    return {};
  }

 private:
  void add_path(const StorePath& path) {
    for (const std::string_view at : path.self_and_ancestors()) {
      way_.emplace(StorePath::spelling_of(at));
    }
    below_.push_back(PathRange::below(path));
  }

  Result<void> add_principals(const Identity& identity, const std::vector<gid_t>& groups) {
    held_.insert(Principal::everyone().text());
    if (const auto* user = std::get_if<SystemUser>(&identity)) {
      held_.insert(Principal::uid(user->uid).text());
      for (const gid_t group : groups) held_.insert(Principal::gid(group).text());
    } else if (const auto* named = std::get_if<Named>(&identity)) {
      held_.insert(named->principal.text());
    } else if (const auto* session = std::get_if<SessionBearer>(&identity)) {
      return copy_session(session->session);
    } else if (const auto* link = std::get_if<LinkBearer>(&identity)) {
      return copy_link(link->link);
    }
    return {};
  }

  template <class... Arguments>
  Result<void> insert(std::string_view sql, const Arguments&... arguments) {
    auto done = to_.change(sql, arguments...);
    return done ? Result<void>() : done.error();
  }

  Result<void> copy_session(const TokenHash& id) {
    return from_.for_each(
        "SELECT principal, expires, address, created FROM sessions WHERE id = ?1",
        [&](const ChangeRow& row) {
          held_.emplace(row.text(0));
          return insert(
              "INSERT INTO sessions (id, principal, expires, address, created)"
              " VALUES (?1, ?2, ?3, nullif(?4, ''), ?5)",
              id.hex(), row.text(0), row.maybe_integer(1), row.text(2), row.integer(3));
        },
        id.hex());
  }

  Result<void> copy_link(const TokenHash& id) {
    return from_.for_each(
        "SELECT principal, path, expires, address, uses, created FROM links WHERE id = ?1",
        [&](const ChangeRow& row) -> Result<void> {
          held_.emplace(row.text(0));
          auto path = path_column(row, 1);
          if (!path) return path.error();
          add_path(*path);
          return insert(
              "INSERT INTO links (id, principal, path, expires, address, uses, created)"
              " VALUES (?1, ?2, ?3, ?4, nullif(?5, ''), ?6, ?7)",
              id.hex(), row.text(0), row.text(1), row.maybe_integer(2), row.text(3),
              row.maybe_integer(4), row.integer(5));
        },
        id.hex());
  }

  Result<void> copy_key(const std::string& id) {
    return from_.for_each(
        "SELECT format, uri_prefix, path, secret, created, retired FROM signing_keys WHERE id = ?1",
        [&](const ChangeRow& row) {
          const Secret secret = row.blob(3);
          return insert(
              "INSERT INTO signing_keys (id, format, uri_prefix, path, secret, created, retired)"
              " VALUES (?1, ?2, nullif(?3, ''), ?4, ?5, ?6, ?7)",
              id, row.text(0), row.text(1), row.text(2), Blob{secret.view()}, row.integer(4),
              row.maybe_integer(5));
        },
        id);
  }

  /// Expired ones too: explanations name them.
  Result<void> copy_memberships() {
    const std::string seeds = array_of(held_);
    return from_.for_each(
        "WITH RECURSIVE held(principal) AS (SELECT unnest(?1::text[]) COLLATE \"C\""
        " UNION SELECT parent FROM members JOIN held ON member = principal)"
        " SELECT id, member, parent, expires FROM members JOIN held ON member = principal"
        " ORDER BY id",
        [&](const ChangeRow& row) {
          held_.emplace(row.text(2));
          return insert("INSERT INTO members (id, member, parent, expires) VALUES (?1, ?2, ?3, ?4)",
                        row.integer(0), row.text(1), row.text(2), row.maybe_integer(3));
        },
        seeds);
  }

  Result<void> insert_owner(const ChangeRow& row) {
    return insert("INSERT INTO owners (path, principal) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                  row.text(0), row.text(1));
  }
  Result<void> insert_grant(const ChangeRow& row) {
    return insert(
        "INSERT INTO grants (principal, path, expires) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        row.text(0), row.text(1), row.maybe_integer(2));
  }

  /// Owners are named in explanations whoever they are.
  Result<void> copy_rules_on_the_way() {
    const std::string paths = array_of(way_);
    const std::string principals = array_of(held_);
    auto owners = from_.for_each(
        "SELECT path, principal FROM owners WHERE path = ANY (?1::text[])",
        [&](const ChangeRow& row) { return insert_owner(row); }, paths);
    if (!owners) return owners;
    return from_.for_each(
        "SELECT principal, path, expires FROM grants"
        " WHERE path = ANY (?1::text[]) AND principal = ANY (?2::text[])",
        [&](const ChangeRow& row) { return insert_grant(row); }, paths, principals);
  }

  /// One live rule of each principal shows that something below is granted.
  Result<void> copy_rules_below(const PathRange& range, Timestamp now) {
    const std::string principals = array_of(held_);
    auto owners = from_.for_each(
        "SELECT found.path, found.principal FROM unnest(?1::text[]) AS held(principal)"
        " CROSS JOIN LATERAL (SELECT path, principal FROM owners"
        "   WHERE owners.principal = held.principal AND path >= ?2 AND path < ?3"
        "   ORDER BY path LIMIT 1) AS found",
        [&](const ChangeRow& row) { return insert_owner(row); }, principals, range.begin,
        range.end);
    if (!owners) return owners;
    return from_.for_each(
        "SELECT found.principal, found.path, found.expires"
        " FROM unnest(?1::text[]) AS held(principal)"
        " CROSS JOIN LATERAL (SELECT principal, path, expires FROM grants"
        "   WHERE grants.principal = held.principal AND path >= ?2 AND path < ?3"
        "   AND (expires IS NULL OR expires > ?4) ORDER BY path LIMIT 1) AS found",
        [&](const ChangeRow& row) { return insert_grant(row); }, principals, range.begin, range.end,
        unix_seconds(now));
  }

  ChangeConnection& from_;
  ChangeConnection& to_;
  std::set<std::string> held_;  ///< principals that the identity stands for, by any membership
  std::set<std::string> way_;   ///< paths and the folders above them, as databases spell them
  std::vector<PathRange> below_;
};

}  // namespace

Result<Explanation> explain_in_postgresql(const std::string& where, const Identity& identity,
                                          const StorePath& path) {
  if (std::holds_alternative<Md5Bearer>(identity)) {
    return Error{ErrorKind::kInvalid, "URIs are not explained from PostgreSQL"};
  }
  auto folder = OwnFolder::make();
  if (!folder) return folder.error();
  const std::filesystem::path database = folder->path() / "policy.db";
  if (auto made = init_database(database); !made) return made.error();

  // At one moment, so that nothing that was copied has ended when it is asked about.
  const Timestamp now = system_now();
  std::vector<gid_t> groups;
  if (const auto* user = std::get_if<SystemUser>(&identity)) groups = system_groups()(user->uid);
  {
    auto upstream = open_postgresql_policy(where);
    if (!upstream) return upstream.error();
    auto copy = db::Connection::open(database, db::Mode::kWrite);
    if (!copy) return copy.error();
    ChangeConnection from(std::make_unique<PostgresqlEngine>(std::move(*upstream)), system_now);
    ChangeConnection to(std::make_unique<SqliteEngine>(database, std::move(*copy)), system_now);
    auto done = from.read([&] {
      return to.write([&] { return Excerpt(from, to).copy(identity, groups, path, now); });
    });
    if (!done) return done.error();
  }
  auto policy = Policy::open({.database = database,
                              .clock = [now] { return now; },
                              .groups = [&groups](uid_t) { return groups; },
                              .busy_timeout = std::chrono::seconds{5}});
  if (!policy) return policy.error();
  return (*policy)->explain(identity, path);
}

}  // namespace grantfs
