#include "nodes/node_table.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <list>
#include <random>
#include <set>

namespace grantfs {
namespace {

using namespace std::chrono_literals;

constexpr ViewTraits kOfServers{.may_be_lent = true};

ViewPointer view_of(const std::string& token) {
  return std::make_shared<View>(View{SessionBearer{TokenHash::of(token)}, kOfServers});
}

Located file(std::uint64_t id) {
  return {UniqueFd(), Found{Found::Type::kFile, true, FileId{id, id}, 5, {}}, FileHandle("handle")};
}

/// A file that changed then.
Located version(std::int64_t changed, bool settled = true) {
  return {UniqueFd(), Found{Found::Type::kFile, settled, FileId{1, 1}, 5, {}, changed},
          FileHandle("handle")};
}

Located folder() {
  return {UniqueFd(), Found{Found::Type::kFolder, true, FileId{99, 99}, 0, {}}, {}};
}

ViewPointer link_view(const std::string& token, const char* root) {
  return std::make_shared<View>(
      View{.identity = LinkBearer{TokenHash::of(token)},
           .traits = kOfServers,
           .root = StorePath::parse(StorePath::spelling_of(root)).value()});
}

class NodeTableTest : public testing::Test {
 protected:
  NodeTableTest() {
    by_session_ = table_.remember_fixed(kRootNode, "by-session", NodeKind::kDoor, 1)->node;
    first_ = door("first");
    second_ = door("second");
  }

  NodeId door(const std::string& token, const Loan* loan = nullptr) {
    return table_.remember_view(by_session_, token, view_of(token), loan)->node;
  }
  NodeId shared(NodeId parent, const char* name, std::uint64_t id, const Loan* loan = nullptr) {
    return table_.remember(parent, name, file(id), FileNode::kShared, loan)->node;
  }
  NodeId below(NodeId parent, const char* name, const Loan* loan = nullptr) {
    return table_.remember(parent, name, folder(), FileNode::kShared, loan)->node;
  }
  /// Of a decision by a rule on this path.
  Loan loan(Access access, std::string_view rule = "") const {
    Loan loan{{access, {}, access == Access::kRead ? rule.size() : 0}, table_.lent().mark()};
    loan.decision.rule = rule_hash(rule);
    return loan;
  }
  /// "path access" of everything lent that rests on a rule on this path, which it does no more
  /// then.
  std::string resting_on(std::string_view rule) {
    std::string text;
    for (const LentEntry& lent : table_.lent().take_resting_on(rule_hash(rule))) {
      text += lent_as(lent.path.text(), lent.lent) + "; ";
    }
    return text;
  }
  bool knows(NodeId node) { return table_.find(node).has_value(); }
  /// "path access" of everything lent in a view.
  std::set<std::string> lent(const std::string& token) {
    std::set<std::string> texts;
    for (const LentEntry& entry : table_.lent().lent_in_views_of(TokenHash::of(token))) {
      texts.insert(fmt::format("{} {}", entry.path.text(), static_cast<int>(entry.lent)));
    }
    return texts;
  }
  static std::string lent_as(const std::string& path, Access access) {
    return fmt::format("{} {}", path, static_cast<int>(access));
  }

