// losses() against a naive oracle: who could see what before a commit, and who after it.

#include <fmt/core.h>

#include <algorithm>
#include <random>
#include <set>

#include "support/random_policy_fixture.h"

#include "db/rows.h"

namespace grantfs {
namespace {

class FeedOracleTest : public RandomPolicyTest {
 protected:
  FeedOracleTest() {
    for (const TokenHash& token : tokens_) {
      identities_.push_back(SessionBearer{token});
      identities_.push_back(LinkBearer{token});
    }
    for (const char* name : {"user:a", "user:b", "group:g"}) identities_.push_back(named(name));
    EXPECT_TRUE(policy_->losses());
  }

  /// A statement that takes nothing from anybody, whatever the tables hold.
  std::string any_gain() {
    switch (std::uniform_int_distribution(0, 9)(random_)) {
      case 0:
        return fmt::format(
            "INSERT INTO owners (path, principal) SELECT {0}, {1}"
            " WHERE NOT EXISTS (SELECT 1 FROM owners WHERE path = {0})",
            any_path(), any_principal());
      case 1:
        return "REPLACE INTO owners (path, principal) SELECT path, principal FROM owners";
      case 2:
        return fmt::format(
            "INSERT INTO grants (principal, path, rights, expires) SELECT {0}, {1}, {2}, {3} WHERE"
            " NOT EXISTS (SELECT 1 FROM grants WHERE principal = {0} AND path = {1})",
            any_principal(), any_path(), any_rights(), any_expiry());
      case 3:
        return "UPDATE grants SET expires = expires + 1, rights = 'own'";
      case 4:
        return fmt::format(
            "REPLACE INTO grants (principal, path, rights) SELECT principal, path,"
            " 'own' FROM grants WHERE path = {}",
            any_path());
      case 5:
        return fmt::format(
            "INSERT INTO grants (principal, path, rights) VALUES ({}, {}, 'own')"
            " ON CONFLICT DO UPDATE SET expires = excluded.expires, rights = excluded.rights",
            any_principal(), any_path());
      case 6:
        return fmt::format("REPLACE INTO members (member, parent) VALUES ({}, {})", any_principal(),
                           any_group());
      case 7:
        return "UPDATE members SET expires = expires + 1";
      case 8:
        return "REPLACE INTO sessions (id, principal, expires) SELECT id, principal, expires + 1"
               " FROM sessions";
      default:
        return "UPDATE sessions SET expires = expires + 1, address = NULL";
    }
  }

  struct View {
    std::set<std::string> principals;  ///< all that the identity counts as
    std::vector<Access> access;        ///< by path
  };

  /// What each identity is and sees, looked up one by one.
  std::vector<View> look() {
    std::vector<View> views;
    for (const Identity& identity : identities_) {
      View view;
      for (const StorePath& at : paths_)
        view.access.push_back(policy_->decide(identity, at).value().access);
      std::string seed = "public";
      if (std::holds_alternative<SystemUser>(identity)) seed = "uid:7";
      if (const auto* name = std::get_if<Named>(&identity)) seed = name->principal.text();
      const auto* through = std::get_if<LinkBearer>(&identity);
      if (through != nullptr) {
        auto link = writer_->prepare("SELECT principal FROM links WHERE id = ?");
        db::Rows rows = link->run(through->link.hex());
        if (*rows.next()) seed = rows.text(0);
      }
      if (const auto* bearer = std::get_if<SessionBearer>(&identity)) {
        auto session = writer_->prepare("SELECT principal FROM sessions WHERE id = ?");
        db::Rows rows = session->run(bearer->session.hex());
        if (*rows.next()) seed = rows.text(0);
      }
      auto closure = writer_->prepare(
          "WITH RECURSIVE who(p) AS (VALUES (?1), ('public') UNION SELECT parent FROM members"
          " JOIN who ON member = p WHERE expires IS NULL OR expires > ?2) SELECT p FROM who");
      db::Rows rows = closure->run(seed, kNow);
      while (*rows.next()) view.principals.emplace(rows.text(0));
      views.push_back(std::move(view));
    }
    return views;
  }

