#include "policy/changes/admin_impl.h"

namespace grantfs {

Result<TokenHash> Admin::create_link(const Principal& principal, const StorePath& path,
                                     std::string_view token, const LinkTerms& terms) {
  if (auto fit = check_token(token); !fit) return fit.error();
  const TokenHash id = TokenHash::of(token);
  const std::string address = terms.address ? terms.address->text() : std::string();
  return impl_->write([&]() -> Result<TokenHash> {
    auto added = impl_->change(
        "INSERT INTO links (id, principal, path, expires, address, uses, created)"
        " VALUES (?1, ?2, ?3, ?4, nullif(?5, ''), ?6, ?7) ON CONFLICT (id) DO NOTHING",
        id.hex(), principal.text(), path.spelling(), to_column(terms.expires), address, terms.uses,
        to_column(impl_->now()));
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

Result<std::vector<Link>> Admin::links(const std::optional<Principal>& principal) {
  return impl_->read([&]() -> Result<std::vector<Link>> {
    std::vector<Link> found;
    const auto take = [&](const db::Rows& rows) -> Result<void> {
      auto id = TokenHash::parse(rows.text(0));
      if (!id) return Error{ErrorKind::kDatabase, id.error().message};
      auto holder = principal_column(rows, 1);
      if (!holder) return holder.error();
      auto path = path_column(rows, 2);
      if (!path) return path.error();
      found.push_back({std::move(*id), std::move(*holder), std::move(*path), expiry_column(rows, 3),
                       std::string(rows.text(4)), rows.maybe_integer(5),
                       Timestamp{std::chrono::seconds{rows.integer(6)}}});
      return {};
    };
    constexpr const char* kAll =
        "SELECT id, principal, path, expires, address, uses, created FROM links"
        " ORDER BY created, id";
    constexpr const char* kOfOne =
        "SELECT id, principal, path, expires, address, uses, created FROM links"
        " WHERE principal = ?1 ORDER BY created, id";
    auto done =
        principal ? impl_->for_each(kOfOne, take, principal->text()) : impl_->for_each(kAll, take);
    if (!done) return done.error();
    return found;
  });
}

Result<RowCounts> Admin::remove_link(std::string_view id) {
  auto removed = impl_->remove_by_id("links", "link", id);
  if (!removed) return removed.error();
  RowCounts counts;
  counts.links = *removed;
  return counts;
}

Result<std::optional<Principal>> Admin::nearest_owner(const StorePath& path) {
  return impl_->read([&]() -> Result<std::optional<Principal>> {
    std::optional<Principal> owner;
    for (const std::string_view at : path.self_and_ancestors()) {
      auto done = impl_->for_each(
          "SELECT principal FROM owners WHERE path = ?1",
          [&](const db::Rows& rows) -> Result<void> {
            auto principal = principal_column(rows, 0);
            if (!principal) return principal.error();
            owner = std::move(*principal);
            return {};
          },
          StorePath::spelling_of(at));
      if (!done) return done.error();
      if (owner) break;
    }
    return owner;
  });
}

}  // namespace grantfs