  NodeTable table_{1h};
  NodeId by_session_ = 0;
  NodeId first_ = 0;
  NodeId second_ = 0;
};

TEST_F(NodeTableTest, TheNamesInAFolderThatLeadToANodeAreFound) {
  const auto names = [&](NodeId node, NodeId folder) {
    std::set<std::string> found;
    for (const KernelEntry& entry : table_.lent().leading_to(node, folder)) {
      EXPECT_EQ(entry.parent, folder);
      found.insert(entry.name);
    }
    return found;
  };
  using Names = std::set<std::string>;
  EXPECT_EQ(names(first_, by_session_), Names{"first"});
  const NodeId inner = below(first_, "inner");
  EXPECT_EQ(names(inner, first_), Names{"inner"});
  const NodeId file = shared(first_, "one", 1);
  EXPECT_EQ(shared(first_, "two", 1), file);
  EXPECT_EQ(shared(second_, "three", 1), file);
  EXPECT_EQ(names(file, first_), (Names{"one", "two"}));
  EXPECT_EQ(names(file, second_), Names{"three"});
  EXPECT_NE(shared(first_, "two", 2), file);  // another file is in its place
  EXPECT_EQ(names(file, first_), (Names{"one", "two"}));
  table_.forget(inner, 1);
  EXPECT_EQ(names(inner, first_), Names{});
}

TEST_F(NodeTableTest, AFileIsOneNodeInAllViewsAndUnderAllItsNames) {
  const NodeId node = shared(first_, "a", 1);
  EXPECT_EQ(shared(second_, "a", 1), node);
  EXPECT_EQ(shared(first_, "linked", 1), node);
  EXPECT_NE(shared(first_, "b", 2), node);
  EXPECT_EQ(table_.find(node)->view, nullptr);
  EXPECT_EQ(table_.find(node)->handle.view(), "handle");
}

TEST_F(NodeTableTest, AFileThatIsNotSharedIsANodeOfItsOwnAndKnowsItsPath) {
  const NodeId node = shared(first_, "a", 1);
  const auto own = table_.remember(second_, "a", file(1), FileNode::kOfVersion, nullptr);
  EXPECT_NE(own->node, node);
  EXPECT_EQ(table_.find(own->node)->path.text(), "a");
  EXPECT_EQ(shared(first_, "b", 1), node);
}

TEST_F(NodeTableTest, ASharedFileGoesWithItsLastLookupWhateverItsNames) {
  const auto start = table_.size();
  const NodeId node = shared(first_, "a", 1);
  shared(second_, "b", 1);
  shared(first_, "c", 1);
  EXPECT_FALSE(table_.forget(node, 2).gone);
  EXPECT_TRUE(knows(node));
  EXPECT_TRUE(table_.forget(node, 1).gone);
  EXPECT_EQ(table_.size(), start);
  EXPECT_NE(shared(first_, "a", 1), node);  // an id is never used twice
}

TEST_F(NodeTableTest, EntriesOfAForgottenFolderGoThoughTheSharedFileLivesOn) {
  const Loan read = loan(Access::kRead, "a/bc");
  const NodeId node = shared(second_, "name", 1);
  const NodeId in = below(first_, "folder");
  shared(in, "name", 1, &read);
  EXPECT_FALSE(lent("first").empty());
  EXPECT_TRUE(table_.forget(in, 1).gone);
  EXPECT_TRUE(lent("first").empty());
  EXPECT_TRUE(table_.forget(first_, 1).gone);
  EXPECT_TRUE(knows(node));
  EXPECT_TRUE(table_.forget(node, 2).gone);
}

TEST_F(NodeTableTest, WhatTakesThePlaceOfAnotherIsAnotherNodeAndTheOldOneKeepsItsPath) {
  const NodeId before = table_.remember(first_, "a", file(1), FileNode::kOfVersion, nullptr)->node;
  const NodeId after = table_.remember(first_, "a", file(2), FileNode::kOfVersion, nullptr)->node;
  EXPECT_NE(before, after);
  EXPECT_EQ(table_.find(before)->path.text(), "a");
  EXPECT_EQ(table_.find(after)->path.text(), "a");
  EXPECT_TRUE(table_.forget(before, 1).gone);
  EXPECT_EQ(table_.remember(first_, "a", file(2), FileNode::kOfVersion, nullptr)->node, after);
  EXPECT_TRUE(table_.forget(after, 2).gone);
}

TEST_F(NodeTableTest, AFileThatChangedIsAnotherNodeAndTheOneOfBeforeIsToldOnce) {
  const auto put = [&](NodeId parent, const char* name, std::int64_t changed, FileNode whose) {
    return *table_.remember(parent, name, version(changed), whose, nullptr);
  };
  for (const FileNode whose : {FileNode::kOfVersion, FileNode::kShared}) {
    const char* name = whose == FileNode::kShared ? "shared" : "own";
    const auto before = put(first_, name, 1, whose);
    EXPECT_EQ(before.before, 0U);
    EXPECT_EQ(put(first_, name, 1, whose).node, before.node);
    const auto after = put(first_, name, 2, whose);
    EXPECT_NE(after.node, before.node);
    EXPECT_EQ(after.before, before.node);
    EXPECT_EQ(put(first_, name, 2, whose).before, 0U);
  }
  // By its other names it is the new one too, and it goes however it came.
  const NodeId shared_now = put(first_, "shared", 2, FileNode::kShared).node;
  EXPECT_EQ(put(second_, "linked", 2, FileNode::kShared).node, shared_now);
  EXPECT_TRUE(table_.forget(shared_now, 4).gone);
  EXPECT_NE(put(second_, "linked", 2, FileNode::kShared).node, shared_now);
}

TEST_F(NodeTableTest, AKernelThatAsksAtEveryOpenHasOneNodeHoweverAFileChanges) {
  const auto before = table_.remember(first_, "a", version(1), FileNode::kOfName, nullptr);
  const auto after = table_.remember(first_, "a", version(2), FileNode::kOfName, nullptr);
  EXPECT_EQ(after->node, before->node);
  EXPECT_EQ(after->before, 0U);
}

TEST_F(NodeTableTest, AFileThatChangedAMomentAgoIsLentForWhatIsLeftOfItsNodesLease) {
  NodeTable table{1h, 2s, 1h};
  const NodeId door = table.remember_view(kRootNode, "public", view_of("t"), nullptr)->node;
  const auto put = [&](bool settled) {
    return *table.remember(door, "a", version(1, settled), FileNode::kShared, nullptr);
  };
  const auto young = put(false);
  EXPECT_LE(young.fresh_for, 1h);
  const auto again = put(false);
  EXPECT_EQ(again.node, young.node);
  EXPECT_LT(again.fresh_for, young.fresh_for);
  // From here on a change would show: what the kernel has read until now may be from before one.
  const auto settled = put(true);
  EXPECT_NE(settled.node, young.node);
  EXPECT_EQ(settled.fresh_for, std::chrono::nanoseconds::max());
  EXPECT_EQ(put(true).node, settled.node);
  EXPECT_EQ(put(false).node, settled.node);  // the clock was set back
}

TEST_F(NodeTableTest, WithoutALeaseAFileThatChangedAMomentAgoIsAnotherNodeEachTime) {
  const auto put = [&] {
    return table_.remember(first_, "a", version(1, false), FileNode::kShared, nullptr)->node;
  };
  const NodeId first = put();
  EXPECT_NE(put(), first);
}

TEST_F(NodeTableTest, AChangeIsNotedOnceItCannotBeFollowedUnnoticed) {
  const NodeId node = table_.remember(first_, "a", version(1), FileNode::kShared, nullptr)->node;
  EXPECT_FALSE(table_.note_change(node, version(1).found));
  EXPECT_TRUE(table_.note_change(node, version(2, false).found));
  EXPECT_TRUE(table_.note_change(node, version(2).found));
  EXPECT_FALSE(table_.note_change(node, version(2).found));
  // It is the file of then nonetheless: the next lookup makes another.
  EXPECT_NE(table_.remember(first_, "a", version(2), FileNode::kShared, nullptr)->node, node);
}

TEST_F(NodeTableTest, WhatWasLentByANameIsRecalledThoughAnotherFileHasItNow) {
  const Loan read = loan(Access::kRead, "a");
  const NodeId before = shared(first_, "a", 1, &read);
  const NodeId after = shared(first_, "a", 2);  // not lent itself
  EXPECT_TRUE(lent("first").contains(lent_as("a", Access::kRead)));
  table_.forget(before, 1);
  EXPECT_TRUE(lent("first").contains(lent_as("a", Access::kRead)));
  EXPECT_EQ(resting_on("a"), lent_as("a", Access::kRead) + "; ");
  table_.forget(after, 1);
  EXPECT_TRUE(lent("first").empty());
}

TEST_F(NodeTableTest, AFolderThatBecomesAFileIsAnotherNode) {
  const NodeId before = below(first_, "a");
  const NodeId in = shared(before, "b", 1);
  const NodeId after = shared(first_, "a", 2);
  EXPECT_NE(before, after);
  EXPECT_EQ(table_.find(before)->path.text(), "a");
  table_.forget(in, 1);
  EXPECT_TRUE(table_.forget(before, 1).gone);
  EXPECT_TRUE(knows(after));
}

TEST_F(NodeTableTest, ADecisionBegunBeforeARecallIsNotLent) {
  const Loan before = loan(Access::kRead);
  table_.lent().begin_recall();
  EXPECT_FALSE(table_.remember(first_, "a", file(1), FileNode::kShared, &before)->lent);
  EXPECT_FALSE(table_.remember_view(by_session_, "third", view_of("third"), &before)->lent);
  EXPECT_TRUE(lent("first").empty());
  const Loan after = loan(Access::kRead);
  EXPECT_TRUE(table_.remember(first_, "a", file(1), FileNode::kShared, &after)->lent);
  EXPECT_FALSE(table_.remember(first_, "a", file(1), FileNode::kShared, nullptr)->lent);
}

TEST_F(NodeTableTest, ANameThatIsLookedUpThreeTimesInARowIsInSteadyUse) {
  NodeTable table(1h, 1s);
  const NodeId door = table.remember_view(kRootNode, "x", view_of("x"), nullptr)->node;
  const auto is_steady = [&](const char* name) {
    return table.remember(door, name, file(1), FileNode::kShared, nullptr)->is_steady;
  };
  EXPECT_FALSE(is_steady("a"));
  EXPECT_FALSE(is_steady("a"));
  EXPECT_FALSE(is_steady("b"));
  EXPECT_FALSE(is_steady("b"));
  EXPECT_TRUE(is_steady("a"));
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() < start + 2100ms) {
  }
  EXPECT_TRUE(is_steady("a"));  // it has been
  EXPECT_FALSE(is_steady("b"));
  EXPECT_FALSE(is_steady("b"));
  EXPECT_TRUE(is_steady("b"));
}

TEST_F(NodeTableTest, AFolderHoldsFilesInSteadyUseFromOneLeaseOnAndUntilTheyAreOver) {
  const NodeId a = below(first_, "a");
  EXPECT_FALSE(table_.find(a)->holds_steady);
  EXPECT_FALSE(table_.lent().hold_steady(a, 1s, 5s));  // it may have been lent a moment ago
  EXPECT_TRUE(table_.find(a)->holds_steady);
  EXPECT_TRUE(table_.remember(first_, "a", folder(), FileNode::kShared, nullptr)->holds_steady);
  EXPECT_FALSE(table_.remember(first_, "b", folder(), FileNode::kShared, nullptr)->holds_steady);
  EXPECT_FALSE(table_.lent().hold_steady(~NodeId{0}, 1s, 5s));
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!table_.lent().hold_steady(a, 1s, 1s)) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  while (table_.find(a)->holds_steady) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  EXPECT_FALSE(table_.lent().hold_steady(a, 1s, 5s));
}

