// Decisions through links and from addresses, and how uses of links are counted.

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>

#include "db/rows.h"
#include "policy/decisions/link_uses/link_uses.h"
#include "policy/decisions/link_uses/use_database.h"
#include "support/policy_fixture.h"

namespace grantfs {
namespace {

const TokenHash kLink = TokenHash::of("0123456789abcdef");

class LinkTest : public PolicyTest {
 protected:
  void link(const std::string& path, const std::string& rest = "NULL, NULL, NULL") {
    sql(
        fmt::format("REPLACE INTO links (id, principal, path, expires, address, uses)"
                    " VALUES ('{}', 'user:a', '{}', {})",
                    kLink.hex(), StorePath::spelling_of(path), rest));
  }
  static Identity from(const char* address) {
    return LinkBearer{kLink, Address::parse(address).value()};
  }
  std::string listed(const std::string& folder) {
    auto listing = policy_->list(kBearer, path(folder));
    EXPECT_TRUE(listing);
    std::string text = fmt::format("{}", static_cast<int>(listing->access));
    for (const auto& name : listing->names) text += ' ' + name.name;
    return text;
  }

  const Identity kBearer = LinkBearer{kLink};
};

TEST_F(LinkTest, ReachesWhatItIsOnAndTheFolderThatHoldsIt) {
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:a')");
  EXPECT_EQ(decide(kBearer, "a/b"), Access::kClosed);
  link("a/b/c");
  EXPECT_EQ(decide(kBearer, "a/b/c"), Access::kRead);
  EXPECT_EQ(decide(kBearer, "a/b/c/d"), Access::kRead);
  EXPECT_EQ(decide(kBearer, "a/b"), Access::kPassage);
  EXPECT_EQ(policy_->view_root(kBearer)->root, path("a/b"));
  for (const char* outside : {"", "a", "a/b/x", "a/b/cc", "x"}) {
    EXPECT_EQ(decide(kBearer, outside), Access::kNone) << outside;
    EXPECT_EQ(listed(outside), "1") << outside;
  }
  EXPECT_EQ(listed("a/b"), "2 c");
  EXPECT_EQ(listed("a/b/c"), "3");
}

TEST_F(LinkTest, OnTheWholeStoreIsItsPrincipalsView) {
  sql("INSERT INTO owners (path, principal) VALUES ('a/b', 'user:a')");
  link("");
  EXPECT_EQ(decide(kBearer, ""), Access::kPassage);
  EXPECT_EQ(listed(""), "2 a");
  EXPECT_EQ(decide(kBearer, "a/b"), Access::kRead);
  EXPECT_EQ(decide(kBearer, "c"), Access::kNone);
  sql("DELETE FROM owners");
  EXPECT_EQ(decide(kBearer, ""), Access::kClosed);
}

TEST_F(LinkTest, EndsWithItsPrincipalsRightByGroupAndExpiryToo) {
  sql("INSERT INTO grants (principal, path, expires) VALUES ('group:g', 'a', 2000000010);"
      "INSERT INTO members (member, parent, expires) VALUES ('user:a', 'group:g', 2000000005)");
  link("a/b");
  auto door = policy_->view_root(kBearer);
  EXPECT_EQ(door->decision.access, Access::kPassage);
  EXPECT_EQ(door->decision.until, now_ + std::chrono::seconds{5});
  now_ += std::chrono::seconds{5};
  EXPECT_EQ(decide(kBearer, "a"), Access::kClosed);
  EXPECT_EQ(decide(kBearer, "a/b"), Access::kNone);
  auto why = policy_->explain(kBearer, path("a/b"));
  EXPECT_EQ(why->access, Access::kNone);
  EXPECT_TRUE(why->link);
}

TEST_F(LinkTest, EndsAtItsExpiryAndIsKnownAsExpired) {
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:a')");
  link("a", "2000000001, NULL, NULL");
  EXPECT_EQ(decide(kBearer, "a"), Access::kRead);
  EXPECT_FALSE(*policy_->has_expired(kLink));
  now_ += std::chrono::seconds{1};
  EXPECT_EQ(decide(kBearer, "a"), Access::kClosed);
  EXPECT_TRUE(*policy_->has_expired(kLink));
  EXPECT_TRUE(*policy_->knows_link(kLink));
  sql("DELETE FROM links");
  EXPECT_FALSE(*policy_->has_expired(kLink));
  EXPECT_FALSE(*policy_->knows_link(kLink));
}

TEST_F(LinkTest, WhatIsBoundCountsFromThereAlone) {
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:a')");
  sql("INSERT INTO sessions (id, principal, address) VALUES ('" + kLink.hex() +
      "', 'user:a', '2001:db8::/64')");
  link("a", "NULL, '192.0.2.0/24', NULL");
  for (const auto& [address, access] :
       {std::pair("192.0.2.9", Access::kRead), std::pair("::ffff:192.0.2.9", Access::kRead),
        std::pair("192.0.3.9", Access::kClosed), std::pair("2001:db8::1", Access::kClosed)}) {
    EXPECT_EQ(decide(from(address), "a"), access) << address;
    EXPECT_EQ(policy_->explain(from(address), path("a"))->access, access) << address;
  }
  EXPECT_EQ(decide(kBearer, "a"), Access::kClosed);
  EXPECT_EQ(decide(SessionBearer{kLink}, "a"), Access::kClosed);
  EXPECT_EQ(decide(SessionBearer{kLink, {}, Address::parse("2001:db8::9").value()}, "a"),
            Access::kRead);
  EXPECT_EQ(decide(SessionBearer{kLink, {}, Address::parse("192.0.2.9").value()}, "a"),
            Access::kClosed);
}

TEST_F(LinkTest, RandomLinksAreDecidedListedAndExplainedByTheirPrincipalsRules) {
  const char* given = std::getenv("GRANTFS_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  fmt::print("seed {} (repeat with GRANTFS_SEED={})\n", seed, seed);
  std::mt19937_64 random(seed);
  const std::vector<std::string> paths{"",      "a",     "a/b",  "a/b/c", "a/b/c/d",
                                       "a/b/x", "a/b-c", "a/b0", "e",     "e/f"};
  const auto any = [&] {
    return paths[std::uniform_int_distribution<std::size_t>(0, paths.size() - 1)(random)];
  };
  constexpr int kWorlds = 150;
  for (int world = 0; world < kWorlds; ++world) {
    sql("BEGIN; DELETE FROM grants; DELETE FROM owners");
    for (int i = 0; i < 3; ++i) {
      sql(fmt::format("REPLACE INTO grants (principal, path) VALUES ('{}', '{}')",
                      i == 0   ? "public"
                      : i == 1 ? "user:a"
                               : "user:b",
                      StorePath::spelling_of(any())));
    }
    sql(fmt::format("REPLACE INTO owners (path, principal) VALUES ('{}', 'user:a')",
                    StorePath::spelling_of(any())));
    const std::string shared = any();
    link(shared);
    sql("COMMIT");
    const Access its_own = decide(named("user:a"), shared);
    const StorePath door = path(shared).parent();
    for (const std::string& at : paths) {
      Access want = Access::kNone;
      if (path(shared).covers(path(at))) want = decide(named("user:a"), at);
      const bool is_door = path(at) == door;
      if (is_door && its_own == Access::kNone) want = Access::kClosed;
      if (is_door && its_own != Access::kNone && !shared.empty()) want = Access::kPassage;
      const std::string where = fmt::format("seed {}, link on '{}', '{}'", seed, shared, at);
      ASSERT_EQ(decide(kBearer, at), want) << where;
      ASSERT_EQ(policy_->explain(kBearer, path(at))->access, want) << where;
      auto listing = policy_->list(kBearer, path(at));
      ASSERT_EQ(listing->access, want) << where;
      if (want == Access::kPassage && path(at) == door && !shared.empty()) {
        ASSERT_EQ(listing->names.size(), 1U) << where;
        ASSERT_EQ(listing->names[0].name, path(shared).name()) << where;
        ASSERT_EQ(listing->names[0].access, its_own) << where;
      }
    }
  }
}

// --- uses ---------------------------------------------------------------------------------------

class LinkUsesTest : public LinkTest {
 protected:
  LinkUsesTest() {
    link("a", "NULL, NULL, 2");
    restart();
  }
  void restart() { uses_ = make(); }
  std::unique_ptr<LinkUses> make() {
    const Clock clock = [this] { return now_; };
    return std::make_unique<LinkUses>(std::make_unique<UseDatabase>(*policy_, state_, clock),
                                      kWindow, clock);
  }
  /// Seconds that the client may go on for; -1: refused; -2: an error.
  int enter(const std::string& client, std::int64_t uses = 2) {
    auto until = uses_->begin({kLink, client}, uses);
    if (!until) return -2;
    return *until ? static_cast<int>((**until - now_).count()) : -1;
  }
  void pass(int seconds) { now_ += std::chrono::seconds{seconds}; }

  static constexpr std::chrono::minutes kWindow{10};
  const std::filesystem::path state_ = UseDatabase::path_for(database_);
  std::unique_ptr<LinkUses> uses_;
};

TEST_F(LinkUsesTest, AUseLastsForItsWindowAndIsCountedOnce) {
  EXPECT_FALSE(std::filesystem::exists(state_));
  EXPECT_EQ(enter("x"), 600);
  pass(599);
  EXPECT_EQ(enter("x"), 1);
  pass(1);
  EXPECT_EQ(enter("x"), 600);
  pass(600);
  EXPECT_EQ(enter("x"), -1);
  EXPECT_EQ(enter("y"), 600);
  EXPECT_EQ(enter("x", 3), 600);
}

TEST_F(LinkUsesTest, CountsAndWhatIsUnderWayOutliveARestart) {
  EXPECT_EQ(enter("x"), 600);
  pass(100);
  restart();
  EXPECT_EQ(enter("x"), 500);
  pass(500);
  EXPECT_EQ(enter("x"), 600);
  restart();
  pass(600);
  EXPECT_EQ(enter("x"), -1);
}

TEST_F(LinkUsesTest, AClockThatIsSetBackMakesNoUseLonger) {
  EXPECT_EQ(enter("x"), 600);
  pass(-10'000);
  EXPECT_EQ(enter("x"), 600);
  pass(-10'000);
  EXPECT_EQ(enter("x"), -1);
}

TEST_F(LinkUsesTest, WhoeverIsInsideHasTheGraceAndNoMore) {
  EXPECT_FALSE(uses_->current({kLink, "x"}, 2));
  EXPECT_EQ(enter("x"), 600);
  const Expiry end = now_ + std::chrono::seconds{600};
  EXPECT_EQ(uses_->current({kLink, "x"}, 2), end);
  EXPECT_FALSE(uses_->current({kLink, "y"}, 2));
  pass(600);
  EXPECT_EQ(uses_->current({kLink, "x"}, 2), end);
  pass(1);
  EXPECT_FALSE(uses_->current({kLink, "x"}, 2));
  EXPECT_EQ(enter("x"), 600);
  EXPECT_FALSE(uses_->current({kLink, "x"}, 1));  // fewer uses by now
}

TEST_F(LinkUsesTest, TwoDaemonsCountTogether) {
  const auto other = make();
  EXPECT_EQ(enter("x"), 600);
  EXPECT_TRUE(*other->begin({kLink, "x"}, 2));
  pass(600);
  EXPECT_TRUE(*other->begin({kLink, "x"}, 2));
  pass(600);
  EXPECT_EQ(enter("x"), -1);
}

TEST_F(LinkUsesTest, UsesOfLinksThatAreGoneAreForgottenAtTheNextStart) {
  EXPECT_EQ(enter("x"), 600);
  ASSERT_TRUE(uses_->begin({TokenHash::of("gone"), "x"}, 1));
  restart();
  EXPECT_EQ(enter("y"), 600);
  auto connection = db::Connection::open(state_, db::Mode::kRead);
  ASSERT_TRUE(connection);
  EXPECT_EQ(*connection->query_integer("SELECT count(*) FROM uses"), 2);
}

TEST_F(LinkUsesTest, WhatCannotBeCountedIsAnErrorUntilItCan) {
  const auto aside = directory_.path() / "elsewhere";
  for (int round = 0; round < 3; ++round) {
    restart();
    if (round == 0) std::ofstream(state_) << std::string(4096, 'x');
    if (round == 1) std::filesystem::create_symlink(aside, state_);
    if (round == 2) std::filesystem::create_directory(state_);
    EXPECT_EQ(enter("x"), -2) << round;
    std::filesystem::remove(state_);
  }
  EXPECT_FALSE(std::filesystem::exists(aside));
  EXPECT_EQ(enter("x"), 600);
  auto other = db::Connection::open(state_, db::Mode::kWrite);
  ASSERT_TRUE(other && other->execute("BEGIN EXCLUSIVE"));
  EXPECT_EQ(enter("y"), -2);
  EXPECT_EQ(enter("x"), 600);  // counted already
  ASSERT_TRUE(other->execute("ROLLBACK"));
  EXPECT_EQ(enter("y"), 600);
}

TEST_F(LinkUsesTest, WhileOneWaitsForTheDiskWhatIsUnderWayIsAnswered) {
  EXPECT_EQ(enter("x"), 600);
  auto other = db::Connection::open(state_, db::Mode::kWrite);
  ASSERT_TRUE(other && other->execute("BEGIN IMMEDIATE"));
  std::atomic<bool> done = false;
  std::thread waiting([&] {
    EXPECT_EQ(enter("y"), -2);  // after 200 ms
    done = true;
  });
  int answered = 0;
  while (!done) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_TRUE(uses_->current({kLink, "x"}, 2));
    EXPECT_FALSE(uses_->current({kLink, "y"}, 2));
    EXPECT_EQ(enter("x"), 600);
    if (!done) ++answered;
  }
  waiting.join();
  EXPECT_GE(answered, 3);
}

TEST_F(LinkUsesTest, ManyAtOnceAreOneUse) {
  for (int round = 0; round < 20; ++round, pass(600)) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back(
          [&, name = i % 2 == 0 ? "x" : "y"] { EXPECT_EQ(enter(name, 100), 600); });
    }
    for (std::thread& thread : threads) thread.join();
  }
  auto connection = db::Connection::open(state_, db::Mode::kRead);
  ASSERT_TRUE(connection);
  EXPECT_EQ(*connection->query_integer("SELECT sum(used) FROM uses"), 40);
}

TEST_F(LinkUsesTest, TheStateIsAWalThatAWriterSyncs) {
  {
    auto older = db::Connection::open(state_, db::Mode::kCreate);
    ASSERT_TRUE(older && older->execute("PRAGMA application_id = 1198671445;"
                                        "CREATE TABLE uses (link TEXT NOT NULL, client TEXT NOT"
                                        " NULL, used INTEGER NOT NULL, began INTEGER NOT NULL,"
                                        " PRIMARY KEY (link, client)) STRICT, WITHOUT ROWID"));
  }
  EXPECT_EQ(enter("x"), 600);
  auto connection = db::Connection::open(state_, db::Mode::kRead);
  ASSERT_TRUE(connection);
  auto statement = connection->prepare("PRAGMA journal_mode");
  db::Rows rows = statement->run();
  ASSERT_TRUE(*rows.next());
  EXPECT_EQ(rows.text(0), "wal");
}

TEST_F(LinkUsesTest, AJournalThatIsALinkIsNotFollowed) {
  EXPECT_EQ(enter("x"), 600);
  restart();
  const auto aside = directory_.path() / "elsewhere";
  for (const char* suffix : {"-wal", "-shm"}) {
    std::filesystem::create_symlink(aside, state_.string() + suffix);
    EXPECT_EQ(enter("y"), -2) << suffix;
    EXPECT_FALSE(std::filesystem::exists(aside)) << suffix;
    std::filesystem::remove(state_.string() + suffix);
  }
  EXPECT_EQ(enter("y"), 600);
}

TEST_F(LinkUsesTest, ADatabaseOfAnotherKindIsLeftAlone) {
  auto other = db::Connection::open(state_, db::Mode::kCreate);
  ASSERT_TRUE(other && other->execute("CREATE TABLE songs (title TEXT)"));
  EXPECT_EQ(enter("x"), -2);
  EXPECT_EQ(*other->query_integer("SELECT count(*) FROM sqlite_schema"), 1);
}

}  // namespace
}  // namespace grantfs
