// Decisions, listings and explanations against a naive oracle: rows in vectors, looked through one
// by one, as the rules are written down in grantfs(7).

#include <fmt/core.h>

#include <cstdlib>
#include <random>
#include <set>

#include "support/policy_fixture.h"

namespace grantfs {
namespace {

struct Row {
  std::string a;
  std::string b;
  std::optional<std::int64_t> expires;
  bool live(std::int64_t now) const { return !expires || *expires > now; }
};

/// A small world, so that rules often meet.
struct World {
  std::map<std::string, std::string> owners;                   // path -> principal
  std::map<std::pair<std::string, std::string>, Row> grants;   // (principal, path)
  std::map<std::pair<std::string, std::string>, Row> members;  // (member, parent)
};

bool covers(const std::string& rule, const std::string& path) {
  return rule.empty() || rule == path || path.starts_with(rule + "/");
}

std::set<std::string> closure(const World& world, std::set<std::string> who, std::int64_t now) {
  who.insert("public");
  for (bool grew = true; grew;) {
    grew = false;
    for (const auto& [key, row] : world.members) {
      if (row.live(now) && who.contains(row.a)) grew |= who.insert(row.b).second;
    }
  }
  return who;
}

Access expected(const World& world, const std::set<std::string>& who, const std::string& path,
                std::int64_t now) {
  bool below = false;
  const auto consider = [&](const std::string& rule) {
    if (covers(rule, path)) return true;
    below |= covers(path, rule);
    return false;
  };
  for (const auto& [rule, owner] : world.owners) {
    if (who.contains(owner) && consider(rule)) return Access::kRead;
  }
  for (const auto& [key, row] : world.grants) {
    if (row.live(now) && who.contains(row.a) && consider(row.b)) return Access::kRead;
  }
  return below ? Access::kPassage : Access::kNone;
}

class PolicyOracleTest : public PolicyTest {
 protected:
  template <class Choices>
  const auto& pick(const Choices& choices) {
    return choices[std::uniform_int_distribution<std::size_t>(0, choices.size() - 1)(random_)];
  }
  bool chance(double probability) { return std::bernoulli_distribution(probability)(random_); }

  std::string any_path() {
    // Names that sort on both sides of '/', that begin each other, and that no encoding has.
    static const std::vector<std::string> names{"a",  "b",        "a-",  "a.b",
                                                "a0", "\xff\xfe", "a b", "\x01"};
    std::string text;
    for (int depth = std::uniform_int_distribution(0, 4)(random_); depth > 0; --depth) {
      if (!text.empty()) text += '/';
      text += pick(names);
    }
    return text;
  }

  std::optional<std::int64_t> any_expiry() {
    static const std::vector<std::optional<std::int64_t>> choices{std::nullopt, kNow - 1, kNow,
                                                                  kNow + 1};
    return pick(choices);
  }

  World any_world() {
    World world;
    sql("BEGIN; DELETE FROM owners; DELETE FROM grants; DELETE FROM members");
    auto own = writer_->prepare("INSERT OR REPLACE INTO owners (path, principal) VALUES (?, ?)");
    auto grant = writer_->prepare(
        "INSERT OR REPLACE INTO grants (principal, path, expires) VALUES (?, ?, ?)");
    auto join = writer_->prepare(
        "INSERT OR REPLACE INTO members (member, parent, expires) VALUES (?, ?, ?)");
    for (int i = std::uniform_int_distribution(0, 4)(random_); i > 0; --i) {
      const std::string path = any_path(), principal = pick(kPrincipals);
      EXPECT_TRUE(own->execute(StorePath::spelling_of(path), principal));
      world.owners[path] = principal;
    }
    for (int i = std::uniform_int_distribution(0, 8)(random_); i > 0; --i) {
      const Row row{pick(kPrincipals), any_path(), any_expiry()};
      EXPECT_TRUE(grant->execute(row.a, StorePath::spelling_of(row.b), row.expires));
      world.grants[{row.a, row.b}] = row;
    }
    for (int i = std::uniform_int_distribution(0, 6)(random_); i > 0; --i) {
      const Row row{pick(kPrincipals), pick(kGroups), any_expiry()};
      EXPECT_TRUE(join->execute(row.a, row.b, row.expires));
      world.members[{row.a, row.b}] = row;
    }
    sql("COMMIT");
    return world;
  }

  const std::vector<std::string> kGroups{"group:g", "group:h", "group:i"};
  const std::vector<std::string> kPrincipals{"user:a",  "user:b", "group:g", "group:h",
                                             "group:i", "uid:7",  "gid:50",  "public"};
  std::mt19937_64 random_;
};

TEST_F(PolicyOracleTest, RandomPoliciesAreDecidedListedAndExplainedAsTheRulesSay) {
  const char* given = std::getenv("GRANTFS_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  fmt::print("seed {} (repeat with GRANTFS_SEED={})\n", seed, seed);
  random_.seed(seed);

  constexpr int kWorlds = 400;
  constexpr int kQuestions = 100;
  for (int world_number = 0; world_number < kWorlds; ++world_number) {
    const World world = any_world();
    for (int question = 0; question < kQuestions; ++question) {
      groups_ = chance(0.5) ? std::vector<gid_t>{50} : std::vector<gid_t>{};
      std::set<std::string> seeds;
      Identity identity = Anyone{};
      switch (std::uniform_int_distribution(0, 2)(random_)) {
        case 0:
          break;
        case 1:
          identity = SystemUser{7};
          seeds = {"uid:7"};
          if (!groups_.empty()) seeds.insert("gid:50");
          break;
        default: {
          const auto& who = pick(kPrincipals);
          identity = named(who);
          seeds = {who};
        }
      }
      const auto who = closure(world, seeds, kNow);
      const std::string at = any_path();
      const Access want = expected(world, who, at, kNow);
      ASSERT_EQ(decide(identity, at), want) << "seed " << seed << ", world " << world_number;
      auto why = policy_->explain(identity, path(at));
      ASSERT_TRUE(why);
      ASSERT_EQ(why->access, want) << "seed " << seed << ", world " << world_number;
      if (want == Access::kRead) {
        ASSERT_TRUE(why->rule && why->rule->path.covers(path(at))) << "seed " << seed;
        ASSERT_TRUE(who.contains(why->rule->principal.text())) << "seed " << seed;
      }

      // Children: every name that any rule could show, decided one by one.
      auto listing = policy_->list(identity, path(at));
      ASSERT_TRUE(listing);
      ASSERT_EQ(listing->access, want) << "seed " << seed;
      if (want == Access::kRead) continue;
      std::set<std::string> candidates;
      const auto consider = [&](const std::string& rule) {
        if (!covers(at, rule) || rule == at) return;
        const auto rest = rule.substr(at.empty() ? 0 : at.size() + 1);
        candidates.insert(rest.substr(0, rest.find('/')));
      };
      for (const auto& [rule, owner] : world.owners) consider(rule);
      for (const auto& [key, row] : world.grants) consider(row.b);
      std::string want_names, got_names;
      for (const auto& name : candidates) {
        const auto child = expected(world, who, at.empty() ? name : at + "/" + name, kNow);
        if (child != Access::kNone)
          want_names += fmt::format("{}:{} ", name, static_cast<int>(child));
      }
      for (const auto& name : listing->names) {
        got_names += fmt::format("{}:{} ", name.name, static_cast<int>(name.access));
      }
      ASSERT_EQ(got_names, want_names)
          << "seed " << seed << ", world " << world_number << ", folder " << at;
    }
  }
}

}  // namespace
}  // namespace grantfs