TEST_F(NodeTableTest, WhatIsLentForLongerCountsAsLentUpToTheRulesPath) {
  NodeTable table(0s);
  const NodeId door = table.remember_view(kRootNode, "x", view_of("x"), nullptr)->node;
  const auto in = [&](NodeId parent, const char* name, const Located& located, const Loan* loan) {
    return table.remember(parent, name, located, FileNode::kShared, loan)->node;
  };
  const NodeId a = in(door, "a", folder(), nullptr);
  const NodeId b = in(a, "b", folder(), nullptr);
  const Loan by_a{{Access::kRead, {}, 1}, table.lent().mark()};
  in(b, "file", file(1), &by_a);
  EXPECT_TRUE(table.lent().lend_for({b, "file"}, by_a, 1h));
  const auto steady = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() < steady + 1100ms) {  // what was lent for no time is over
  }
  std::set<std::string> paths;
  for (const LentEntry& lent : table.lent().lent_in_views_of(TokenHash::of("x")))
    paths.insert(lent.path.text());
  EXPECT_EQ(paths, (std::set<std::string>{"a", "a/b", "a/b/file"}));

  EXPECT_FALSE(table.lent().lend_for({b, "none"}, by_a, 1h));
  EXPECT_FALSE(table.lent().lend_for({~NodeId{0}, "file"}, by_a, 1h));
  table.lent().begin_recall();
  EXPECT_FALSE(table.lent().lend_for({b, "file"}, by_a, 1h));
}

