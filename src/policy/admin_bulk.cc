#include <array>

#include "base/quote.h"
#include "policy/admin_impl.h"

namespace grantfs {
namespace {

using Kind = PolicyRow::Kind;

/// How rows of one kind are staged, compared and written. They are staged in a temporary table of
/// their own, so that what is wrong with them is found before the database is locked, and the lock
/// is held for a few statements only.
struct BulkTable {
  const char* create;
  const char* stage;     ///< ?1, ?2: the key, ?3: what a row says of it, ?4: expiry, ?5: its number
  const char* staged;    ///< what is staged for the key ?1, ?2
  const char* remove;    ///< what is not staged
  const char* unstage;   ///< what is so already
  const char* changing;  ///< how many there are with the same key
  const char* write;
  const char* drop;
};

constexpr BulkTable kOwners{
    "CREATE TEMP TABLE import_owners (path TEXT PRIMARY KEY, principal TEXT, row INTEGER)"
    " WITHOUT ROWID",
    "INSERT INTO temp.import_owners VALUES (?1, ?3, ?5) ON CONFLICT DO NOTHING",
    "SELECT row, principal, NULL FROM temp.import_owners WHERE path = ?1 AND ?2 = ''",
    "DELETE FROM owners WHERE NOT EXISTS"
    " (SELECT 1 FROM temp.import_owners AS new WHERE new.path = owners.path)",
    "DELETE FROM temp.import_owners AS new WHERE EXISTS (SELECT 1 FROM owners AS old"
    " WHERE old.path = new.path AND old.principal = new.principal)",
    "SELECT count(*) FROM temp.import_owners JOIN owners USING (path)",
    "INSERT INTO owners (path, principal)"
    " SELECT path, principal FROM temp.import_owners WHERE true"
    " ON CONFLICT (path) DO UPDATE SET principal = excluded.principal, created = excluded.created",
    "DROP TABLE temp.import_owners"};

constexpr BulkTable kGrants{
    "CREATE TEMP TABLE import_grants (principal TEXT, path TEXT, rights TEXT, expires INTEGER,"
    " row INTEGER, PRIMARY KEY (principal, path)) WITHOUT ROWID",
    "INSERT INTO temp.import_grants VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    "SELECT row, rights, expires FROM temp.import_grants WHERE principal = ?1 AND path = ?2",
    "DELETE FROM grants WHERE NOT EXISTS (SELECT 1 FROM temp.import_grants AS new"
    " WHERE new.principal = grants.principal AND new.path = grants.path)",
    "DELETE FROM temp.import_grants AS new WHERE EXISTS (SELECT 1 FROM grants AS old"
    " WHERE old.principal = new.principal AND old.path = new.path AND old.rights = new.rights"
    " AND old.expires IS new.expires)",
    "SELECT count(*) FROM temp.import_grants JOIN grants USING (principal, path)",
    "INSERT INTO grants (principal, path, rights, expires)"
    " SELECT principal, path, rights, expires FROM temp.import_grants WHERE true"
    " ON CONFLICT (principal, path) DO UPDATE SET rights = excluded.rights,"
    " expires = excluded.expires",
    "DROP TABLE temp.import_grants"};

constexpr BulkTable kMembers{
    "CREATE TEMP TABLE import_members (member TEXT, parent TEXT, expires INTEGER, row INTEGER,"
    " PRIMARY KEY (member, parent)) WITHOUT ROWID",
    "INSERT INTO temp.import_members VALUES (?1, ?2, ?4, ?5) ON CONFLICT DO NOTHING",
    "SELECT row, '', expires FROM temp.import_members WHERE member = ?1 AND parent = ?2",
    "DELETE FROM members WHERE NOT EXISTS (SELECT 1 FROM temp.import_members AS new"
    " WHERE new.member = members.member AND new.parent = members.parent)",
    "DELETE FROM temp.import_members AS new WHERE EXISTS (SELECT 1 FROM members AS old"
    " WHERE old.member = new.member AND old.parent = new.parent AND old.expires IS new.expires)",
    "SELECT count(*) FROM temp.import_members JOIN members USING (member, parent)",
    "INSERT INTO members (member, parent, expires)"
    " SELECT member, parent, expires FROM temp.import_members WHERE true"
    " ON CONFLICT (member, parent) DO UPDATE SET expires = excluded.expires",
    "DROP TABLE temp.import_members"};

constexpr std::array<BulkTable, 3> kTables{kOwners, kGrants, kMembers};  // in the order of Kind

constexpr std::array<const char*, 3> kRightsNames{"read", "write", "own"};  // ... of Rights

/// A row as the parameters ?1 to ?4 of BulkTable::stage.
struct Staged {
  std::string_view first;
  std::string_view second;
  std::string_view said;
  std::optional<std::int64_t> expires;
};

Staged staged(const PolicyRow& row) {
  const std::string_view principal = row.principal.text();
  switch (row.kind) {
    case Kind::kOwner:
      return {row.path.text(), {}, principal, {}};
    case Kind::kGrant:
      return {principal, row.path.text(), kRightsNames.at(static_cast<std::size_t>(row.rights)),
              to_column(row.expires)};
    case Kind::kMember:
      break;
  }
  return {principal, row.group->text(), {}, to_column(row.expires)};
}

Error contradiction(const PolicyRow& row, std::int64_t earlier, const ImportOptions& options) {
  std::string what;
  switch (row.kind) {
    case Kind::kOwner:
      what = fmt::format("{} has another owner", quoted(row.path.text()));
      break;
    case Kind::kGrant:
      what = fmt::format("the grant to {} on {} has other rights or another expiry",
                         quoted(row.principal.text()), quoted(row.path.text()));
      break;
    case Kind::kMember:
      what = fmt::format("{} is a member of {} with another expiry", quoted(row.principal.text()),
                         quoted(row.group->text()));
      break;
  }
  return {ErrorKind::kInvalid, fmt::format("{0} {1}: by {0} {2}, {3}; leave one of the two out",
                                           options.numbered, row.number, earlier, what)};
}

Result<Rights> rights_column(const db::Rows& rows, int column) {
  for (std::size_t i = 0; i < kRightsNames.size(); ++i) {
    if (rows.text(column) == kRightsNames.at(i)) return static_cast<Rights>(i);
  }
  return Error{ErrorKind::kDatabase,
               fmt::format("a grant has rights {}", quoted(rows.text(column)))};
}

}  // namespace

/// The temporary tables, as long as it lives.
class Admin::Impl::Staging {
 public:
  static Result<Staging> create(Impl& impl) {
    Staging staging(impl);
    // Rows come in any order: the b-trees that take them should fit into memory. 256 MiB are a
    // ceiling, which a million rows do not reach.
    auto room = impl.connection_.execute(
        "PRAGMA main.cache_size = -262144; PRAGMA temp.cache_size = -262144");
    if (!room) return room.error();
    for (const BulkTable& table : kTables) {
      if (auto created = impl.change(table.create); !created) return created.error();
    }
    return staging;
  }
  ~Staging() {
    if (impl_ == nullptr) return;
    for (const BulkTable& table : kTables) (void)impl_->change(table.drop).ok();
  }
  Staging(Staging&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  Staging& operator=(Staging&&) = delete;

  Result<void> fill(const PolicyRowSource& next, const ImportOptions& options) {
    std::array<db::Statement, kTables.size()> stage;
    for (std::size_t i = 0; i < kTables.size(); ++i) {
      auto statement = impl_->prepare(kTables.at(i).stage);
      if (!statement) return statement.error();
      stage.at(i) = std::move(*statement);
    }
    while (true) {
      auto row = next();
      if (!row) return row.error();
      if (!*row) return {};
      const auto kind = static_cast<std::size_t>((*row)->kind);
      const Staged values = staged(**row);
      auto added = impl_->change(stage.at(kind), values.first, values.second, values.said,
                                 values.expires, (*row)->number);
      if (!added) return added.error();
      if (*added > 0) continue;
      if (auto same = compare(kTables.at(kind), **row, values, options); !same) return same;
    }
  }

  Result<ImportedTable> merge(Kind kind, bool replace) {
    const BulkTable& table = kTables.at(static_cast<std::size_t>(kind));
    ImportedTable counts;
    if (replace) {
      if (auto done = impl_->count_change(counts.removed, table.remove); !done) return done.error();
    }
    if (auto done = impl_->count_change(counts.unchanged, table.unstage); !done) {
      return done.error();
    }
    auto changing = impl_->connection_.query_integer(table.changing);
    if (!changing) return changing.error();
    counts.changed = *changing;
    auto written = impl_->change(table.write);
    if (!written) return written.error();
    counts.added = *written - counts.changed;
    return counts;
  }

 private:
  explicit Staging(Impl& impl) : impl_(&impl) {}

  /// A row whose key is staged already: is it the same one again?
  Result<void> compare(const BulkTable& table, const PolicyRow& row, const Staged& values,
                       const ImportOptions& options) {
    return impl_->for_each(
        table.staged,
        [&](const db::Rows& rows) -> Result<void> {
          if (rows.text(1) == values.said && rows.maybe_integer(2) == values.expires) return {};
          return contradiction(row, rows.integer(0), options);
        },
        values.first, values.second);
  }

  Impl* impl_;
};

Result<ImportCounts> Admin::import(const PolicyRowSource& next, const ImportOptions& options) {
  auto staging = Impl::Staging::create(*impl_);
  if (!staging) return staging.error();
  // One transaction of the temporary tables alone: one for each row would take its time.
  auto filled = impl_->read([&] { return staging->fill(next, options); });
  if (!filled) return filled.error();
  return impl_->write([&]() -> Result<ImportCounts> {
    auto owners = staging->merge(Kind::kOwner, options.replace_owners);
    if (!owners) return owners.error();
    auto grants = staging->merge(Kind::kGrant, options.replace_grants);
    if (!grants) return grants.error();
    auto members = staging->merge(Kind::kMember, options.replace_members);
    if (!members) return members.error();
    return ImportCounts{*owners, *grants, *members};
  });
}

Result<void> Admin::for_each_row(const std::function<Result<void>(const PolicyRow&)>& take) {
  const auto take_rule = [&](Kind kind, const db::Rows& rows) -> Result<void> {
    auto principal = principal_column(rows, 0);
    if (!principal) return principal.error();
    auto path = path_column(rows, 1);
    if (!path) return path.error();
    auto rights = rights_column(rows, 2);
    if (!rights) return rights.error();
    return take(
        {kind, std::move(*principal), std::move(*path), {}, *rights, expiry_column(rows, 3)});
  };
  return impl_->read([&]() -> Result<void> {
    auto owners =
        impl_->for_each("SELECT principal, path, 'own', NULL FROM owners ORDER BY path",
                        [&](const db::Rows& rows) { return take_rule(Kind::kOwner, rows); });
    if (!owners) return owners;
    auto grants = impl_->for_each(
        "SELECT principal, path, rights, expires FROM grants ORDER BY path, principal",
        [&](const db::Rows& rows) { return take_rule(Kind::kGrant, rows); });
    if (!grants) return grants;
    return impl_->for_each(
        "SELECT member, parent, expires FROM members ORDER BY parent, member",
        [&](const db::Rows& rows) -> Result<void> {
          auto member = principal_column(rows, 0);
          if (!member) return member.error();
          auto parent = principal_column(rows, 1);
          if (!parent) return parent.error();
          return take({Kind::kMember, std::move(*member), StorePath(), std::move(*parent),
                       Rights::kRead, expiry_column(rows, 2)});
        });
  });
}

Result<RulePresence> Admin::rules_about(const StorePath& path) {
  auto ranges = subtree_ranges(path);
  // Of the whole store there is one range, for itself and all below it: none holds a zero byte.
  if (path.is_root()) ranges = {{"", std::string(1, '\x01')}, {"\x01", ranges.front().end}};
  auto here = impl_->any_rule(ranges.at(0));
  if (!here) return here.error();
  auto below = impl_->any_rule(ranges.at(1));
  if (!below) return below.error();
  return RulePresence{*here, *below};
}

Result<bool> Admin::Impl::any_rule(const PathRange& range) {
  if (!rule_probe_) {
    // Prepared once: this is asked for every file of a store.
    auto probe = prepare(
        "SELECT EXISTS (SELECT 1 FROM owners WHERE path >= ?1 AND path < ?2) OR"
        " EXISTS (SELECT 1 FROM grants WHERE path >= ?1 AND path < ?2"
        " AND (expires IS NULL OR expires > ?3))");
    if (!probe) return probe.error();
    rule_probe_ = std::move(*probe);
  }
  db::Rows rows = rule_probe_->run(range.begin, range.end, to_column(now()));
  auto row = rows.next();
  if (!row) return named(row.error());
  return rows.integer(0) != 0;
}

}  // namespace grantfs
