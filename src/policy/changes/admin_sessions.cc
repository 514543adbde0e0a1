#include <algorithm>

#include "base/quote.h"
#include "policy/changes/admin_impl.h"

namespace grantfs {
namespace {

constexpr std::size_t kShortestIdPrefix = 8;

/// What was given is never repeated: it may be a token by mistake.
Result<void> check_id_prefix(std::string_view id, std::string_view what) {
  const bool hexadecimal = std::ranges::all_of(
      id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!hexadecimal || id.size() < kShortestIdPrefix || id.size() > TokenHash::of("").hex().size()) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("not a {0} id: it is 64 lowercase hexadecimal digits, of which "
                             "the first {1} or more will do; see: grantctl {0} ls",
                             what, kShortestIdPrefix)};
  }
  return {};
}

Result<void> check_group(const Principal& group) {
  if (group.kind() == Principal::Kind::kGroup) return {};
  return Error{
      ErrorKind::kInvalid,
      fmt::format("{} is not a group of the application; write group:NAME", quoted(group.text()))};
}

}  // namespace

Result<void> Admin::add_member(const Principal& group, const Principal& member, Expiry expires) {
  if (auto fit = check_group(group); !fit) return fit;
  return impl_->write([&]() -> Result<void> {
    auto done = impl_->change(
        "INSERT INTO members (member, parent, expires) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (member, parent) DO UPDATE SET expires = excluded.expires",
        member.text(), group.text(), to_column(expires));
    if (!done) return done.error();
    return {};
  });
}

Result<RowCounts> Admin::remove_member(const Principal& group, const Principal& member) {
  if (auto fit = check_group(group); !fit) return fit.error();
  return impl_->write([&]() -> Result<RowCounts> {
    RowCounts counts;
    auto done =
        impl_->count_change(counts.members, "DELETE FROM members WHERE member = ?1 AND parent = ?2",
                            member.text(), group.text());
    if (!done) return done.error();
    return counts;
  });
}

Result<TokenHash> Admin::create_session(const Principal& principal, std::string_view token,
                                        Expiry expires, const std::optional<Network>& address) {
  if (auto fit = check_token(token); !fit) return fit.error();
  const TokenHash id = TokenHash::of(token);
  return impl_->write([&]() -> Result<TokenHash> {
    auto added = impl_->change(
        "INSERT INTO sessions (id, principal, expires, address, created)"
        " VALUES (?1, ?2, ?3, nullif(?4, ''), ?5) ON CONFLICT (id) DO NOTHING",
        id.hex(), principal.text(), to_column(expires), address ? address->text() : std::string(),
        to_column(impl_->now()));
    if (!added) return added.error();
    if (*added == 0) {
      return Error{ErrorKind::kConflict,
                   fmt::format("that token has a session already, {}; remove it first with: "
                               "grantctl session rm {}",
                               id.hex(), id.hex())};
    }
    return id;
  });
}

Result<std::vector<Session>> Admin::sessions(const std::optional<Principal>& principal) {
  return impl_->read([&]() -> Result<std::vector<Session>> {
    std::vector<Session> found;
    const auto take = [&](const db::Rows& rows) -> Result<void> {
      auto id = TokenHash::parse(rows.text(0));
      if (!id) return Error{ErrorKind::kDatabase, id.error().message};
      auto holder = principal_column(rows, 1);
      if (!holder) return holder.error();
      found.push_back({std::move(*id), std::move(*holder), expiry_column(rows, 2),
                       std::string(rows.text(3)),
                       Timestamp{std::chrono::seconds{rows.integer(4)}}});
      return {};
    };
    auto done = principal ? impl_->for_each(
                                "SELECT id, principal, expires, address, created FROM sessions"
                                " WHERE principal = ?1 ORDER BY created, id",
                                take, principal->text())
                          : impl_->for_each(
                                "SELECT id, principal, expires, address, created FROM sessions"
                                " ORDER BY created, id",
                                take);
    if (!done) return done.error();
    return found;
  });
}

Result<std::int64_t> Admin::Impl::remove_by_id(std::string_view table, std::string_view what,
                                               std::string_view id) {
  if (auto fit = check_id_prefix(id, what); !fit) return fit.error();
  // 'g' follows the last hexadecimal digit: everything that begins with `id` lies in between.
  const std::string begin(id);
  const std::string end = begin + 'g';
  return write([&]() -> Result<std::int64_t> {
    std::int64_t matching = 0;
    auto found = for_each(
        fmt::format("SELECT 1 FROM {} WHERE id >= ?1 AND id < ?2 LIMIT 2", table),
        [&](const db::Rows&) -> Result<void> {
          ++matching;
          return {};
        },
        begin, end);
    if (!found) return found.error();
    if (matching > 1) {
      return Error{ErrorKind::kConflict,
                   fmt::format("several {}s have ids that begin so; give more digits", what)};
    }
    return change(fmt::format("DELETE FROM {} WHERE id >= ?1 AND id < ?2", table), begin, end);
  });
}

Result<RowCounts> Admin::remove_session(std::string_view id) {
  auto removed = impl_->remove_by_id("sessions", "session", id);
  if (!removed) return removed.error();
  RowCounts counts;
  counts.sessions = *removed;
  return counts;
}

Result<RowCounts> Admin::remove_sessions_of(const Principal& principal) {
  return impl_->write([&]() -> Result<RowCounts> {
    RowCounts counts;
    auto done = impl_->count_change(counts.sessions, "DELETE FROM sessions WHERE principal = ?1",
                                    principal.text());
    if (!done) return done.error();
    return counts;
  });
}

}  // namespace grantfs