TEST_F(NodeTableTest, TheMostThatWasLentSticksUpToTheRulesPath) {
  const Loan passage = loan(Access::kPassage);
  door("first", &passage);
  const NodeId a = below(first_, "a", &passage);
  const NodeId b = below(a, "b", &passage);
  EXPECT_EQ(lent("first"), (std::set{lent_as("", Access::kPassage), lent_as("a", Access::kPassage),
                                     lent_as("a/b", Access::kPassage)}));
  const Loan read = loan(Access::kRead, "a/b");
  shared(b, "file", 1, &read);
  EXPECT_EQ(lent("first"),
            (std::set{lent_as("", Access::kPassage), lent_as("a", Access::kPassage),
                      lent_as("a/b", Access::kRead), lent_as("a/b/file", Access::kRead)}));
  below(a, "b", &passage);  // less, and later: what the kernel was lent before it may have still
  EXPECT_TRUE(lent("first").contains(lent_as("a/b", Access::kRead)));
  const Loan all = loan(Access::kRead, "");
  shared(b, "other", 2, &all);
  EXPECT_TRUE(lent("first").contains(lent_as("", Access::kRead)));
  EXPECT_TRUE(lent("second").empty());
}

TEST_F(NodeTableTest, WhatRestsOnARuleIsTheHighestThatWasLentByItInEachView) {
  const Loan read = loan(Access::kRead, "a");
  for (const NodeId view : {first_, second_}) {
    const NodeId a = below(view, "a");
    shared(a, "file", 1, &read);
    shared(a, "beside", 2, &read);
  }
  const auto found = table_.lent().take_resting_on(rule_hash("a"));
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NE(found[0].view, found[1].view);
  for (const LentEntry& lent : found) {
    EXPECT_EQ(lent.path.text(), "a");
    EXPECT_EQ(lent.entry.name, "a");
    EXPECT_EQ(lent.lent, Access::kRead);
  }
  EXPECT_EQ(resting_on("a"), "");  // no more
  EXPECT_EQ(resting_on("a/file"), "");
}

TEST_F(NodeTableTest, WhatRestsOnARuleAboveTheViewIsItsDoor) {
  const Loan read = loan(Access::kRead);
  shared(below(first_, "a"), "file", 1, &read);
  EXPECT_EQ(resting_on(""), lent_as("", Access::kRead) + "; ");
}

TEST_F(NodeTableTest, AFolderThatLeadsToARuleRestsOnIt) {
  const Loan passage = loan(Access::kPassage, "a/b/file");
  door("first", &passage);
  const NodeId b = below(below(first_, "a", &passage), "b", &passage);
  const Loan read = loan(Access::kRead, "a/b/file");
  shared(b, "file", 1, &read);
  const Loan other = loan(Access::kPassage, "a/b/other");
  below(first_, "a", &other);  // later, it was another rule that led there
  EXPECT_EQ(resting_on("a/b/file"), lent_as("", Access::kPassage) + "; " +
                                        lent_as("a/b", Access::kPassage) + "; " +
                                        lent_as("a/b/file", Access::kRead) + "; ");
  EXPECT_EQ(resting_on("a/b/other"), lent_as("a", Access::kPassage) + "; ");
}

TEST_F(NodeTableTest, WhatIsDecidedAnewRestsOnTheNewRule) {
  const Loan by_file = loan(Access::kRead, "a");
  shared(first_, "a", 1, &by_file);
  ASSERT_EQ(resting_on("a"), lent_as("a", Access::kRead) + "; ");
  table_.lent().rest_on({first_, "a"}, loan(Access::kRead), 1h);
  EXPECT_EQ(resting_on("a"), "");
  EXPECT_EQ(resting_on(""), lent_as("", Access::kRead) + "; ");
}

/// An entry by which a node is reached, as far as take_back() needs to know it.
LentEntry leading_to(NodeId node) {
  return {{0, ""}, nullptr, StorePath(), Access::kRead, node};
}

TEST_F(NodeTableTest, WhatIsLentBelowAnEntryComesFoldersFirst) {
  const Loan read = loan(Access::kRead, "a");
  const NodeId a = below(first_, "a", &read);
  const NodeId b = below(a, "b", &read);
  shared(b, "file", 1, &read);
  const auto found = table_.lent().take_back(leading_to(a));
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].name, "b");
  EXPECT_EQ(found[1].name, "file");
  EXPECT_TRUE(table_.lent().take_back(leading_to(second_)).empty());
  EXPECT_TRUE(table_.lent().take_back(leading_to(~NodeId{0})).empty());
}

