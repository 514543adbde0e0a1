#include "policy/decisions/listings.h"

#include <map>
#include <utility>

#include "db/rows.h"
#include "values/path_range.h"

namespace grantfs {

class Listings::Names {
 public:
  Names(const DecisionDatabase& database, const StorePath& folder)
      : database_(database),
        range_(PathRange::below(folder)),
        prefix_(folder.is_root() ? 0 : range_.begin.size()) {}

  const std::string& end() const { return range_.end; }

  /// A skip scan: from each rule found, on to the first path that can add a name or widen it.
  /// `next_rule(from)` seeks the next rule.
  template <class NextRule>
  Result<void> walk(NextRule next_rule) {
    std::string from = range_.begin;
    while (true) {
      db::Rows rows = next_rule(from);
      auto row = rows.next();
      if (!row) return row.error();
      if (!*row) return {};
      const std::string_view path = rows.text(0);
      // A writer that ignores the schema's CHECKs can leave a path like "../bob" or "bob//file".
      if (!StorePath::is_name(name_in(path))) {
        return database_.damaged("has a rule on what is no path");
      }
      const std::size_t slash = add(path);
      std::string next =
          slash == std::string_view::npos ? after_path(path) : after_subtree(path.substr(0, slash));
      from = std::move(next);
    }
  }

  /// Adds the name that leads to a rule on the path. Where the name ends, if the path goes on.
  std::size_t add(std::string_view path) {
    std::string name(name_in(path));
    const std::size_t end = prefix_ + name.size();
    if (end == path.size()) {
      names_[std::move(name)] = Access::kRead;
      return std::string_view::npos;
    }
    names_.emplace(std::move(name), Access::kPassage);
    return end;
  }

  Listing listing() const {
    Listing listing{names_.empty() ? Access::kNone : Access::kPassage, {}};
    listing.names.reserve(names_.size());
    for (const auto& [name, access] : names_) listing.names.push_back({name, access});
    return listing;
  }

 private:
  /// The name in the folder that leads to a path below it.
  std::string_view name_in(std::string_view path) const {
    return path.substr(prefix_, path.find('/', prefix_) - prefix_);
  }

  const DecisionDatabase& database_;
  PathRange range_;
  std::size_t prefix_;  ///< bytes of a path before the name
  std::map<std::string, Access> names_;
};

Result<Listing> Listings::list(const Holdings& holdings, const StorePath& folder, Timestamp now) {
  auto whole = rules_.covered(holdings, folder, now);
  if (!whole) return whole.error();
  if (*whole) return Listing{Access::kRead, {}};

  Names names(database_, folder);
  for (const Holding& holding : holdings) {
    auto owned = names.walk([&](const std::string& from) {
      return rules_.next_owned(holding.principal, from, names.end());
    });
    if (!owned) return owned.error();
    auto granted = names.walk([&](const std::string& from) {
      return rules_.next_granted(holding.principal, from, names.end(), now);
    });
    if (!granted) return granted.error();
  }
  for (const Holding& holding : holdings) {
    if (database_.source() == nullptr) break;
    auto looked = database_.source()->below(holding.principal, folder, now,
                                            [&](const StorePath& path, const Expiry&) {
                                              names.add(path.text());
                                              return true;
                                            });
    if (!looked) return looked.error();
  }
  return names.listing();
}

Result<Listing> Listings::list_by_link(const Explanation::Link& link, const Holdings& holdings,
                                       const StorePath& folder, Timestamp now) {
  const StorePath& shared = link.path;
  if (shared.covers(folder)) return list(holdings, folder, now);
  auto door = rules_.decide_by_link(link, holdings, folder, now);
  if (!door) return door.error();
  if (door->access != Access::kPassage) return Listing{door->access, {}};
  auto inside = rules_.decide_by_link(link, holdings, shared, now);
  if (!inside) return inside.error();
  return Listing{Access::kPassage, {{std::string(shared.name()), inside->access}}};
}

}  // namespace grantfs
