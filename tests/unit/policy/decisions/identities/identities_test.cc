#include "policy/decisions/identities/identities.h"

#include <algorithm>

#include "policy/decisions/decision_fixture.h"

namespace grantfs {
namespace {

class IdentitiesTest : public DecisionTest {
 protected:
  std::vector<std::string> principals(const Identity& identity,
                                      Identities::Expired expired = Identities::Expired::kIgnore) {
    auto found = identities_->holdings(identity, now_, expired);
    EXPECT_TRUE(found);
    std::vector<std::string> texts;
    for (const Holding& holding : *found) texts.push_back(holding.principal);
    return texts;
  }

  using Texts = std::vector<std::string>;
  std::unique_ptr<Identities> identities_ = part<Identities>();
};

TEST_F(IdentitiesTest, GroupsFollowFromMembersOnceEachAndInTheOrderOfTheirWay) {
  sql("INSERT INTO members (member, parent) VALUES ('user:a', 'group:1'), ('group:1', 'group:2'),"
      " ('group:2', 'group:1'), ('public', 'group:all')");
  EXPECT_EQ(principals(named("user:a")),
            (Texts{"user:a", "public", "group:1", "group:all", "group:2"}));
}

TEST_F(IdentitiesTest, WhoCountsAsAPrincipalIsFollowedDownOnceEach) {
  sql("INSERT INTO members (member, parent, expires) VALUES ('user:a', 'group:1', NULL),"
      " ('group:1', 'group:2', NULL), ('group:2', 'group:1', NULL), ('user:b', 'group:2', 7)");
  const auto who = [&](const char* text, std::size_t most) {
    auto found = identities_->count_as(principal(text), most);
    EXPECT_TRUE(found);
    Texts texts;
    for (const Principal& each : *found) texts.push_back(each.text());
    std::ranges::sort(texts);
    return texts;
  };
  EXPECT_EQ(who("group:2", 10), (Texts{"group:1", "group:2", "user:a", "user:b"}));
  EXPECT_EQ(who("user:a", 10), Texts{"user:a"});
  EXPECT_EQ(who("group:2", 2).size(), 3U);  // one more than asked for: there are more
}

TEST_F(IdentitiesTest, ASystemUserIsItsUidAndTheGroupsOfTheSystem) {
  groups_ = {5, 6};
  EXPECT_EQ(principals(SystemUser{1000}), (Texts{"uid:1000", "gid:5", "gid:6", "public"}));
}

TEST_F(IdentitiesTest, AMembershipThatHasExpiredIsFollowedForAnExplanationAlone) {
  sql("INSERT INTO members (member, parent, expires) VALUES ('user:a', 'group:1', 2000000000)");
  EXPECT_EQ(principals(named("user:a")), (Texts{"user:a", "public"}));
  EXPECT_EQ(principals(named("user:a"), Identities::Expired::kFollow),
            (Texts{"user:a", "public", "group:1"}));
}

TEST_F(IdentitiesTest, ASessionEndsWhatFollowsFromIt) {
  const TokenHash id = TokenHash::of("token");
  sql("INSERT INTO sessions (id, principal, expires) VALUES ('" + id.hex() +
      "', 'user:a', 2000000010)");
  sql("INSERT INTO members (member, parent, expires) VALUES ('user:a', 'group:1', 2000000020)");
  auto found =
      identities_->holdings(SessionBearer{.session = id}, now_, Identities::Expired::kIgnore);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 3U);
  EXPECT_EQ(found->back().principal, "group:1");
  EXPECT_EQ(found->back().until, now_ + std::chrono::seconds{10});
  now_ += std::chrono::seconds{10};
  EXPECT_EQ(principals(SessionBearer{.session = id}), Texts{});
}

TEST_F(IdentitiesTest, ALinkThatIsBoundToAnAddressStandsForNobodyElsewhere) {
  const TokenHash id = TokenHash::of("token");
  sql("INSERT INTO links (id, principal, path, address) VALUES ('" + id.hex() +
      "', 'user:a', 'x', '192.0.2.0/24')");
  const auto from = [&](const char* text) {
    return principals(LinkBearer{.link = id, .from = Address::parse(text).value()});
  };
  EXPECT_EQ(from("192.0.2.1"), (Texts{"user:a", "public"}));
  EXPECT_EQ(from("192.0.3.1"), Texts{});
  EXPECT_EQ(principals(LinkBearer{.link = id}), Texts{});
}

}  // namespace
}  // namespace grantfs