TEST_F(NodeTableTest, WhatWasTakenBackIsNotLentAnyMoreAndMayBeLentAnew) {
  const Loan read = loan(Access::kRead, "a");
  const NodeId a = below(first_, "a", &read);
  shared(below(a, "b", &read), "file", 1, &read);
  EXPECT_EQ(lent("first").size(), 3U);
  const auto resting = table_.lent().take_resting_on(rule_hash("a"));
  ASSERT_EQ(resting.size(), 1U);
  EXPECT_EQ(table_.lent().take_back(resting[0]).size(), 2U);
  EXPECT_TRUE(lent("first").empty());
  EXPECT_EQ(table_.find(a)->lent, Access::kClosed);
  const Loan passage = loan(Access::kPassage);
  below(first_, "a", &passage);
  EXPECT_EQ(lent("first"), std::set{lent_as("a", Access::kPassage)});
}

TEST_F(NodeTableTest, WhatIsDecidedWorseThanItWasLentIsNotLentUntilThatIsTakenBack) {
  const Loan read = loan(Access::kRead, "a");
  const Loan passage = loan(Access::kPassage);
  const NodeId a = below(first_, "a", &read);
  EXPECT_EQ(table_.find(a)->lent, Access::kRead);
  EXPECT_FALSE(table_.remember(first_, "a", folder(), FileNode::kOfName, &passage)->lent);
  EXPECT_TRUE(table_.remember(first_, "a", folder(), FileNode::kOfName, &read)->lent);
}

TEST_F(NodeTableTest, WhatIsLentBelowAFormerFolderIsFoundThoughItsNameLeadsElsewhere) {
  const Loan read = loan(Access::kRead);
  auto elsewhere = std::make_shared<View>(*view_of("first"));
  elsewhere->root = *StorePath::parse("elsewhere");
  shared(first_, "a", 1, &read);
  ASSERT_NE(table_.remember_view(by_session_, "first", elsewhere, &read)->node, first_);
  for (const LentEntry& door : table_.lent().take_resting_on(rule_hash(""))) {
    if (door.view->root.is_root() && door.leads_to == first_) {
      EXPECT_EQ(table_.lent().take_back(door).size(), 1U);
      return;
    }
  }
  FAIL() << "the former door is not known";
}

TEST_F(NodeTableTest, OfAllThatIsLentDoorsAreOnlyThoseThatAre) {
  EXPECT_TRUE(table_.lent().all_lent().empty());
  const Loan read = loan(Access::kRead);
  const Loan file = loan(Access::kRead, "a/file");
  shared(below(first_, "a"), "file", 1, &file);  // by a rule on the file: neither door nor folder
  door("second", &read);
  const auto found = table_.lent().all_lent();
  std::set<std::string> names;
  for (const KernelEntry& entry : found) names.insert(entry.name);
  EXPECT_EQ(found.size(), names.size());
  EXPECT_EQ(names, (std::set<std::string>{"file", "second"}));
}

TEST_F(NodeTableTest, OfTheViewsOfUrisOnlyWhatLedToAFileIsKnown) {
  auto view = std::make_shared<View>();
  view->identity = Md5Bearer{};
  view->traits = {.may_be_lent = true, .is_of_uris = true};
  const NodeId root = table_.remember_view(by_session_, "md5", view, nullptr)->node;
  const auto folder = [&](NodeId parent, const char* name) {
    return table_.remember_empty_folder(parent, name, nullptr)->node;
  };
  const NodeId files = folder(root, "files");
  folder(root, "made-up");
  EXPECT_FALSE(table_.lent().leads_to_uri(by_session_, "md5"));
  const Loan read = loan(Access::kRead, "files/a");
  const NodeId file = shared(files, "a", 1, &read);
  EXPECT_TRUE(table_.lent().leads_to_uri(by_session_, "md5"));
  EXPECT_TRUE(table_.lent().leads_to_uri(root, "files"));
  EXPECT_FALSE(table_.lent().leads_to_uri(root, "made-up"));
  EXPECT_FALSE(table_.lent().leads_to_uri(by_session_, "first"));

  ASSERT_EQ(table_.lent().lent_files_of_uris().size(), 1U);
  EXPECT_EQ(table_.lent().lent_files_of_uris()[0].path.text(), "files/a");
  const NodeId other = shared(files, "a", 2);  // what was lent by the name may be in use still
  ASSERT_EQ(table_.lent().lent_files_of_uris().size(), 2U);
  table_.forget(file, 1);
  table_.forget(other, 1);
  EXPECT_TRUE(table_.lent().lent_files_of_uris().empty());
}

TEST_F(NodeTableTest, WhatExpiresIsTakenOnceInOrderAndOnlyWhatIsLent) {
  const auto at = [](int seconds) { return Timestamp(std::chrono::seconds(seconds)); };
  const auto until = [&](int seconds) {
    return Loan{{Access::kRead, at(seconds), 1}, table_.lent().mark(), true};
  };
  const Loan early = until(10);
  const Loan late = until(20);
  const NodeId a = below(first_, "a", &early);
  const NodeId one = shared(a, "file", 1, &early);
  shared(first_, "b", 2, &late);
  EXPECT_EQ(*table_.lent().next_expiry(), at(10));
  EXPECT_TRUE(table_.lent().take_expired(at(9)).empty());
  const auto taken = table_.lent().take_expired(at(10));
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].path.text(), "a");
  EXPECT_EQ(taken[1].path.text(), "a/file");
  EXPECT_TRUE(table_.lent().take_expired(at(10)).empty());
  EXPECT_EQ(*table_.lent().next_expiry(), at(20));
  // Listed again by the next lookup, and forgotten with the node.
  shared(a, "file", 1, &early);
  table_.forget(one, 2);
  EXPECT_TRUE(table_.lent().take_expired(at(10)).empty());
  EXPECT_EQ(table_.lent().take_expired(at(20)).size(), 1U);
  EXPECT_FALSE(table_.lent().next_expiry());
}

