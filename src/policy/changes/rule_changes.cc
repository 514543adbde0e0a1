#include "policy/changes/rule_changes.h"

#include <array>
#include <set>
#include <vector>

#include "base/quote.h"
#include "values/expiry.h"
#include "values/path_range.h"

namespace grantfs {
namespace {

/// A table with paths, and the counter for its rows.
struct PathTable {
  const char* name;
  std::int64_t RowCounts::*count;
};
constexpr std::array kPathTables{
    PathTable{"owners", &RowCounts::owners}, PathTable{"grants", &RowCounts::grants},
    PathTable{"links", &RowCounts::links}, PathTable{"signing_keys", &RowCounts::signing_keys}};

Error inside_each_other(const StorePath& from, const StorePath& to) {
  return {ErrorKind::kInvalid,
          fmt::format("{} and {} lie inside one another", quoted(from.text()), quoted(to.text()))};
}

/// The new name of `path`, which lies at or below `from`, once `from` is renamed to `to`. Names are
/// compared as bytes, not as characters.
Result<std::string> rewritten(std::string_view path, const StorePath& from, const StorePath& to) {
  std::string moved = to.text();
  moved += path.substr(from.text().size());
  if (moved.size() > StorePath::kMaxBytes) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} would become a path of {} bytes, and {} are the most there can be",
                             quoted(path), moved.size(), StorePath::kMaxBytes)};
  }
  return moved;
}

}  // namespace

Result<std::vector<std::optional<Principal>>> RuleChanges::own(
    const Principal& principal, const std::vector<StorePath>& paths) {
  return connection_.write([&]() -> Result<std::vector<std::optional<Principal>>> {
    std::vector<std::optional<Principal>> displaced;
    auto find = connection_.prepare("SELECT principal FROM owners WHERE path = ?1");
    if (!find) return find.error();
    auto set = connection_.prepare(
        "INSERT INTO owners (path, principal, created) VALUES (?1, ?2, ?3) ON CONFLICT (path)"
        " DO UPDATE SET principal = excluded.principal, created = excluded.created");
    if (!set) return set.error();
    for (const StorePath& path : paths) {
      std::optional<Principal> previous;
      auto found = connection_.for_each(
          **find,
          [&](const ChangeRow& row) -> Result<void> {
            auto owner = principal_column(row, 0);
            if (!owner) return owner.error();
            previous = std::move(*owner);
            return {};
          },
          path.spelling());
      if (!found) return found.error();
      if (previous == principal) {
        displaced.emplace_back();
        continue;
      }
      auto done = connection_.change(**set, path.spelling(), principal.text(),
                                     unix_seconds(connection_.now()));
      if (!done) return done.error();
      displaced.push_back(std::move(previous));
    }
    return displaced;
  });
}

Result<void> RuleChanges::grant(const Principal& principal, const std::vector<StorePath>& paths,
                                Expiry expires) {
  return connection_.write([&]() -> Result<void> {
    auto set = connection_.prepare(
        "INSERT INTO grants (principal, path, expires, created) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (principal, path) DO UPDATE SET expires = excluded.expires");
    if (!set) return set.error();
    for (const StorePath& path : paths) {
      auto done = connection_.change(**set, principal.text(), path.spelling(),
                                     unix_seconds(expires), unix_seconds(connection_.now()));
      if (!done) return done.error();
    }
    return {};
  });
}

Result<std::vector<RowCounts>> RuleChanges::revoke(const Principal& principal,
                                                   const std::vector<StorePath>& paths,
                                                   Reach reach) {
  return connection_.write([&]() -> Result<std::vector<RowCounts>> {
    auto owned =
        connection_.prepare("DELETE FROM owners WHERE principal = ?1 AND path >= ?2 AND path < ?3");
    if (!owned) return owned.error();
    auto granted =
        connection_.prepare("DELETE FROM grants WHERE principal = ?1 AND path >= ?2 AND path < ?3");
    if (!granted) return granted.error();
    std::vector<RowCounts> all;
    for (const StorePath& path : paths) {
      RowCounts& counts = all.emplace_back();
      const auto ranges = reach == Reach::kBelowToo ? subtree_ranges(path)
                                                    : std::vector{PathRange::only(path.spelling())};
      for (const PathRange& range : ranges) {
        auto owners = connection_.change(**owned, principal.text(), range.begin, range.end);
        if (!owners) return owners.error();
        auto grants = connection_.change(**granted, principal.text(), range.begin, range.end);
        if (!grants) return grants.error();
        counts.owners += *owners;
        counts.grants += *grants;
      }
    }
    return all;
  });
}

Result<RowCounts> RuleChanges::move(const StorePath& from, const StorePath& to) {
  if (from.is_root() || to.is_root()) {
    return Error{ErrorKind::kInvalid, "the whole store cannot be moved, nor moved onto"};
  }
  if (from == to) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} cannot be moved to itself", quoted(from.text()))};
  }
  if (from.covers(to) || to.covers(from)) return inside_each_other(from, to);

  return connection_.write([&]() -> Result<RowCounts> {
    RowCounts counts;
    for (const auto& [table, count] : kPathTables) {
      for (const PathRange& range : subtree_ranges(to)) {
        auto taken = connection_.for_each(
            fmt::format("SELECT path FROM {} WHERE path >= ?1 AND path < ?2 LIMIT 1", table),
            [&](const ChangeRow& rows) -> Result<void> {
              return Error{ErrorKind::kConflict,
                           fmt::format("{} has rules, links or signing keys already; look at them "
                                       "with: grantctl ls, grantctl link ls, grantctl key ls; "
                                       "remove them with: grantctl drop",
                                       quoted(rows.text(0)))};
            },
            range.begin, range.end);
        if (!taken) return taken.error();
      }
    }
    for (const auto& [table, count] : kPathTables) {
      std::set<std::string> paths;  // the grants of several principals share a path
      for (const PathRange& range : subtree_ranges(from)) {
        auto found = connection_.for_each(
            fmt::format("SELECT path FROM {} WHERE path >= ?1 AND path < ?2", table),
            [&](const ChangeRow& rows) -> Result<void> {
              paths.emplace(rows.text(0));
              return {};
            },
            range.begin, range.end);
        if (!found) return found.error();
      }
      auto update =
          connection_.prepare(fmt::format("UPDATE {} SET path = ?2 WHERE path = ?1", table));
      if (!update) return update.error();
      std::vector<std::string> moved;
      moved.reserve(paths.size());
      std::vector<std::vector<Parameter>> renamings;
      for (const std::string& path : paths) {
        auto name = rewritten(path, from, to);
        if (!name) return name.error();
        moved.push_back(std::move(*name));
        renamings.push_back({std::string_view(path), std::string_view(moved.back())});
      }
      auto changed = (*update)->change_each(renamings);
      if (!changed) return changed.error();
      counts.*count += *changed;
    }
    if (counts.total() == 0) {
      return Error{ErrorKind::kNotFound,
                   fmt::format("there is no rule, link or signing key on {} or below it",
                               quoted(from.text()))};
    }
    return counts;
  });
}

Result<RowCounts> RuleChanges::drop(const StorePath& path) {
  return connection_.write([&]() -> Result<RowCounts> {
    RowCounts counts;
    for (const PathRange& range : subtree_ranges(path)) {
      for (const auto& [table, count] : kPathTables) {
        auto deleted = connection_.count_change(
            counts.*count, fmt::format("DELETE FROM {} WHERE path >= ?1 AND path < ?2", table),
            range.begin, range.end);
        if (!deleted) return deleted.error();
      }
    }
    return counts;
  });
}

}  // namespace grantfs
