// What an identity may see in a folder; see reader.h.
#include <map>
#include <utility>

#include "policy/decisions/reader.h"
#include "policy/decisions/reader_impl.h"
#include "values/path_range.h"

namespace grantfs {
Result<Listing> Reader::list(const Identity& identity, const StorePath& folder) {
  constexpr int kPatience = 10;
  auto held = snapshot(kPatience);
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
  const PathRange range = PathRange::below(folder);
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
        next = after_path(path);
      } else {
        names.emplace(name, Access::kPassage);
        next = after_subtree(path.substr(0, slash));
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

}  // namespace grantfs