TEST_F(NodeTableTest, WhatNobodyCouldBeLentAnyMoreIsNotListed) {
  NodeTable table(0s);
  const NodeId door = table.remember_view(kRootNode, "x", view_of("x"), nullptr)->node;
  const Loan read{{Access::kRead, {}, 0}, table.lent().mark()};
  EXPECT_TRUE(table.remember(door, "a", file(1), FileNode::kShared, &read)->lent);
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!table.lent().lent_in_views_of(TokenHash::of("x")).empty()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
}

TEST_F(NodeTableTest, AMillionNodesLeaveNothingBehindInWhateverOrderTheyGo) {
  const std::uint64_t seed = std::random_device()();
  fmt::print("seed {}\n", seed);
  std::mt19937_64 random(seed);
  const auto start = table_.size();
  std::size_t after_first = 0;
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<NodeId> nodes;
    for (std::uint64_t i = 0; i < 100'000; ++i) {
      const NodeId parent = i % 3 != 0 || nodes.empty() ? first_ : nodes[0];
      nodes.push_back(i % 1000 == 0 ? below(first_, std::to_string(i).c_str())
                                    : shared(parent, std::to_string(i).c_str(), i + 1));
    }
    std::ranges::shuffle(nodes, random);
    for (const NodeId node : nodes) table_.forget(node, 1);
    nodes = {};
    ASSERT_EQ(table_.size(), start) << "seed " << seed;
    const auto heap = ::mallinfo2();
    const std::size_t in_use = heap.uordblks + heap.hblkhd;
    if (round == 0) after_first = in_use;
    ASSERT_LT(in_use, after_first + 200'000) << "seed " << seed << ", round " << round;
  }
}

/// What the table's contract comes to, with lists that are searched from end to end.
class Model {
 public:
  struct Node {
    std::uint64_t lookups = 0;
    NodeKind kind{};
    std::uint64_t file = 0;
    bool shared = false;
    std::string view;  ///< of a view's root
  };
  struct Entry {
    NodeId parent;
    std::string name;
    NodeId child;
    bool former = false;
    Access lent = Access::kClosed;
  };

  std::map<NodeId, Node> nodes{{kRootNode, {1, NodeKind::kDoor, 0, false, ""}}};
  std::list<Entry> entries;

  Entry* find(NodeId parent, const std::string& name) {
    for (Entry& entry : entries) {
      if (!entry.former && entry.parent == parent && entry.name == name) return &entry;
    }
    return nullptr;
  }
  /// The view that a node is in, and its path; "?" for none.
  std::pair<std::string, std::string> place(NodeId id) {
    std::string path;
    while (nodes.at(id).view.empty()) {
      const Entry* up = entry_to(id);
      if (up == nullptr) return {"?", ""};
      path = path.empty() ? up->name : up->name + '/' + path;
      id = up->parent;
    }
    return {nodes.at(id).view, path};
  }
  Entry* entry_to(NodeId id) {
    for (Entry& entry : entries) {
      if (entry.child == id) return &entry;
    }
    return nullptr;
  }

  /// The node that this lookup must give; zero: a new one.
  NodeId expected(NodeId parent, const std::string& name, NodeKind kind, std::uint64_t of,
                  bool share) {
    if (const Entry* entry = find(parent, name)) {
      const Node& node = nodes.at(entry->child);
      if (node.kind == kind && (kind == NodeKind::kFolder || node.file == of)) return entry->child;
    }
    if (!share || kind != NodeKind::kFile) return 0;
    for (const auto& [id, node] : nodes) {
      if (node.shared && node.file == of) return id;
    }
    return 0;
  }
  /// Whether a decision may be lent: not if it is worse than what was lent by the name.
  bool lends(NodeId parent, const std::string& name, Access access) {
    const Entry* entry = find(parent, name);
    return access != Access::kClosed && (entry == nullptr || entry->lent <= access);
  }
  void remember(NodeId parent, const std::string& name, NodeId id, Node fresh, Access lent,
                std::size_t rule) {
    if (!lends(parent, name, lent)) lent = Access::kClosed;
    Node& node = nodes.try_emplace(id, std::move(fresh)).first->second;
    ++node.lookups;
    Entry* entry = find(parent, name);
    if (entry == nullptr || entry->child != id) {
      const Access before = entry == nullptr ? Access::kClosed : entry->lent;
      if (entry != nullptr) entry->former = true;
      entries.push_front({parent, name, id, false, before});
      entry = &entries.front();
    }
    if (lent == Access::kClosed) return;
    entry->lent = std::max(entry->lent, lent);
    if (lent != Access::kRead) return;
    while (true) {
      const auto path = path_of(*entry);
      if (path.size() < rule) break;
      entry->lent = Access::kRead;
      if (!nodes.at(entry->child).view.empty()) break;
      entry = entry_to(entry->parent);
    }
  }
  std::string path_of(const Entry& entry) {
    if (!nodes.at(entry.child).view.empty()) return "";
    const auto [view, folder] = place(entry.parent);
    return folder.empty() ? entry.name : folder + '/' + entry.name;
  }
  void forget(NodeId id, std::uint64_t count) {
    Node& node = nodes.at(id);
    node.lookups -= std::min(node.lookups, count);
    if (node.lookups > 0) return;
    std::erase_if(entries, [&](const Entry& entry) {
      return entry.parent == id && nodes.at(entry.child).shared;
    });
    release();
  }
  /// Until nothing is left that nobody holds.
  void release() {
    for (auto node = nodes.begin(); node != nodes.end(); ++node) {
      if (node->second.lookups > 0) continue;
      const NodeId id = node->first;
      if (std::ranges::any_of(entries, [&](const Entry& entry) { return entry.parent == id; }))
        continue;
      std::erase_if(entries, [&](const Entry& entry) { return entry.child == id; });
      nodes.erase(node);
      release();
      return;
    }
  }
};

