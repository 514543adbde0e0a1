#include <array>
#include <set>
#include <tuple>

#include "base/quote.h"
#include "policy/changes/admin_impl.h"
#include "policy/changes/bulk_tables.h"

namespace grantfs {
namespace {

using Kind = PolicyRow::Kind;

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
      return {row.path.spelling(), {}, principal, {}};
    case Kind::kGrant:
      return {principal, row.path.spelling(), kRightsNames.at(static_cast<std::size_t>(row.rights)),
              to_column(row.expires)};
    case Kind::kMember:
      return {principal, row.group->text(), {}, to_column(row.expires)};
    case Kind::kLink:
      return {row.link->id.hex(), {}, {}, {}};
    case Kind::kKey:
      break;
  }
  return {row.key->id, {}, {}, {}};
}

Error contradiction(const PolicyRow& row, std::int64_t earlier, const ImportOptions& options) {
  std::string what;
  switch (row.kind) {
    case Kind::kOwner:
      what = fmt::format("{} has another owner", quoted(row.path.spelling()));
      break;
    case Kind::kGrant:
      what = fmt::format("the grant to {} on {} has other rights or another expiry",
                         quoted(row.principal.text()), quoted(row.path.spelling()));
      break;
    case Kind::kMember:
      what = fmt::format("{} is a member of {} with another expiry", quoted(row.principal.text()),
                         quoted(row.group->text()));
      break;
    case Kind::kLink:
      what = fmt::format("the link {} is there already", row.link->id.hex());
      break;
    case Kind::kKey:
      what = fmt::format("the signing key {} is there already", row.key->id);
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

using TakeRow = std::function<Result<void>(const PolicyRow&)>;

Result<void> take_link(const db::Rows& rows, const TakeRow& take) {
  auto principal = principal_column(rows, 0);
  if (!principal) return principal.error();
  auto path = path_column(rows, 1);
  if (!path) return path.error();
  auto id = TokenHash::parse(rows.text(2));
  if (!id) return Error{ErrorKind::kDatabase, id.error().message};
  return take({.kind = Kind::kLink,
               .principal = std::move(*principal),
               .path = std::move(*path),
               .expires = expiry_column(rows, 3),
               .link = LinkRow{std::move(*id), std::string(rows.text(4)), rows.maybe_integer(5),
                               expiry_column(rows, 6)}});
}

Result<void> take_key(const db::Rows& rows, const TakeRow& take) {
  auto path = path_column(rows, 6);
  if (!path) return path.error();
  return take({.kind = Kind::kKey,
               .principal = Principal::everyone(),
               .path = std::move(*path),
               .key = KeyRow{std::string(rows.text(0)), std::string(rows.text(1)),
                             std::string(rows.text(2)), Secret(rows.text(3)),
                             expiry_column(rows, 4), expiry_column(rows, 5)}});
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
    for (const BulkTable& table : kBulkTables) {
      if (auto created = impl.change(table.create); !created) return created.error();
    }
    return staging;
  }
  ~Staging() {
    if (impl_ == nullptr) return;
    for (const BulkTable& table : kBulkTables) (void)impl_->change(table.drop).ok();
  }
  Staging(Staging&& other) noexcept
      : impl_(std::exchange(other.impl_, nullptr)),
        there_are_any_(std::move(other.there_are_any_)) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  Staging& operator=(Staging&&) = delete;

  Result<void> fill(const PolicyRowSource& next, const ImportOptions& options) {
    std::array<db::Statement, kBulkTables.size()> stage;
    for (std::size_t i = 0; i < kBulkTables.size(); ++i) {
      auto statement = impl_->prepare(kBulkTables.at(i).stage);
      if (!statement) return statement.error();
      stage.at(i) = std::move(*statement);
    }
    while (true) {
      auto row = next();
      if (!row) return row.error();
      if (!*row) return {};
      const auto kind = static_cast<std::size_t>((*row)->kind);
      there_are_any_.insert((*row)->kind);
      const Staged values = staged(**row);
      auto added = put(stage.at(kind), **row, values);
      if (!added) return added.error();
      if (*added > 0) continue;
      if (auto same = compare(kBulkTables.at(kind), **row, values, options); !same) return same;
    }
  }

  Result<ImportedTable> merge(Kind kind, ImportOptions::Replace replace) {
    const BulkTable& table = kBulkTables.at(static_cast<std::size_t>(kind));
    ImportedTable counts;
    if (replace == ImportOptions::Replace::kYes ||
        (replace == ImportOptions::Replace::kIfThereAreAny && there_are_any_.contains(kind))) {
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

  Result<std::int64_t> put(db::Statement& stage, const PolicyRow& row, const Staged& values) {
    if (row.kind == Kind::kLink) {
      return impl_->change(stage, values.first, row.principal.text(), row.path.spelling(),
                           to_column(row.expires), row.link->address, row.link->uses,
                           to_column(row.link->created), row.number);
    }
    if (row.kind == Kind::kKey) {
      const KeyRow& key = *row.key;
      return impl_->change(stage, values.first, key.format, key.uri_prefix, row.path.spelling(),
                           key.secret.view(), to_column(key.created), to_column(key.retired),
                           row.number);
    }
    return impl_->change(stage, values.first, values.second, values.said, values.expires,
                         row.number);
  }

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
  std::set<Kind> there_are_any_;
};

Result<ImportCounts> Admin::import(const PolicyRowSource& next, const ImportOptions& options) {
  auto staging = Impl::Staging::create(*impl_);
  if (!staging) return staging.error();
  // One transaction of the temporary tables alone: one for each row would take its time.
  auto filled = impl_->read([&] { return staging->fill(next, options); });
  if (!filled) return filled.error();
  return impl_->write([&]() -> Result<ImportCounts> {
    ImportCounts counts;
    const std::array<std::tuple<Kind, ImportOptions::Replace, ImportedTable*>, 5> tables{
        {{Kind::kOwner, options.owners, &counts.owners},
         {Kind::kGrant, options.grants, &counts.grants},
         {Kind::kMember, options.members, &counts.members},
         {Kind::kLink, options.links, &counts.links},
         {Kind::kKey, options.signing_keys, &counts.signing_keys}}};
    for (const auto& [kind, replace, table] : tables) {
      auto merged = staging->merge(kind, replace);
      if (!merged) return merged.error();
      *table = *merged;
    }
    return counts;
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
    auto members =
        impl_->for_each("SELECT member, parent, expires FROM members ORDER BY parent, member",
                        [&](const db::Rows& rows) -> Result<void> {
                          auto member = principal_column(rows, 0);
                          if (!member) return member.error();
                          auto parent = principal_column(rows, 1);
                          if (!parent) return parent.error();
                          return take({Kind::kMember, std::move(*member), StorePath(),
                                       std::move(*parent), Rights::kRead, expiry_column(rows, 2)});
                        });
    if (!members) return members;
    auto links = impl_->for_each(
        "SELECT principal, path, id, expires, address, uses, created FROM links ORDER BY id",
        [&](const db::Rows& rows) { return take_link(rows, take); });
    if (!links) return links;
    return impl_->for_each(
        "SELECT id, format, uri_prefix, secret, created, retired, path FROM signing_keys"
        " ORDER BY id",
        [&](const db::Rows& rows) { return take_key(rows, take); });
  });
}

Result<RulePresence> Admin::rules_about(const StorePath& path) {
  const PathRange itself = PathRange::only(path.spelling());
  std::vector<PathRange> rest = subtree_ranges(path);
  if (path.is_root()) {
    rest = {{rest.front().begin, itself.begin}, {itself.end, rest.front().end}};
  } else {
    rest.erase(rest.begin());
  }
  auto here = impl_->any_rule(itself);
  if (!here) return here.error();
  RulePresence presence{*here, false};
  for (const PathRange& range : rest) {
    auto below = impl_->any_rule(range);
    if (!below) return below.error();
    presence.below |= *below;
  }
  return presence;
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
