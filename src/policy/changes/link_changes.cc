#include "policy/changes/link_changes.h"

#include "policy/changes/token_rows.h"
#include "values/expiry.h"

namespace grantfs {

Result<TokenHash> LinkChanges::create_link(const Principal& principal, const StorePath& path,
                                           std::string_view token, const LinkTerms& terms) {
  if (auto fit = check_token(token); !fit) return fit.error();
  const TokenHash id = TokenHash::of(token);
  const std::string address = terms.address ? terms.address->text() : std::string();
  return connection_.write([&]() -> Result<TokenHash> {
    auto added = connection_.change(
        "INSERT INTO links (id, principal, path, expires, address, uses, created)"
        " VALUES (?1, ?2, ?3, ?4, nullif(?5, ''), ?6, ?7) ON CONFLICT (id) DO NOTHING",
        id.hex(), principal.text(), path.spelling(), unix_seconds(terms.expires), address,
        terms.uses, unix_seconds(connection_.now()));
    if (!added) return added.error();
    if (*added == 0) {
      return Error{ErrorKind::kConflict,
                   fmt::format("that token has a link already, {}; remove it first with: "
                               "grantctl link rm {}",
                               id.hex(), id.hex())};
    }
    return id;
  });
}

Result<std::vector<Link>> LinkChanges::links(const std::optional<Principal>& principal) {
  return connection_.read([&]() -> Result<std::vector<Link>> {
    std::vector<Link> found;
    const auto take = [&](const ChangeRow& rows) -> Result<void> {
      auto id = TokenHash::parse(rows.text(0));
      if (!id) return Error{ErrorKind::kDatabase, id.error().message};
      auto holder = principal_column(rows, 1);
      if (!holder) return holder.error();
      auto path = path_column(rows, 2);
      if (!path) return path.error();
      found.push_back({std::move(*id), std::move(*holder), std::move(*path), expiry_column(rows, 3),
                       std::string(rows.text(4)), rows.maybe_integer(5),
                       to_timestamp(rows.integer(6))});
      return {};
    };
    constexpr const char* kAll =
        "SELECT id, principal, path, expires, address, uses, created FROM links"
        " ORDER BY created, id";
    constexpr const char* kOfOne =
        "SELECT id, principal, path, expires, address, uses, created FROM links"
        " WHERE principal = ?1 ORDER BY created, id";
    auto done = principal ? connection_.for_each(kOfOne, take, principal->text())
                          : connection_.for_each(kAll, take);
    if (!done) return done.error();
    return found;
  });
}

Result<RowCounts> LinkChanges::remove_link(std::string_view id) {
  auto removed = remove_by_id(connection_, "links", "link", id);
  if (!removed) return removed.error();
  RowCounts counts;
  counts.links = *removed;
  return counts;
}

}  // namespace grantfs
