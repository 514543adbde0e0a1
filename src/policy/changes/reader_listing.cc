#include "policy/changes/reader_listing.h"

#include <algorithm>
#include <map>
#include <queue>
#include <set>
#include <tuple>

#include "grantfs/policy.h"
#include "policy/changes/key_changes.h"
#include "policy/changes/link_changes.h"
#include "values/expiry.h"

namespace grantfs {
namespace {

/// The members of groups that have not expired. Each group is asked for once.
class Members {
 public:
  struct Member {
    Principal principal;
    Expiry expires;
  };

  Members(ChangeConnection& connection, std::int64_t now) : connection_(connection), now_(now) {}

  Result<const std::vector<Member>*> of(const Principal& group) {
    const auto [place, is_new] = known_.try_emplace(group.text());
    if (!is_new) return &place->second;
    std::vector<Member>& members = place->second;
    auto done = connection_.for_each(
        "SELECT member, expires FROM members"
        " WHERE parent = ?1 AND (expires IS NULL OR expires > ?2) ORDER BY member",
        [&](const ChangeRow& row) -> Result<void> {
          auto member = principal_column(row, 0);
          if (!member) return member.error();
          members.push_back({std::move(*member), expiry_column(row, 1)});
          return {};
        },
        group.text(), now_);
    if (!done) return done.error();
    return &members;
  }

 private:
  ChangeConnection& connection_;
  const std::int64_t now_;
  std::map<std::string, std::vector<Member>> known_;
};

/// How a principal comes to be that of a rule, and until when.
struct Way {
  std::vector<Principal> membership;  ///< the rule's principal first
  Expiry until;
};

/// Whether `a` is worse than `b`: it ends earlier or, where both end together, is longer.
bool is_worse(const Way& a, const Way& b) {
  if (a.until != b.until) return a.until && (!b.until || *a.until < *b.until);
  return a.membership.size() > b.membership.size();
}

/// Adds everybody whom the rule lets in, each by the way that lasts longest.
Result<void> add_readers(const Rule& rule, Members& members, std::vector<PathReader>& readers) {
  std::priority_queue<Way, std::vector<Way>, decltype(&is_worse)> ways(is_worse);
  std::set<std::string> reached;
  ways.push({{rule.principal}, rule.expires});
  while (!ways.empty()) {
    const Way way = ways.top();
    ways.pop();
    const Principal& at = way.membership.back();
    if (!reached.insert(at.text()).second) continue;
    readers.push_back({at, rule, {way.membership.rbegin(), way.membership.rend()}, way.until});
    // A group of the machine and everyone have members too, but not in the policy. A principal of
    // any kind may be written as a parent by mistake; only a group is looked for as one.
    if (at.kind() != Principal::Kind::kGroup) continue;
    auto found = members.of(at);
    if (!found) return found.error();
    for (const Members::Member& member : **found) {
      Way longer = way;
      longer.membership.push_back(member.principal);
      longer.until = earlier(way.until, member.expires);
      ways.push(std::move(longer));
    }
  }
  return {};
}

/// The reader by whose right the principal reads, and lasts longest: itself, everyone, or a group
/// of the machine that it belongs to. None: it has no right.
const PathReader* right_of(const Principal& principal, const std::vector<PathReader>& readers) {
  std::set<std::string> names{principal.text(), Principal::everyone().text()};
  if (principal.kind() == Principal::Kind::kUid) {
    const auto uid = static_cast<uid_t>(std::stoul(std::string(principal.name())));
    for (const gid_t gid : system_groups()(uid)) names.insert(Principal::gid(gid).text());
  }
  const PathReader* best = nullptr;
  for (const PathReader& reader : readers) {
    if (!names.contains(reader.principal.text())) continue;
    const bool lasts_longer =
        best == nullptr || (best->until && (!reader.until || *reader.until > *best->until));
    if (lasts_longer) best = &reader;
  }
  return best;
}

Result<void> add_rules(ChangeConnection& connection, std::string_view at, std::int64_t now,
                       std::vector<Rule>& rules) {
  const auto add = [&](const ChangeRow& row, Rule::Kind kind) -> Result<void> {
    auto principal = principal_column(row, 0);
    if (!principal) return principal.error();
    auto path = path_column(row, 1);
    if (!path) return path.error();
    rules.push_back({kind, std::move(*principal), std::move(*path), expiry_column(row, 2)});
    return {};
  };
  auto owners = connection.for_each(
      "SELECT principal, path, NULL FROM owners WHERE path = ?1",
      [&](const ChangeRow& row) { return add(row, Rule::Kind::kOwner); }, at);
  if (!owners) return owners;
  return connection.for_each(
      "SELECT principal, path, expires FROM grants"
      " WHERE path = ?1 AND (expires IS NULL OR expires > ?2)",
      [&](const ChangeRow& row) { return add(row, Rule::Kind::kGrant); }, at, now);
}

Result<void> add_links(ChangeConnection& connection, std::string_view at, std::int64_t now,
                       PathReaders& found) {
  return connection.for_each(
      "SELECT id, principal, path, expires, address, uses, created, label FROM links"
      " WHERE path = ?1 AND (expires IS NULL OR expires > ?2) ORDER BY created, id",
      [&](const ChangeRow& row) -> Result<void> {
        auto link = link_row(row);
        if (!link) return link.error();
        if (const PathReader* right = right_of(link->principal, found.readers)) {
          found.links.push_back({std::move(*link), *right});
        }
        return {};
      },
      at, now);
}

Result<void> add_keys(ChangeConnection& connection, std::string_view at, std::int64_t now,
                      PathReaders& found) {
  return connection.for_each(
      "SELECT id, format, uri_prefix, path, created, retired FROM signing_keys"
      " WHERE path = ?1 AND (retired IS NULL OR retired > ?2) ORDER BY created, id",
      [&](const ChangeRow& row) -> Result<void> {
        auto key = signing_key_row(row);
        if (!key) return key.error();
        found.keys.push_back(std::move(*key));
        return {};
      },
      at, now);
}

}  // namespace

Result<PathReaders> ReaderListing::readers(const StorePath& path) {
  return connection_.read([&]() -> Result<PathReaders> {
    const std::int64_t now = unix_seconds(connection_.now());
    const auto way = path.self_and_ancestors();
    std::vector<Rule> rules;
    for (const std::string_view at : way) {
      auto added = add_rules(connection_, StorePath::spelling_of(at), now, rules);
      if (!added) return added.error();
    }
    PathReaders found;
    Members members(connection_, now);
    for (const Rule& rule : rules) {
      if (auto added = add_readers(rule, members, found.readers); !added) return added.error();
    }
    for (const std::string_view at : way) {
      const std::string_view spelling = StorePath::spelling_of(at);
      if (auto added = add_links(connection_, spelling, now, found); !added) return added.error();
      if (auto added = add_keys(connection_, spelling, now, found); !added) return added.error();
    }
    std::ranges::sort(found.readers, {}, [](const PathReader& reader) {
      return std::tie(reader.principal, reader.rule.path, reader.rule.kind, reader.rule.principal);
    });
    return found;
  });
}

}  // namespace grantfs
