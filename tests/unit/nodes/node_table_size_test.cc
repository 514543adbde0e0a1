// What NodeTable does where there is much of something.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "nodes/node_table.h"

namespace grantfs {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kSessions = 300;
constexpr std::size_t kFiles = 200;

/// So many sessions, each of which has looked up the same files in its folder.
class ManyNames : public testing::Test {
 protected:
  struct Session {
    NodeId door;
    NodeId folder;
  };

  ManyNames() {
    by_session_ = table_.remember_fixed(kRootNode, "by-session", NodeKind::kDoor, 1)->node;
    const Loan read = loan("m");
    for (std::size_t i = 0; i < kSessions; ++i) {
      const std::string token = fmt::format("token{}", i);
      auto view = std::make_shared<View>(
          View{SessionBearer{TokenHash::of(token)}, ViewTraits{.may_be_lent = true}});
      view->principal = user(i);
      const NodeId door = table_.remember_view(by_session_, token, view, nullptr)->node;
      const Located folder{
          UniqueFd(), Found{Found::Type::kFolder, true, FileId{99, 99}, 0, {}}, {}};
      sessions_.push_back(
          {door, table_.remember(door, "m", folder, FileNode::kShared, &read)->node});
      for (std::size_t file = 0; file < kFiles; ++file) look_up(sessions_.back(), file, &read);
    }
  }
  static Principal user(std::size_t number) {
    return *Principal::parse(fmt::format("user:{}", number));
  }
  /// Of what may be read by a rule on a path of one letter.
  Loan loan(std::string_view rule) {
    Loan loan{{Access::kRead, {}, 1}, table_.lent().mark()};
    loan.decision.rule = rule_hash(rule);
    return loan;
  }
  void look_up(const Session& session, std::size_t file, const Loan* loan) {
    const Located located{UniqueFd(),
                          Found{Found::Type::kFile, true, FileId{file + 1, file + 1}, 1, {}},
                          FileHandle("handle")};
    const NodeId node =
        table_.remember(session.folder, fmt::format("{}", file), located, FileNode::kShared, loan)
            ->node;
    if (files_.size() <= file) files_.push_back(node);
  }
  bool forget(NodeId node, std::uint64_t count) {
    const auto forgotten = table_.forget(node, count);
    much_ |= forgotten.much;
    return forgotten.gone;
  }
  std::size_t names_since(const NodeGraph::Effort& before) {
    return table_.effort().names - before.names;
  }

  NodeTable table_{1h};
  NodeId by_session_ = 0;
  std::vector<Session> sessions_;
  std::vector<NodeId> files_;
  bool much_ = false;
};

TEST_F(ManyNames, AreForgottenOneByOneFoldersFirst) {
  const auto before = table_.effort();
  for (const Session& session : sessions_) {
    EXPECT_TRUE(forget(session.folder, 1));
    EXPECT_TRUE(forget(session.door, 1));
  }
  for (const NodeId file : files_) EXPECT_TRUE(forget(file, kSessions));
  EXPECT_EQ(table_.size(), 2U);
  EXPECT_LE(names_since(before), kSessions * kFiles + 2 * kSessions + kFiles);
  EXPECT_LE(table_.effort().most_at_once, NodeTable::kAtOnce);
}

TEST_F(ManyNames, AreForgottenOneByOneFilesFirst) {
  const auto before = table_.effort();
  for (const NodeId file : files_) EXPECT_TRUE(forget(file, kSessions));
  for (const Session& session : sessions_) {
    EXPECT_TRUE(forget(session.folder, 1));
    EXPECT_TRUE(forget(session.door, 1));
  }
  EXPECT_EQ(table_.size(), 2U);
  EXPECT_LE(names_since(before), kSessions * kFiles + 2 * kSessions);
  EXPECT_LE(table_.effort().most_at_once, NodeTable::kAtOnce);
}

TEST_F(ManyNames, OfFewFilesAreMuchToGiveBack) {
  for (const NodeId file : files_) forget(file, kSessions);
  EXPECT_TRUE(much_);
}

TEST_F(ManyNames, AreCollectedWithoutKeepingOthersWaiting) {
  const auto before = table_.effort();
  EXPECT_EQ(table_.lent().all_lent().size(), kSessions * (kFiles + 1));
  EXPECT_LE(names_since(before), kSessions * (kFiles + 2) + 1024);
  const TokenHash first = TokenHash::of("token0");
  EXPECT_EQ(table_.lent().lent_in_views_of(first).size(), kFiles + 1);
  const LentEntry door{{by_session_, "token0"}, nullptr, {}, Access::kRead, sessions_[0].door};
  EXPECT_EQ(table_.lent().take_back(door).size(), kFiles + 1);
  EXPECT_TRUE(table_.lent().lent_in_views_of(first).empty());
  EXPECT_LE(table_.effort().most_at_once, NodeTable::kAtOnce);
}

TEST_F(ManyNames, OfWhichOneSessionLosesSomethingCostNothing) {
  const Loan own = loan("o");
  const Located folder{UniqueFd(), Found{Found::Type::kFolder, true, FileId{98, 98}, 0, {}}, {}};
  table_.remember(sessions_[7].door, "o", folder, FileNode::kShared, &own);
  const auto before = table_.effort();
  const auto found = table_.lent().take_resting_on(rule_hash("o"));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].entry.parent, sessions_[7].door);
  EXPECT_TRUE(table_.lent().take_resting_on(rule_hash("none")).empty());
  EXPECT_LE(names_since(before), 3U);
  EXPECT_EQ(table_.lent().lent_in_views_of(user(7)).size(), kFiles + 2);
  EXPECT_EQ(table_.lent().lent_in_views_of(TokenHash::of("token8")).size(), kFiles + 1);
  EXPECT_TRUE(table_.lent().lent_in_views_of(user(kSessions)).empty());
  EXPECT_LE(names_since(before), 2 * (kFiles + 4));
}

