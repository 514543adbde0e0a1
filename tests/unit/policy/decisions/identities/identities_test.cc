#include "policy/decisions/identities/identities.h"

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
