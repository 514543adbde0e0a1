#include "grantfs/admin.h"

#include <gtest/gtest.h>

#include <thread>

#include "db/connection.h"
#include "support/temporary_directory.h"

namespace grantfs {
namespace {

using std::chrono::seconds;

class AdminTest : public testing::Test {
 protected:
  AdminTest() {
    EXPECT_TRUE(init_database(database_));
    admin_ = std::move(Admin::open(database_, [this] { return now_; })).value();
  }

  static Principal principal(std::string_view text) { return Principal::parse(text).value(); }
  static StorePath path(std::string_view text) {
    return StorePath::parse(StorePath::spelling_of(text)).value();
  }

  void own(std::string_view who, std::string_view at) {
    ASSERT_TRUE(admin_->own(principal(who), {path(at)}));
  }
  void grant(std::string_view who, std::string_view at, Expiry expires = std::nullopt) {
    ASSERT_TRUE(admin_->grant(principal(who), path(at), expires));
  }
  void add_member(std::string_view group, std::string_view member, Expiry expires = std::nullopt) {
    ASSERT_TRUE(admin_->add_member(principal(group), principal(member), expires));
  }

  /// Every rule, one "path principal own|read" each.
  std::vector<std::string> rules(std::string_view at = "", std::string_view holder = "") {
    auto found =
        admin_->rules(path(at), holder.empty() ? std::optional<Principal>() : principal(holder));
    EXPECT_TRUE(found) << found.error().message;
    std::vector<std::string> lines;
    for (const Rule& rule : *found) {
      lines.push_back(rule.path.text() + ' ' + rule.principal.text() +
                      (rule.kind == Rule::Kind::kOwner ? " own" : " read"));
    }
    return lines;
  }
  using Lines = std::vector<std::string>;

