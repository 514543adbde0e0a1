#include "policy/changes/link_changes.h"

#include <algorithm>

#include "base/quote.h"
#include "policy/changes/token_rows.h"
#include "values/expiry.h"

namespace grantfs {

Result<void> check_link_label(std::string_view text) {
  const bool has_control_characters = std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
  if (!text.empty() && text.size() <= kMaxLinkLabelBytes && !has_control_characters) return {};
  return Error{ErrorKind::kInvalid,
               fmt::format("{} cannot be the label of a link: it has 1 to {} bytes, none of them a "
                           "control character",
                           quoted(text), kMaxLinkLabelBytes)};
}

Result<Link> link_row(const ChangeRow& row) {
  auto id = TokenHash::parse(row.text(0));
  if (!id) return Error{ErrorKind::kDatabase, id.error().message};
  auto holder = principal_column(row, 1);
  if (!holder) return holder.error();
  auto path = path_column(row, 2);
  if (!path) return path.error();
  return Link{std::move(*id),
              std::move(*holder),
              std::move(*path),
              expiry_column(row, 3),
              std::string(row.text(4)),
              row.maybe_integer(5),
              to_timestamp(row.integer(6)),
              std::string(row.text(7))};
}

Result<TokenHash> LinkChanges::create_link(const Principal& principal, const StorePath& path,
                                           std::string_view token, const LinkTerms& terms) {
  if (auto fit = check_token(token); !fit) return fit.error();
  if (!terms.label.empty()) {
    if (auto fit = check_link_label(terms.label); !fit) return fit.error();
  }
  const TokenHash id = TokenHash::of(token);
  const std::string address = terms.address ? terms.address->text() : std::string();
  return connection_.write([&]() -> Result<TokenHash> {
    auto added = connection_.change(
        "INSERT INTO links (id, principal, path, expires, address, uses, created, label)"
        " VALUES (?1, ?2, ?3, ?4, nullif(?5, ''), ?6, ?7, nullif(?8, '')) ON CONFLICT (id)"
        " DO NOTHING",
        id.hex(), principal.text(), path.spelling(), unix_seconds(terms.expires), address,
        terms.uses, unix_seconds(connection_.now()), terms.label);
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
    const auto take = [&](const ChangeRow& row) -> Result<void> {
      auto link = link_row(row);
      if (!link) return link.error();
      found.push_back(std::move(*link));
      return {};
    };
    constexpr const char* kAll =
        "SELECT id, principal, path, expires, address, uses, created, label FROM links"
        " ORDER BY created, id";
    constexpr const char* kOfOne =
        "SELECT id, principal, path, expires, address, uses, created, label FROM links"
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