  /// Whether the losses tell of this identity and path.
  bool named_by(const Losses& lost, std::size_t identity, const View& before, const StorePath& at) {
    const auto* bearer = std::get_if<SessionBearer>(&identities_[identity]);
    const auto* link = std::get_if<LinkBearer>(&identities_[identity]);
    return lost.unexplained ||
           std::ranges::any_of(lost.paths,
                               [&](const StorePath& p) { return p.covers(at) || at.covers(p); }) ||
           std::ranges::any_of(
               lost.members,
               [&](const Principal& p) { return before.principals.contains(p.text()); }) ||
           (bearer != nullptr && std::ranges::count(lost.tokens, bearer->session) > 0) ||
           (link != nullptr && std::ranges::count(lost.tokens, link->link) > 0);
  }

  std::vector<Identity> identities_{Anyone{}, SystemUser{7}};
  const std::vector<StorePath> paths_{path(""),      path("a"),   path("a/b"), path("a/b/c"),
                                      path("a/b/x"), path("a/d"), path("e"),   path("f")};
};

TEST_F(FeedOracleTest, WhoeverLosesAccessIsNamed) {
  constexpr int kCommits = 800;
  int lost_something = 0;
  int explained = 0;
  auto before = look();
  for (int i = 0; i < kCommits; ++i) {
    sql(fmt::format("PRAGMA recursive_triggers = {}", pick({"ON", "OFF"})));
    std::vector<std::string> statements;
    for (int n = std::uniform_int_distribution(1, 3)(random_); n > 0; --n) {
      statements.push_back(any_change());
    }
    const Commit done = commit(statements);
    auto after = look();
    auto lost = policy_->losses();
    ASSERT_TRUE(lost) << lost.error().message;
    // What a refused statement wrote before it was undone may leave a commit that changes nothing.
    ASSERT_TRUE(!lost->unexplained || done.refused) << "seed " << seed_ << ", commit " << i << ":\n"
                                                    << done.statements;
    explained += lost->unexplained ? 0 : 1;
    for (std::size_t who = 0; who < identities_.size(); ++who) {
      for (std::size_t at = 0; at < paths_.size(); ++at) {
        // kClosed < kNone < kPassage < kRead
        if (after[who].access[at] >= before[who].access[at]) continue;
        ++lost_something;
        ASSERT_TRUE(named_by(*lost, who, before[who], paths_[at]))
            << "seed " << seed_ << ", commit " << i << ", identity " << who << " lost '"
            << paths_[at].text() << "' by:\n"
            << done.statements;
      }
    }
    before = std::move(after);
  }
  EXPECT_GT(lost_something, 100);
  EXPECT_GT(explained, kCommits / 2);
}

TEST_F(FeedOracleTest, WhatOnlyGrantsOrExtendsLosesNothing) {
  constexpr int kRounds = 200;
  for (int i = 0; i < kRounds; ++i) {
    std::vector<std::string> changes(3);
    std::ranges::generate(changes, [this] { return any_change(); });
    commit(changes);
    ASSERT_TRUE(policy_->losses());
    const auto before = look();
    std::vector<std::string> gains(2);
    std::ranges::generate(gains, [this] { return any_gain(); });
    const Commit done = commit(gains);
    const auto after = look();
    auto lost = policy_->losses();
    ASSERT_TRUE(lost) << lost.error().message;
    ASSERT_TRUE(lost->empty() || (done.refused && lost->unexplained))
        << "seed " << seed_ << ", round " << i << ":\n"
        << done.statements;
    for (std::size_t who = 0; who < identities_.size(); ++who) {
      for (std::size_t at = 0; at < paths_.size(); ++at) {
        ASSERT_GE(after[who].access[at], before[who].access[at])
            << "seed " << seed_ << ", round " << i << ":\n"
            << done.statements;
      }
    }
  }
}

}  // namespace
}  // namespace grantfs