TEST_F(ManyNames, ThatAllSessionsLoseAreFoundOnceEach) {
  const auto before = table_.effort();
  EXPECT_EQ(table_.lent().take_resting_on(rule_hash("m")).size(), kSessions);
  EXPECT_LE(names_since(before), kSessions + 1);
  EXPECT_LE(table_.effort().most_at_once, NodeTable::kAtOnce);
}

TEST_F(ManyNames, MayChangeWhileTheyAreCollected) {
  std::atomic<bool> over{false};
  std::thread churn([&] {
    const Loan read = loan("m");
    while (!over) {
      // All of the first session goes, and comes back.
      for (std::size_t file = 0; file < kFiles; ++file) forget(files_[file], 1);
      forget(sessions_[0].folder, 1);
      const Located folder{
          UniqueFd(), Found{Found::Type::kFolder, true, FileId{99, 99}, 0, {}}, {}};
      sessions_[0].folder =
          table_.remember(sessions_[0].door, "m", folder, FileNode::kShared, &read)->node;
      for (std::size_t file = 0; file < kFiles; ++file) look_up(sessions_[0], file, &read);
    }
  });
  // Whatever becomes of the first session, the others' names are all found.
  for (int i = 0; i < 5; ++i) {
    std::set<std::pair<NodeId, std::string>> found;
    for (const KernelEntry& entry : table_.lent().all_lent())
      found.emplace(entry.parent, entry.name);
    EXPECT_GE(found.size(), (kSessions - 1) * (kFiles + 1));
  }
  const TokenHash first = TokenHash::of("token0");
  std::set<std::string> known{"token0", "m"};
  for (std::size_t file = 0; file < kFiles; ++file) known.insert(std::to_string(file));
  bool all_known = true;
  for (int i = 0; i < 10'000; ++i) {
    for (const LentEntry& entry : table_.lent().lent_in_views_of(first)) {
      all_known &= known.contains(entry.entry.name);
    }
  }
  over = true;
  churn.join();
  EXPECT_TRUE(all_known);
  EXPECT_EQ(table_.lent().all_lent().size(), kSessions * (kFiles + 1));
}

TEST(SlotIndexTest, FindsEverythingWhileItGrowsAndShrinks) {
  struct Items {
    std::vector<Slot>& links;
    Slot& link(Slot slot) const { return links[slot]; }
    static std::size_t hash(Slot slot) { return slot * 0x9e3779b97f4a7c15U >> 7U; }
  };
  constexpr Slot kItems = 5000;
  std::vector<Slot> links(kItems + 1);
  const Items items{links};
  SlotIndex index;
  const auto finds = [&](Slot slot) {
    return index.find(Items::hash(slot), items, [&](Slot at) { return at == slot; }) == slot;
  };
  for (Slot slot = 1; slot <= kItems; ++slot) {
    index.insert(slot, items);
    for (Slot there = 1; there <= slot; there += 97) ASSERT_TRUE(finds(there)) << slot;
  }
  for (Slot slot = kItems; slot > 0; --slot) {
    index.erase(slot, items);
    ASSERT_FALSE(finds(slot));
    for (Slot there = 1; there < slot; there += 97) ASSERT_TRUE(finds(there)) << slot;
  }
}

}  // namespace
}  // namespace grantfs
