#include "policy/changes/bulk_import.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "base/quote.h"
#include "policy/changes/bulk_tables.h"
#include "values/expiry.h"

namespace grantfs {
namespace {

using Kind = PolicyRow::Kind;

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
              unix_seconds(row.expires)};
    case Kind::kMember:
      return {principal, row.group->text(), {}, unix_seconds(row.expires)};
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

/// kConflict if more rows were deleted than the options allow.
Result<void> check_removed(const ImportCounts& counts, const ImportOptions& options) {
  std::int64_t removed = 0;
  std::int64_t before = 0;  // rows there were of the kinds that are replaced
  const auto add = [&](const ImportedTable& table, ImportOptions::Replace replace) {
    if (replace == ImportOptions::Replace::kNo) return;
    removed += table.removed;
    before += table.removed + table.changed + table.unchanged;
  };
  add(counts.owners, options.owners);
  add(counts.grants, options.grants);
  add(counts.members, options.members);
  add(counts.links, options.links);
  add(counts.signing_keys, options.signing_keys);
  const bool too_many = options.most_removed && removed > *options.most_removed;
  const bool too_large =
      options.largest_share_removed && removed > 0 &&
      static_cast<double>(removed) > *options.largest_share_removed * static_cast<double>(before);
  if (!too_many && !too_large) return {};
  return Error{ErrorKind::kConflict,
               fmt::format("{} of {} rows would be deleted, which is more than is allowed", removed,
                           before)};
}

}  // namespace

/// The temporary tables, in the engine that stages: made by create(), dropped by the destructor.
class BulkImport::Staging {
 public:
  static Result<Staging> create(ChangeConnection& connection) {
    auto engine = connection.engine().staging();
    if (!engine) return engine.error();
    Staging staging(connection, **engine);
    for (const BulkTable& table : kBulkTables) {
      if (auto made = staging.engine_->make_temporary(table.staging); !made) return made.error();
    }
    return staging;
  }
  ~Staging() {
    if (engine_ == nullptr) return;
    for (const BulkTable& table : kBulkTables) engine_->drop_temporary(table.staging);
  }
  Staging(Staging&& other) noexcept
      : connection_(other.connection_),
        engine_(std::exchange(other.engine_, nullptr)),
        there_are_any_(std::move(other.there_are_any_)) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  Staging& operator=(Staging&&) = delete;

  /// Stages every row, in one transaction of the temporary tables alone: one for each row would be
  /// slow. Brings them to the policy's own engine then.
  Result<void> fill(const PolicyRowSource& next, const ImportOptions& options) {
    if (auto begun = engine_->begin(Engine::Transaction::kRead); !begun) {
      return engine_->named(begun.error());
    }
    auto staged = stage(next, options);
    if (staged) staged = engine_->commit();
    if (!staged) {
      engine_->roll_back();
      return engine_->named(staged.error());
    }
    std::array<TemporaryTable, kBulkTables.size()> tables{};
    std::ranges::transform(kBulkTables, tables.begin(), &BulkTable::staging);
    auto taken = connection_->engine().take_staged(tables);
    if (!taken) return connection_->named(taken.error());
    return {};
  }

  Result<ImportedTable> merge(Kind kind, ImportOptions::Replace replace) {
    const BulkTable& table = kBulkTables.at(static_cast<std::size_t>(kind));
    ImportedTable counts;
    if (replace == ImportOptions::Replace::kYes ||
        (replace == ImportOptions::Replace::kIfThereAreAny && there_are_any_.contains(kind))) {
      if (auto done = connection_->count_change(counts.removed, table.remove); !done)
        return done.error();
    }
    if (auto done = connection_->count_change(counts.unchanged, table.unstage); !done) {
      return done.error();
    }
    auto changing = connection_->query_integer(table.changing);
    if (!changing) return changing.error();
    counts.changed = *changing;
    auto written = connection_->change(table.write);
    if (!written) return written.error();
    counts.added = *written - counts.changed;
    return counts;
  }

 private:
  Staging(ChangeConnection& connection, Engine& engine)
      : connection_(&connection), engine_(&engine) {}

  Result<void> stage(const PolicyRowSource& next, const ImportOptions& options) {
    std::array<std::unique_ptr<ChangeStatement>, kBulkTables.size()> statements;
    for (std::size_t i = 0; i < kBulkTables.size(); ++i) {
      auto statement = engine_->prepare(kBulkTables.at(i).stage);
      if (!statement) return statement.error();
      statements.at(i) = std::move(*statement);
    }
    while (true) {
      auto row = next();
      if (!row) return row.error();
      if (!*row) return {};
      const auto kind = static_cast<std::size_t>((*row)->kind);
      there_are_any_.insert((*row)->kind);
      const Staged values = staged(**row);
      auto added = put(*statements.at(kind), **row, values);
      if (!added) return added.error();
      if (*added > 0) continue;
      if (auto same = compare(kBulkTables.at(kind), **row, values, options); !same) return same;
    }
  }

  Result<std::int64_t> put(ChangeStatement& stage, const PolicyRow& row, const Staged& values) {
    if (row.kind == Kind::kLink) {
      return connection_->change(stage, values.first, row.principal.text(), row.path.spelling(),
                                 unix_seconds(row.expires), row.link->address, row.link->uses,
                                 unix_seconds(row.link->created), row.link->label, row.number);
    }
    if (row.kind == Kind::kKey) {
      const KeyRow& key = *row.key;
      return connection_->change(stage, values.first, key.format, key.uri_prefix,
                                 row.path.spelling(), Blob{key.secret.view()},
                                 unix_seconds(key.created), unix_seconds(key.retired), row.number);
    }
    return connection_->change(stage, values.first, values.second, values.said, values.expires,
                               row.number);
  }

  /// Compares a row with the staged row of the same key. Returns an error if the two differ.
  Result<void> compare(const BulkTable& table, const PolicyRow& row, const Staged& values,
                       const ImportOptions& options) {
    auto statement = engine_->prepare(table.staged);
    if (!statement) return statement.error();
    return connection_->for_each(
        **statement,
        [&](const ChangeRow& earlier) -> Result<void> {
          if (earlier.text(1) == values.said && earlier.maybe_integer(2) == values.expires) {
            return {};
          }
          return contradiction(row, earlier.integer(0), options);
        },
        values.first, values.second);
  }

  ChangeConnection* connection_;
  Engine* engine_;  ///< none: moved from
  std::set<Kind> there_are_any_;
};

Result<ImportCounts> BulkImport::run(const PolicyRowSource& next, const ImportOptions& options) {
  auto staging = Staging::create(connection_);
  if (!staging) return staging.error();
  if (auto filled = staging->fill(next, options); !filled) return filled.error();
  return connection_.write([&]() -> Result<ImportCounts> {
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
    if (auto fit = check_removed(counts, options); !fit) return fit.error();
    return counts;
  });
}

}  // namespace grantfs