TEST_F(NodeTableTest, DoesWhatANaiveModelDoesWhateverTheOrder) {
  const char* given = std::getenv("GRANTFS_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  fmt::print("seed {} (repeat with GRANTFS_SEED={})\n", seed, seed);
  std::mt19937_64 random(seed);
  const auto below_n = [&](std::uint64_t n) { return random() % n; };
  for (int round = 0; round < 8; ++round) {
    NodeTable table(1h);
    Model model;
    std::set<NodeId> ever{kRootNode};
    for (int step = 0; step < 400; ++step) {
      const auto where = fmt::format("seed {}, round {}, step {}", seed, round, step);
      std::vector<NodeId> folders;
      std::vector<NodeId> all;
      for (const auto& [id, node] : model.nodes) {
        if (id != kRootNode) all.push_back(id);
        // The kernel looks up below what it has looked up, and not forgotten.
        if (node.kind == NodeKind::kFolder && node.lookups > 0) folders.push_back(id);
      }
      if (folders.empty() || below_n(20) == 0) {
        const std::string name(1, static_cast<char>('A' + below_n(3)));
        const auto* known = model.find(kRootNode, name);
        const Loan loan{{Access::kPassage, {}, 0}, table.lent().mark()};
        const auto got = table.remember_view(kRootNode, name, view_of(name), &loan);
        ASSERT_TRUE(got) << where;
        ASSERT_EQ(got->lent, model.lends(kRootNode, name, Access::kPassage)) << where;
        if (known != nullptr) {
          ASSERT_EQ(got->node, known->child) << where;
        } else {
          ASSERT_TRUE(ever.insert(got->node).second) << where;
        }
        model.remember(kRootNode, name, got->node, {0, NodeKind::kFolder, 0, false, name},
                       Access::kPassage, 0);
      } else if (below_n(5) < 3) {
        const NodeId parent = folders[below_n(folders.size())];
        const std::string name(1, static_cast<char>('a' + below_n(4)));
        const bool is_file = below_n(2) == 0;
        const std::uint64_t id = below_n(5) + 1;
        const bool share = model.place(parent).first != "C";
        const auto kind = is_file ? NodeKind::kFile : NodeKind::kFolder;
        const NodeId expected = model.expected(parent, name, kind, id, share);
        const std::array accesses{Access::kClosed, Access::kPassage, Access::kRead};
        const Access access = accesses[below_n(accesses.size())];
        const std::size_t rule = below_n(6);
        Loan loan{{access, {}, rule}, table.lent().mark()};
        loan.decision.rule = rule + 1;
        const auto got = table.remember(parent, name, is_file ? file(id) : folder(),
                                        share ? FileNode::kShared : FileNode::kOfVersion,
                                        access == Access::kClosed ? nullptr : &loan);
        ASSERT_TRUE(got) << where;
        ASSERT_EQ(got->lent, model.lends(parent, name, access)) << where;
        if (expected != 0) {
          ASSERT_EQ(got->node, expected) << where;
        } else {
          ASSERT_TRUE(ever.insert(got->node).second) << where;
        }
        model.remember(parent, name, got->node, {0, kind, is_file ? id : 0, share && is_file, ""},
                       access, rule);
      } else if (!all.empty()) {
        const NodeId id = all[below_n(all.size())];
        const auto count = below_n(4) == 0 ? 1000 : 1 + below_n(3);
        const bool gone = table.forget(id, count).gone;
        model.forget(id, count);
        ASSERT_EQ(gone, !model.nodes.contains(id)) << where;
      }
      table.check();
      ASSERT_EQ(table.size(), model.nodes.size()) << where;
      for (const auto& [id, node] : model.nodes) {
        const auto found = table.find(id);
        ASSERT_TRUE(found) << where << ", node " << id;
        if (node.shared || id == kRootNode) continue;
        ASSERT_EQ(found->path.text(), model.place(id).second) << where << ", node " << id;
      }
      std::map<std::pair<NodeId, std::string>, Access> want;
      for (const Model::Entry& entry : model.entries) {
        if (entry.lent == Access::kClosed) continue;
        Access& most = want[{entry.parent, entry.name}];
        most = std::max(most, entry.lent);
      }
      std::map<std::pair<NodeId, std::string>, Access> have;
      for (const char* token : {"A", "B", "C"}) {
        for (const LentEntry& entry : table.lent().lent_in_views_of(TokenHash::of(token))) {
          Access& most = have[{entry.entry.parent, entry.entry.name}];
          most = std::max(most, entry.lent);
        }
      }
      ASSERT_EQ(have, want) << where;
    }
    for (const NodeId id : ever) {
      ASSERT_EQ(table.find(id).has_value(), model.nodes.contains(id))
          << "seed " << seed << ", round " << round << ", node " << id;
    }
    while (model.nodes.size() > 1) {
      const NodeId id = std::next(model.nodes.begin(), 1 + below_n(model.nodes.size() - 1))->first;
      table.forget(id, 1'000'000);
      model.forget(id, 1'000'000);
      ASSERT_EQ(table.size(), model.nodes.size()) << "seed " << seed << ", round " << round;
    }
    ASSERT_FALSE(table.lent().next_expiry());
  }
}

TEST_F(NodeTableTest, AViewMayBeginDeepInTheStore) {
  const Loan door_loan = loan(Access::kPassage, "a/b/c");
  const NodeId root =
      table_.remember_view(by_session_, "link", link_view("link", "a/b"), &door_loan)->node;
  const Loan by_folder = loan(Access::kRead, "a/b/c");
  const NodeId folder = below(root, "c", &by_folder);
  shared(folder, "f", 7, &by_folder);
  EXPECT_EQ(table_.find(root)->path.text(), "a/b");
  EXPECT_EQ(table_.find(folder)->path.text(), "a/b/c");

  EXPECT_EQ(lent("link"),
            (std::set{lent_as("a/b", Access::kPassage), lent_as("a/b/c", Access::kRead),
                      lent_as("a/b/c/f", Access::kRead)}));
  EXPECT_EQ(resting_on("a/b/c"),
            lent_as("a/b", Access::kPassage) + "; " + lent_as("a/b/c", Access::kRead) + "; ");
  EXPECT_EQ(resting_on("a/b/c/f"), "");

  // A rule above the door: whoever recalls it must find the door.
  const Loan by_top = loan(Access::kRead, "a");
  below(root, "c", &by_top);
  EXPECT_EQ(resting_on("a"), lent_as("a/b", Access::kRead) + "; ");
}

TEST_F(NodeTableTest, ADoorOfOtherProcessesIsAnotherView) {
  const auto process = [] {
    return std::make_shared<BoundProcess>(7, UniqueFd(),
                                          SessionBearer{TokenHash::of("t"), {}, std::nullopt});
  };
  const auto enter = [&](const std::shared_ptr<const BoundProcess>& bound) {
    auto view = std::make_shared<View>(View{.identity = bound->bearer(), .process = bound});
    return table_.remember_view(by_session_, "7", view, nullptr)->node;
  };
  const auto former = process();
  const auto now = process();
  const NodeId before = enter(former);
  EXPECT_EQ(enter(former), before);
  const NodeId after = enter(now);
  EXPECT_NE(after, before);
  EXPECT_EQ(table_.find(before)->view->process, former);
  EXPECT_EQ(table_.find(after)->view->process, now);
}

TEST_F(NodeTableTest, ADoorThatLeadsElsewhereByNowIsAnotherView) {
  const auto enter = [&](const char* root) {
    return table_.remember_view(by_session_, "link", link_view("link", root), nullptr)->node;
  };
  const NodeId before = enter("a");
  EXPECT_EQ(enter("a"), before);
  const NodeId after = enter("b");
  EXPECT_NE(after, before);
  EXPECT_EQ(enter("b"), after);
  EXPECT_EQ(table_.find(before)->path.text(), "a");
  EXPECT_EQ(table_.find(after)->path.text(), "b");
  table_.forget(before, 2);
  EXPECT_FALSE(knows(before));
  EXPECT_EQ(enter("b"), after);
  table_.forget(after, 3);
  EXPECT_FALSE(knows(after));
}

TEST_F(NodeTableTest, ANameMayBeAsLongAsFuseLetsPass) {
  const std::string longest(1024, 'n');  // FUSE_NAME_MAX in the kernel's fs/fuse/fuse_i.h
  const NodeId node = below(first_, longest.c_str());
  EXPECT_EQ(below(first_, longest.c_str()), node);
  EXPECT_NE(below(first_, longest.substr(256).c_str()), node);
  EXPECT_NE(below(first_, longest.substr(768).c_str()), node);
}

TEST_F(NodeTableTest, ADoorKnowsItsNumberAndTheWayThere) {
  const auto door = [&](NodeId parent, const char* name, DoorNumber number) {
    return table_.remember_fixed(parent, name, NodeKind::kDoor, number)->node;
  };
  const NodeId from = door(kRootNode, "from", 2);
  const NodeId address = door(from, "192.0.2.1", 3);
  const NodeId links = door(address, "by-link", 4);
  EXPECT_EQ(table_.find(links)->door, 4);
  EXPECT_EQ(table_.find(links)->way, (std::vector<std::string>{"from", "192.0.2.1", "by-link"}));
  EXPECT_EQ(table_.find(from)->way, std::vector<std::string>{"from"});
  EXPECT_EQ(table_.find(kRootNode)->door, 0);
  EXPECT_TRUE(table_.find(kRootNode)->way.empty());
  // Another door behind the name is another node.
  EXPECT_NE(door(address, "by-link", 5), links);
}

}  // namespace
}  // namespace grantfs