  TemporaryDirectory directory_;
  std::filesystem::path database_ = directory_.path() / "policy.db";
  Timestamp now_{seconds{2'000'000'000}};
  std::unique_ptr<Admin> admin_;
};

TEST_F(AdminTest, ANewOwnerDisplacesTheOld) {
  own("user:a", "x");
  auto displaced = admin_->own(principal("user:b"), {path("x"), path("y")});
  ASSERT_TRUE(displaced);
  EXPECT_EQ(displaced->at(0), principal("user:a"));
  EXPECT_EQ(displaced->at(1), std::nullopt);
  EXPECT_EQ(rules(), (Lines{"x user:b own", "y user:b own"}));
}

TEST_F(AdminTest, OwningAgainDisplacesNobody) {
  own("user:a", "x");
  auto displaced = admin_->own(principal("user:a"), {path("x")});
  ASSERT_TRUE(displaced);
  EXPECT_EQ(displaced->at(0), std::nullopt);
}

TEST_F(AdminTest, ASecondGrantSetsTheExpiryAnew) {
  grant("user:a", "x", now_ + seconds{100});
  grant("user:a", "x", now_ + seconds{10});
  EXPECT_EQ(admin_->rules(path("x"), {})->at(0).expires, now_ + seconds{10});
  grant("user:a", "x");
  EXPECT_EQ(admin_->rules(path("x"), {})->at(0).expires, std::nullopt);
  EXPECT_EQ(rules().size(), 1U);
}

TEST_F(AdminTest, ARevokedGrantIsGoneAndNothingElse) {
  grant("user:a", "x");
  grant("user:b", "x");
  grant("user:a", "x/y");
  auto counts = admin_->revoke(principal("user:a"), path("x"));
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->grants, 1);
  EXPECT_EQ(counts->total(), 1);
  EXPECT_EQ(rules(), (Lines{"x user:b read", "x/y user:a read"}));
}

TEST_F(AdminTest, RevokingTakesTheOwnershipTooButOnlyOnesOwn) {
  own("user:a", "x");
  grant("user:a", "x");
  EXPECT_EQ(admin_->revoke(principal("user:b"), path("x"))->total(), 0);
  auto counts = admin_->revoke(principal("user:a"), path("x"));
  EXPECT_EQ(counts->owners, 1);
  EXPECT_EQ(counts->grants, 1);
  EXPECT_EQ(rules(), Lines{});
}

TEST_F(AdminTest, EveryRuleBelowAMovedFolderFollows) {
  own("user:a", "x");
  own("user:b", "x/y");
  grant("user:c", "x/y");
  grant("user:d", "x/y");
  grant("user:e", "x/y/z");
  own("user:f", "x.txt");  // '.' sorts before '/'
  own("user:g", "x0");     // '0' sorts after it
  auto counts = admin_->move(path("x"), path("n/m"));
  ASSERT_TRUE(counts) << counts.error().message;
  EXPECT_EQ(counts->owners, 2);
  EXPECT_EQ(counts->grants, 3);
  EXPECT_EQ(rules(),
            (Lines{"n/m user:a own", "n/m/y user:b own", "n/m/y user:c read", "n/m/y user:d read",
                   "n/m/y/z user:e read", "x.txt user:f own", "x0 user:g own"}));
}

TEST_F(AdminTest, PathsThatAreNotUtf8AreMovedByteForByte) {
  own("user:a", "\xff\xc3/\xe2\x82/\xf0\x9f");
  own("user:b", "\xc3\xa4\xc3\xb6/c");
  ASSERT_TRUE(admin_->move(path("\xff\xc3"), path("\xfe")));
  ASSERT_TRUE(admin_->move(path("\xc3\xa4\xc3\xb6"), path("o")));
  EXPECT_EQ(rules(), (Lines{"o/c user:b own", "\xfe/\xe2\x82/\xf0\x9f user:a own"}));
}

TEST_F(AdminTest, NothingIsMovedOntoRulesThatAreThere) {
  own("user:a", "x");
  own("user:b", "y/z");
  auto refused = admin_->move(path("x"), path("y"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  EXPECT_FALSE(admin_->move(path("x"), path("y/z")));
  EXPECT_TRUE(admin_->move(path("x"), path("y/zz")));
}

TEST_F(AdminTest, AMoveThatMakesNoSenseIsRefused) {
  own("user:a", "x");
  const auto kind = [&](const char* from, const char* to) {
    return admin_->move(path(from), path(to)).error().kind;
  };
  EXPECT_EQ(kind("x", "x"), ErrorKind::kInvalid);
  EXPECT_EQ(kind("x", "x/y"), ErrorKind::kInvalid);
  EXPECT_EQ(kind("x/y", "x"), ErrorKind::kInvalid);
  EXPECT_EQ(kind("", "y"), ErrorKind::kInvalid);
  EXPECT_EQ(kind("x", ""), ErrorKind::kInvalid);
  EXPECT_EQ(kind("none", "y"), ErrorKind::kNotFound);
}

TEST_F(AdminTest, AMoveThatWouldMakeAPathTooLongChangesNothing) {
  own("user:a", "x");
  own("user:b", "x/" + std::string(4000, 'n'));
  auto refused = admin_->move(path("x"), path(std::string(200, 'm')));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(rules().front(), "x user:a own");
}

TEST_F(AdminTest, DroppingAFolderDropsWhatIsBelowAndNotItsNamesakes) {
  own("user:a", "x");
  grant("user:b", "x/y/z");
  own("user:c", "x-1");
  own("user:d", "x0");
  auto counts = admin_->drop(path("x"));
  EXPECT_EQ(counts->owners, 1);
  EXPECT_EQ(counts->grants, 1);
  EXPECT_EQ(rules(), (Lines{"x-1 user:c own", "x0 user:d own"}));
  EXPECT_EQ(admin_->drop(path("none"))->total(), 0);
}

TEST_F(AdminTest, ForgettingAPrincipalDeletesAllThatNamesIt) {
  own("group:g", "x");
  grant("group:g", "y");
  add_member("group:g", "user:a");
  add_member("group:h", "group:g");
  // By plain SQL there may be such a row.
  ASSERT_TRUE(db::Connection::open(database_, db::Mode::kWrite)
                  ->execute("INSERT INTO members (member, parent) VALUES ('group:g', 'group:g')"));
  ASSERT_TRUE(admin_->create_session(principal("group:g"), generate_token().view(), {}));
  own("user:a", "z");
  auto counts = admin_->forget(principal("group:g"));
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->owners, 1);
  EXPECT_EQ(counts->grants, 1);
  EXPECT_EQ(counts->members, 3);
  EXPECT_EQ(counts->sessions, 1);
  EXPECT_EQ(rules(), (Lines{"z user:a own"}));
  EXPECT_TRUE(admin_->memberships({})->empty());
}

TEST_F(AdminTest, RulesOfAPathAreThoseOnItBelowItAndAbove) {
  grant("public", "");
  own("user:a", "x");
  grant("user:b", "x/y");
  own("user:b", "x/y");
  grant("user:c", "x/y/z");
  own("user:d", "x/other");
  own("user:e", "x/y2");
  EXPECT_EQ(rules("x/y"), (Lines{" public read", "x user:a own", "x/y user:b own",
                                 "x/y user:b read", "x/y/z user:c read"}));
}

TEST_F(AdminTest, RulesOfAHolderAreThoseThatLetItIn) {
  grant("user:a", "own");
  grant("group:g", "by-group");
  grant("group:h", "by-groups-group");
  grant("group:gone", "by-expired-membership");
  grant("user:a", "expired", now_ - seconds{1});
  grant("public", "everyones");
  grant("user:b", "anothers");
  add_member("group:g", "user:a");
  add_member("group:h", "group:g");
  add_member("group:g", "group:h");  // a cycle
  add_member("group:gone", "user:a", now_);
  EXPECT_EQ(rules("", "user:a"),
            (Lines{"by-group group:g read", "by-groups-group group:h read", "everyones public read",
                   "expired user:a read", "own user:a read"}));
}

TEST_F(AdminTest, ASecondMembershipSetsTheExpiryAnew) {
  add_member("group:g", "user:b", now_ + seconds{5});
  add_member("group:g", "user:b");
  add_member("group:g", "user:a");
  add_member("group:f", "user:z");
  auto all = admin_->memberships({});
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ(all->at(0).group, principal("group:f"));
  EXPECT_EQ(all->at(1).member, principal("user:a"));
  EXPECT_EQ(all->at(2).expires, std::nullopt);
  EXPECT_EQ(admin_->memberships(principal("group:g"))->size(), 2U);
}

TEST_F(AdminTest, OnlyGroupsOfTheApplicationTakeMembers) {
  auto refused = admin_->add_member(principal("gid:5"), principal("user:a"), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
  EXPECT_FALSE(admin_->remove_member(principal("user:g"), principal("user:a")));
}

TEST_F(AdminTest, ARemovedMemberIsGone) {
  add_member("group:g", "user:a");
  EXPECT_EQ(admin_->remove_member(principal("group:g"), principal("user:a"))->members, 1);
  EXPECT_EQ(admin_->remove_member(principal("group:g"), principal("user:a"))->total(), 0);
}

TEST_F(AdminTest, ASessionIsStoredByItsHashAlone) {
  const std::string token(generate_token().view());
  auto id = admin_->create_session(principal("user:a"), token, now_ + seconds{9});
  ASSERT_TRUE(id);
  EXPECT_EQ(*id, TokenHash::of(token));
  auto sessions = admin_->sessions(principal("user:a"));
  ASSERT_TRUE(sessions);
  ASSERT_EQ(sessions->size(), 1U);
  EXPECT_EQ(sessions->at(0).id, *id);
  EXPECT_EQ(sessions->at(0).expires, now_ + seconds{9});
  EXPECT_EQ(sessions->at(0).created, now_);
  EXPECT_EQ(sessions->at(0).address, "");
  EXPECT_TRUE(admin_->sessions(principal("user:b"))->empty());
}

TEST_F(AdminTest, ATokenHasOneSessionAndIsNotRepeatedInARefusal) {
  const std::string token(generate_token().view());
  ASSERT_TRUE(admin_->create_session(principal("user:a"), token, {}));
  auto again = admin_->create_session(principal("user:b"), token, {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(again.error().message.find(token), std::string::npos);
  EXPECT_EQ(admin_->sessions({})->at(0).principal, principal("user:a"));
  EXPECT_FALSE(admin_->create_session(principal("user:a"), "short", {}));
}

TEST_F(AdminTest, ASessionIsRemovedByItsIdOrABeginningThatIsItsAlone) {
  const auto insert = [&](const std::string& id) {
    auto connection = db::Connection::open(database_, db::Mode::kWrite);
    ASSERT_TRUE(connection);
    auto statement =
        connection->prepare("INSERT INTO sessions (id, principal) VALUES (?, 'user:a')");
    ASSERT_TRUE(statement);
    ASSERT_TRUE(statement->execute(std::string_view(id)));
  };
  insert("aaaaaaaa1" + std::string(55, '0'));
  insert("aaaaaaaa2" + std::string(55, '0'));
  insert(std::string(64, 'f'));
  EXPECT_EQ(admin_->remove_session("aaaaaaaa").error().kind, ErrorKind::kConflict);
  EXPECT_EQ(admin_->remove_session("aaaaaaa").error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(admin_->remove_session("bbbbbbbb")->total(), 0);
  EXPECT_EQ(admin_->remove_session("aaaaaaaa1")->sessions, 1);
  EXPECT_EQ(admin_->remove_session("aaaaaaaa")->sessions, 1);
  EXPECT_EQ(admin_->remove_session(std::string(64, 'f'))->sessions, 1);
}

TEST_F(AdminTest, WhatIsNoSessionIdIsNotRepeated) {
  const std::string token(generate_token().view());
  for (const std::string& id : {token, std::string("FFFFFFFFFF"), std::string(65, 'a')}) {
    auto refused = admin_->remove_session(id);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
    EXPECT_EQ(refused.error().message.find(id), std::string::npos);
  }
}

TEST_F(AdminTest, AllSessionsOfAPrincipalEndTogether) {
  for (const char* who : {"user:a", "user:a", "user:b"}) {
    ASSERT_TRUE(admin_->create_session(principal(who), generate_token().view(), {}));
  }
  EXPECT_EQ(admin_->remove_sessions_of(principal("user:a"))->sessions, 2);
  EXPECT_EQ(admin_->sessions({})->size(), 1U);
}

TEST_F(AdminTest, PruningTakesWhatHasExpiredAndNothingElse) {
  grant("user:a", "x", now_);
  grant("user:a", "y", now_ + seconds{1});
  grant("user:a", "z");
  add_member("group:g", "user:a", now_ - seconds{1});
  add_member("group:g", "user:b");
  ASSERT_TRUE(admin_->create_session(principal("user:a"), generate_token().view(), now_));
  ASSERT_TRUE(admin_->create_session(principal("user:a"), generate_token().view(), {}));
  auto counts = admin_->prune();
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->grants, 1);
  EXPECT_EQ(counts->members, 1);
  EXPECT_EQ(counts->sessions, 1);
  EXPECT_EQ(counts->owners, 0);
  EXPECT_EQ(rules().size(), 2U);
}

TEST_F(AdminTest, AChangeWaitsForAnothersLock) {
  auto other = db::Connection::open(database_, db::Mode::kWrite);
  ASSERT_TRUE(other);
  ASSERT_TRUE(other->execute("BEGIN IMMEDIATE"));
  std::thread release([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{200});
    EXPECT_TRUE(other->execute("COMMIT"));
  });
  grant("user:a", "x");
  release.join();
  EXPECT_EQ(rules().size(), 1U);
}

}  // namespace
}  // namespace grantfs
