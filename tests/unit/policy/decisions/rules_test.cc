#include "policy/decisions/rules.h"

#include "policy/decisions/decision_fixture.h"
#include "policy/decisions/listings.h"

namespace grantfs {
namespace {

class RulesTest : public DecisionTest {
 protected:
  Access decide(const Holdings& who, const std::string& at) {
    auto decision = rules_->decide(who, path(at), now_);
    EXPECT_TRUE(decision);
    return decision->access;
  }

  /// "name" where it may be read, "name/" where it leads on.
  std::vector<std::string> list(const Holdings& who, const std::string& folder) {
    auto listing = listings_.list(who, path(folder), now_);
    EXPECT_TRUE(listing);
    std::vector<std::string> names;
    for (const ListedName& listed : listing->names) {
      names.push_back(listed.name + (listed.access == Access::kPassage ? "/" : ""));
    }
    return names;
  }

  using Texts = std::vector<std::string>;
  std::unique_ptr<Rules> rules_ = part<Rules>();
  Listings listings_{*reading_, *rules_};
};

TEST_F(RulesTest, ARuleCoversItsPathAndLeadsThereFromAbove) {
  sql("INSERT INTO owners (path, principal) VALUES ('a/b', 'user:a')");
  const Holdings who = holdings({"user:a", "public"});
  EXPECT_EQ(decide(who, "a/b"), Access::kRead);
  EXPECT_EQ(decide(who, "a/b/c"), Access::kRead);
  EXPECT_EQ(decide(who, "a"), Access::kPassage);
  EXPECT_EQ(decide(who, ""), Access::kPassage);
  EXPECT_EQ(decide(who, "a/bc"), Access::kNone);
  EXPECT_EQ(decide(holdings({"public"}), "a/b"), Access::kNone);
}

TEST_F(RulesTest, ADecisionEndsWithTheGrantOrTheMembershipWhicheverIsFirst) {
  sql("INSERT INTO grants (principal, path, expires) VALUES ('group:1', 'a', 2000000020)");
  Holdings who = holdings({"group:1"});
  EXPECT_EQ(rules_->decide(who, path("a/b"), now_)->until, now_ + std::chrono::seconds{20});
  who.front().until = now_ + std::chrono::seconds{10};
  EXPECT_EQ(rules_->decide(who, path("a/b"), now_)->until, now_ + std::chrono::seconds{10});
  EXPECT_EQ(rules_->decide(who, path("a/b"), now_)->rule_path_bytes, 1U);
  now_ += std::chrono::seconds{20};
  EXPECT_EQ(decide(who, "a"), Access::kNone);
}

TEST_F(RulesTest, ALinkShowsWhatItIsOnAndTheWayThere) {
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:a')");
  const Explanation::Link link{principal("user:a"), path("a/b"), {}, {}, 3};
  const Holdings who = holdings({"user:a"});
  const auto at = [&](const char* text) {
    return rules_->decide_by_link(link, who, path(text), now_).value();
  };
  EXPECT_EQ(at("a").access, Access::kPassage);
  EXPECT_EQ(at("a/b/c").access, Access::kRead);
  EXPECT_EQ(at("a/c").access, Access::kNone);
  EXPECT_EQ(at("a/b").uses, 3);
}

TEST_F(RulesTest, ALinkWhosePrincipalLostThePathIsClosed) {
  const Explanation::Link link{principal("user:a"), path("a/b"), {}, {}, {}};
  EXPECT_EQ(rules_->decide_by_link(link, holdings({"user:a"}), path("a"), now_)->access,
            Access::kClosed);
}

TEST_F(RulesTest, AListingHasEachNameOnceAndTheWidestAccessOfIt) {
  sql("INSERT INTO owners (path, principal) VALUES ('a/b/c', 'user:a'), ('a/b/d/e', 'user:a'),"
      " ('a/b0', 'user:a'), ('a/f', 'user:b')");
  sql("INSERT INTO grants (principal, path) VALUES ('public', 'a/b'), ('user:a', 'g/h')");
  EXPECT_EQ(list(holdings({"user:a", "public"}), "a"), (Texts{"b", "b0"}));
  EXPECT_EQ(list(holdings({"user:a"}), "a"), (Texts{"b/", "b0"}));
  EXPECT_EQ(list(holdings({"user:a"}), ""), (Texts{"a/", "g/"}));
  EXPECT_EQ(list(holdings({"user:c"}), "a"), Texts{});
}

TEST_F(RulesTest, AListingByALinkHasOneName) {
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:a')");
  const Explanation::Link link{principal("user:a"), path("a/b"), {}, {}, {}};
  auto listing = listings_.list_by_link(link, holdings({"user:a"}), path("a"), now_);
  ASSERT_TRUE(listing);
  EXPECT_EQ(listing->access, Access::kPassage);
  ASSERT_EQ(listing->names.size(), 1U);
  EXPECT_EQ(listing->names.front().name, "b");
}

TEST_F(RulesTest, ASnapshotIsAnewAfterACommitAlone) {
  EXPECT_TRUE(reading_->snapshot()->is_anew);
  EXPECT_TRUE(reading_->is_unchanged());
  EXPECT_FALSE(reading_->snapshot()->is_anew);
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:a')");
  EXPECT_FALSE(reading_->is_unchanged());
  EXPECT_TRUE(reading_->snapshot()->is_anew);
}

}  // namespace
}  // namespace grantfs
