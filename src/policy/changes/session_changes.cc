#include "policy/changes/session_changes.h"

#include "policy/changes/token_rows.h"
#include "values/expiry.h"

namespace grantfs {

Result<TokenHash> SessionChanges::create_session(const Principal& principal, std::string_view token,
                                                 Expiry expires,
                                                 const std::optional<Network>& address) {
  if (auto fit = check_token(token); !fit) return fit.error();
  const TokenHash id = TokenHash::of(token);
  return connection_.write([&]() -> Result<TokenHash> {
    auto added = connection_.change(
        "INSERT INTO sessions (id, principal, expires, address, created)"
        " VALUES (?1, ?2, ?3, nullif(?4, ''), ?5) ON CONFLICT (id) DO NOTHING",
        id.hex(), principal.text(), unix_seconds(expires),
        address ? address->text() : std::string(), unix_seconds(connection_.now()));
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

Result<std::vector<Session>> SessionChanges::sessions(const std::optional<Principal>& principal) {
  return connection_.read([&]() -> Result<std::vector<Session>> {
    std::vector<Session> found;
    const auto take = [&](const ChangeRow& rows) -> Result<void> {
      auto id = TokenHash::parse(rows.text(0));
      if (!id) return Error{ErrorKind::kDatabase, id.error().message};
      auto holder = principal_column(rows, 1);
      if (!holder) return holder.error();
      found.push_back({std::move(*id), std::move(*holder), expiry_column(rows, 2),
                       std::string(rows.text(3)), to_timestamp(rows.integer(4))});
      return {};
    };
    auto done = principal ? connection_.for_each(
                                "SELECT id, principal, expires, address, created FROM sessions"
                                " WHERE principal = ?1 ORDER BY created, id",
                                take, principal->text())
                          : connection_.for_each(
                                "SELECT id, principal, expires, address, created FROM sessions"
                                " ORDER BY created, id",
                                take);
    if (!done) return done.error();
    return found;
  });
}

Result<RowCounts> SessionChanges::remove_session(std::string_view id) {
  auto removed = remove_by_id(connection_, "sessions", "session", id);
  if (!removed) return removed.error();
  RowCounts counts;
  counts.sessions = *removed;
  return counts;
}

Result<RowCounts> SessionChanges::remove_sessions_of(const Principal& principal) {
  return connection_.write([&]() -> Result<RowCounts> {
    RowCounts counts;
    auto done = connection_.count_change(
        counts.sessions, "DELETE FROM sessions WHERE principal = ?1", principal.text());
    if (!done) return done.error();
    return counts;
  });
}

}  // namespace grantfs
