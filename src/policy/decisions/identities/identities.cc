#include "policy/decisions/identities/identities.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "db/rows.h"
#include "values/bound_address.h"
#include "values/expiry.h"

namespace grantfs {
namespace {

constexpr std::string_view kSession =
    "SELECT principal, expires, address FROM sessions WHERE id = ?1";
constexpr std::string_view kLink =
    "SELECT principal, path, expires, address, uses FROM links WHERE id = ?1";
constexpr std::string_view kParents = "SELECT parent, expires FROM members WHERE member = ?1";
constexpr std::string_view kChildren = "SELECT member FROM members WHERE parent = ?1";

/// Adds a principal that is not there yet. `via`: none for a seed.
void add(Holdings& found, std::string principal, std::optional<std::size_t> via, bool live,
         const Expiry& until) {
  const bool known =
      std::ranges::any_of(found, [&](const Holding& h) { return h.principal == principal; });
  if (!known) found.push_back({std::move(principal), via.value_or(found.size()), live, until});
}

}  // namespace

Identities::Identities(DecisionDatabase& database, db::Preparer& prepare)
    : database_(database),
      session_(prepare(kSession)),
      link_(prepare(kLink)),
      parents_(prepare(kParents)),
      children_(prepare(kChildren)) {}

std::vector<std::string_view> Identities::statements() {
  return {kSession, kLink, kParents, kChildren};
}

Result<std::optional<Explanation::Session>> Identities::session_by_source(
    const SessionBearer& bearer) {
  using Found = std::optional<Explanation::Session>;
  if (database_.source() == nullptr) return Found();
  auto who = database_.source()->who(bearer.token.view());
  if (!who) return who.error();
  if (!*who) return Found();
  return Found(Explanation::Session{std::move((*who)->principal), (*who)->expires, {}});
}

Result<std::optional<Explanation::Session>> Identities::find_session(const TokenHash& id) {
  using Found = std::optional<Explanation::Session>;
  db::Rows rows = session_.run(id.hex());
  auto row = rows.next();
  if (!row) return row.error();
  if (!*row) return Found();
  auto principal = Principal::parse(rows.text(0));
  if (!principal) return database_.damaged(principal.error().message);
  return Found(Explanation::Session{std::move(*principal), to_expiry(rows.maybe_integer(1)),
                                    std::string(rows.text(2))});
}

Result<std::optional<Explanation::Link>> Identities::find_link(const TokenHash& id) {
  using Found = std::optional<Explanation::Link>;
  db::Rows rows = link_.run(id.hex());
  auto row = rows.next();
  if (!row) return row.error();
  if (!*row) return Found();
  auto principal = Principal::parse(rows.text(0));
  if (!principal) return database_.damaged(principal.error().message);
  auto path = StorePath::parse(rows.text(1));
  if (!path) return database_.damaged(path.error().message);
  return Found(Explanation::Link{std::move(*principal), std::move(*path),
                                 to_expiry(rows.maybe_integer(2)), std::string(rows.text(3)),
                                 rows.maybe_integer(4)});
}

Result<std::optional<Identities::Bearer>> Identities::bearer_of(const Identity& identity,
                                                                Timestamp now, Explanation* why) {
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

Result<Holdings> Identities::holdings(const Identity& identity, Timestamp now, Expired expired,
                                      Explanation* why) {
  Holdings found;
  if (std::holds_alternative<SignatureBearer>(identity) ||
      std::holds_alternative<Md5Bearer>(identity)) {
    return found;
  }
  Expiry identity_until;
  const auto add_seed = [&](const Principal& principal) {
    add(found, principal.text(), {}, true, identity_until);
  };

  if (const auto* user = std::get_if<SystemUser>(&identity)) {
    add_seed(Principal::uid(user->uid));
    for (const gid_t gid : database_.options().groups(user->uid)) add_seed(Principal::gid(gid));
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
  if (auto done = follow_memberships(found, now, expired); !done) return done.error();
  return found;
}

Result<std::vector<Principal>> Identities::count_as(const Principal& principal, std::size_t most) {
  std::vector<Principal> found{principal};
  std::set<std::string, std::less<>> known{principal.text()};
  for (std::size_t i = 0; i < found.size() && found.size() <= most; ++i) {
    const std::string parent = found[i].text();
    db::Rows rows = children_.run(parent);
    while (found.size() <= most) {
      auto row = rows.next();
      if (!row) return row.error();
      if (!*row) break;
      auto member = Principal::parse(rows.text(0));
      if (!member) return database_.damaged(member.error().message);
      if (known.insert(member->text()).second) found.push_back(std::move(*member));
    }
  }
  return found;
}

Result<void> Identities::follow_memberships(Holdings& found, Timestamp now, Expired expired) {
  // Breadth first, live memberships before expired ones, so that the first way to reach a group
  // is a live one wherever there is one. Each group is entered once: cycles end.
  for (const bool live_pass : {true, false}) {
    if (!live_pass && expired == Expired::kIgnore) break;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const std::string member = found[i].principal;
      db::Rows rows = parents_.run(member);
      while (true) {
        auto row = rows.next();
        if (!row) return row.error();
        if (!*row) break;
        const Expiry expires = to_expiry(rows.maybe_integer(1));
        const bool live = found[i].live && is_live(expires, now);
        if (live || !live_pass) {
          add(found, std::string(rows.text(0)), i, live, earlier(found[i].until, expires));
        }
      }
    }
  }
  return {};
}

}  // namespace grantfs
