// Who an identity is: whom a token stands for, and the groups that follow; see reader.h.
#include <algorithm>
#include <utility>

#include "policy/decisions/reader.h"
#include "policy/decisions/reader_impl.h"

namespace grantfs {

bool counts_from(const std::string& address, const std::optional<Address>& from) {
  if (address.empty()) return true;
  const auto network = Network::parse(address);
  return from && network && network->contains(*from);
}

Result<Reader::Holdings> Reader::holdings(const Identity& identity, Timestamp now, Expired expired,
                                          Explanation* why) {
  const std::string name = memory_name(identity);
  if (name.empty() || expired == Expired::kFollow) {
    return find_holdings(identity, now, expired, why);
  }
  if (const Holdings* known = remembered_.holdings(name, now)) return *known;
  auto found = find_holdings(identity, now, expired, why);
  if (found && !found->empty()) remembered_.keep(name, *found, now);
  return found;
}

Result<std::optional<Explanation::Session>> Reader::session_by_source(const SessionBearer& bearer) {
  using Found = std::optional<Explanation::Session>;
  if (source_ == nullptr) return Found();
  auto who = source_->who(bearer.token);
  if (!who) return who.error();
  if (!*who) return Found();
  return Found(Explanation::Session{std::move((*who)->principal), (*who)->expires, {}});
}

Result<std::optional<Explanation::Session>> Reader::find_session(const TokenHash& id) {
  using Found = std::optional<Explanation::Session>;
  db::Rows rows = statements_.session.run(id.hex());
  auto row = rows.next();
  if (!row) return row.error();
  if (!*row) return Found();
  auto principal = Principal::parse(rows.text(0));
  if (!principal) return damaged(options_.database, principal.error().message);
  return Found(Explanation::Session{std::move(*principal), to_expiry(rows.maybe_integer(1)),
                                    std::string(rows.text(2))});
}

Result<std::optional<Explanation::Link>> Reader::find_link(const TokenHash& id) {
  using Found = std::optional<Explanation::Link>;
  db::Rows rows = statements_.link.run(id.hex());
  auto row = rows.next();
  if (!row) return row.error();
  if (!*row) return Found();
  auto principal = Principal::parse(rows.text(0));
  if (!principal) return damaged(options_.database, principal.error().message);
  auto path = StorePath::parse(rows.text(1));
  if (!path) return damaged(options_.database, path.error().message);
  return Found(Explanation::Link{std::move(*principal), std::move(*path),
                                 to_expiry(rows.maybe_integer(2)), std::string(rows.text(3)),
                                 rows.maybe_integer(4)});
}

Result<std::optional<Reader::Bearer>> Reader::bearer_of(const Identity& identity, Timestamp now,
                                                        Explanation* why) {
  const auto judge = [&](const auto& token, const auto& from) -> std::optional<Bearer> {
    if (!token || !is_live(token->expires, now) || !counts_from(token->address, from)) return {};
    return Bearer{token->principal, token->expires};
  };
  if (const auto* bearer = std::get_if<SessionBearer>(&identity)) {
    auto session = find_session(bearer->session);
    if (session && !*session) session = session_by_source(*bearer);
    if (!session) return session.error();
    if (why != nullptr) why->session = *session;
    return judge(*session, bearer->from);
  }
  const auto& bearer = std::get<LinkBearer>(identity);
  auto link = find_link(bearer.link);
  if (!link) return link.error();
  if (why != nullptr) why->link = *link;
  return judge(*link, bearer.from);
}

Result<Reader::Holdings> Reader::find_holdings(const Identity& identity, Timestamp now,
                                               Expired expired, Explanation* why) {
  Holdings found;
  if (std::holds_alternative<SignatureBearer>(identity) ||
      std::holds_alternative<Md5Bearer>(identity)) {
    return found;
  }
  Expiry identity_until;
  const auto add = [&](std::string principal, std::optional<std::size_t> via, bool live,
                       const Expiry& until) {
    const bool known =
        std::ranges::any_of(found, [&](const Holding& h) { return h.principal == principal; });
    if (!known) found.push_back({std::move(principal), via.value_or(found.size()), live, until});
  };
  const auto add_seed = [&](const Principal& principal) {
    add(principal.text(), {}, true, identity_until);
  };

  if (const auto* user = std::get_if<SystemUser>(&identity)) {
    add_seed(Principal::uid(user->uid));
    for (const gid_t gid : options_.groups(user->uid)) add_seed(Principal::gid(gid));
  } else if (const auto* named = std::get_if<Named>(&identity)) {
    add_seed(named->principal);
  } else if (!std::holds_alternative<Anyone>(identity)) {
    auto bearer = bearer_of(identity, now, why);
    if (!bearer) return bearer.error();
    if (!*bearer) return Holdings();
    identity_until = (*bearer)->until;
    add_seed((*bearer)->principal);
  }
  add_seed(Principal::everyone());

  // Breadth first, live memberships before expired ones, so that the first way to reach a group
  // is a live one wherever there is one. Each group is entered once: cycles end.
  for (const bool live_pass : {true, false}) {
    if (!live_pass && expired == Expired::kIgnore) break;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const std::string member = found[i].principal;
      db::Rows rows = statements_.parents.run(member);
      while (true) {
        auto row = rows.next();
        if (!row) return row.error();
        if (!*row) break;
        const Expiry expires = to_expiry(rows.maybe_integer(1));
        const bool live = found[i].live && is_live(expires, now);
        if (live || !live_pass) {
          add(std::string(rows.text(0)), i, live, earlier(found[i].until, expires));
        }
      }
    }
  }
  return found;
}

Result<std::vector<Principal>> Reader::principals(const Identity& identity) {
  auto held = snapshot();
  if (!held) return held.error();
  auto who = holdings(identity, options_.clock(), Expired::kIgnore);
  if (!who) return who.error();
  std::vector<Principal> principals;
  for (const Holding& holding : *who) {
    auto principal = Principal::parse(holding.principal);
    if (!principal) return damaged(options_.database, principal.error().message);
    principals.push_back(std::move(*principal));
  }
  return principals;
}

}  // namespace grantfs
