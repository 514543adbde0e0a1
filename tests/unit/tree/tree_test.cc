#include "tree/tree.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>

#include "support/allocation.h"
#include "support/child_process.h"
#include "support/policy_fixture.h"

namespace grantfs {
namespace {

namespace fs = std::filesystem;

class TreeTest : public PolicyTest {
 protected:
  static constexpr Caller kAlice{1001};
  static constexpr Caller kStranger{1002};
  static constexpr Caller kRoot{0};
  static constexpr const char* kToken = "abcdefghijklmnopqrstuvwxyz234567";

  TreeTest() {
    fs::create_directories(root_ / "a/b");
    write("a/b/file", "hello");
    write("a/other", "not yours");
    sql("INSERT INTO owners (path, principal) VALUES ('a/b', 'uid:1001')");
    store_ = std::make_unique<Store>(std::move(*Store::open(root_, kKey)));
    make_tree({.key = kKey});
  }

  void make_tree(TreeOptions options) {
    tree_ = std::make_unique<Tree>(*policy_, *store_, std::move(options));
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(root_ / name) << text;
  }

  void replace(const std::string& name, const std::string& text) {
    write("new", text);
    fs::rename(root_ / "new", root_ / name);
  }

  /// The node at the end of a path, or the errno on the way.
  Result<Entry, Errno> walk(std::initializer_list<const char*> names,
                            const Caller& caller = kAlice) {
    Result<Entry, Errno> at = Entry{kRootNode, {}};
    for (const char* name : names) {
      const NodeId parent = at->node;
      at = tree_->lookup(parent, name, caller);
      if (parent != kRootNode) tree_->forget(parent, 1);
      if (!at) break;
    }
    return at;
  }
  int error_of(std::initializer_list<const char*> names, const Caller& caller = kAlice) {
    auto entry = walk(names, caller);
    if (!entry) return entry.error().value;
    tree_->forget(entry->node, 1);
    return 0;
  }
  std::set<std::string> names_in(NodeId node, const Caller& caller = kAlice) {
    std::set<std::string> names;
    auto folder = tree_->open_folder(node, caller);
    EXPECT_TRUE(folder);
    if (folder) {
      EXPECT_TRUE((*folder)->read(caller, 0, [&](const FolderEntry& entry) {
        EXPECT_TRUE(names.emplace(entry.name).second) << entry.name;
        return true;
      }));
    }
    return names;
  }

  static constexpr FileIdKey kKey{7};
  fs::path root_ = directory_.path() / "store";
  std::unique_ptr<Store> store_;
  std::unique_ptr<Tree> tree_;
};

TEST_F(TreeTest, AnOwnerWalksToTheFileAndReadsIt) {
  auto file = walk({"by-uid", "1001", "a", "b", "file"});
  ASSERT_TRUE(file);
  EXPECT_EQ(file->attributes.st_mode, static_cast<mode_t>(S_IFREG | 0444));
  EXPECT_EQ(file->attributes.st_size, 5);
  EXPECT_EQ(file->attributes.st_uid, kAlice.uid);
  EXPECT_EQ(file->attributes.st_nlink, 1U);
  auto open = tree_->open(file->node, kAlice);
  ASSERT_TRUE(open);
}

TEST_F(TreeTest, DeniedMissingAndUnregisteredAreTheSame) {
  EXPECT_EQ(error_of({"by-uid", "1001", "a", "other"}), ENOENT);
  EXPECT_EQ(error_of({"by-uid", "1001", "a", "missing"}), ENOENT);
  EXPECT_EQ(error_of({"by-uid", "1001", "nothing"}), ENOENT);
  EXPECT_EQ(error_of({"public", "a"}), ENOENT);
}

TEST_F(TreeTest, ForbidTellsDeniedFromMissing) {
  make_tree({.denial = Denial::kForbid, .key = kKey});
  EXPECT_EQ(error_of({"by-uid", "1001", "a", "other"}), EACCES);
  EXPECT_EQ(error_of({"by-uid", "1001", "a", "missing"}), ENOENT);
}

TEST_F(TreeTest, ADoorOpensForItsUserAloneRootIncluded) {
  EXPECT_EQ(error_of({"by-uid", "1001"}, kAlice), 0);
  EXPECT_EQ(error_of({"by-uid", "1001"}, kStranger), EACCES);
  EXPECT_EQ(error_of({"by-uid", "1001"}, kRoot), EACCES);
  for (const char* name : {"01001", "-1", "4294967295", "4294968297", "x", ""}) {
    EXPECT_EQ(error_of({"by-uid", name}), ENOENT) << name;
  }
}

TEST_F(TreeTest, ANodeObtainedByAnotherIsOfNoUse) {
  auto folder = walk({"by-uid", "1001", "a", "b"});
  ASSERT_TRUE(folder);
  EXPECT_EQ(tree_->lookup(folder->node, "file", kRoot).error().value, EACCES);
  EXPECT_EQ(tree_->open_folder(folder->node, kStranger).error().value, EACCES);
  auto file = tree_->lookup(folder->node, "file", kAlice);
  ASSERT_TRUE(file);
  EXPECT_EQ(tree_->open(file->node, kRoot).error().value, EACCES);
}

TEST_F(TreeTest, ASessionEndsEverywhereAtOnce) {
  const auto id = TokenHash::of(kToken).hex();
  EXPECT_EQ(error_of({"by-session", kToken}), EACCES);
  sql("INSERT INTO sessions (id, principal) VALUES ('" + id + "', 'uid:1001')");
  auto folder = walk({"by-session", kToken, "a", "b"}, kStranger);
  ASSERT_TRUE(folder);
  auto file = tree_->lookup(folder->node, "file", kStranger);
  ASSERT_TRUE(file && tree_->open(file->node, kStranger));
  sql("DELETE FROM sessions");
  EXPECT_EQ(tree_->lookup(folder->node, "file", kStranger).error().value, EACCES);
  EXPECT_EQ(tree_->open(file->node, kStranger).error().value, EACCES);
  EXPECT_EQ(tree_->open_folder(folder->node, kStranger).error().value, EACCES);
}

TEST_F(TreeTest, ARevokedGrantIsRefusedAtTheNextOpen) {
  auto file = walk({"by-uid", "1001", "a", "b", "file"});
  ASSERT_TRUE(file && tree_->open(file->node, kAlice));
  sql("DELETE FROM owners");
  EXPECT_EQ(tree_->open(file->node, kAlice).error().value, ENOENT);
}

TEST_F(TreeTest, AFolderSeenInPartShowsNeitherTimeNorSizeNorOthersNames) {
  auto folder = walk({"by-uid", "1001", "a"});
  ASSERT_TRUE(folder);
  EXPECT_EQ(folder->attributes.st_size, 0);
  EXPECT_EQ(folder->attributes.st_mtim.tv_sec, 0);  // `mounted`, which the fixture leaves at zero
  EXPECT_EQ(names_in(folder->node), (std::set<std::string>{".", "..", "b"}));
  auto whole = walk({"by-uid", "1001", "a", "b"});
  EXPECT_NE(whole->attributes.st_mtim.tv_sec, 0);
  EXPECT_EQ(names_in(whole->node), (std::set<std::string>{".", "..", "file"}));
}

TEST_F(TreeTest, AFileIsNoPassage) {
  // A rule below what is a file in the store leads nowhere, and must not make the file visible.
  sql("INSERT INTO grants (principal, path) VALUES ('uid:1001', 'a/other/x')");
  EXPECT_EQ(error_of({"by-uid", "1001", "a", "other"}), ENOENT);
  auto folder = walk({"by-uid", "1001", "a"});
  EXPECT_EQ(names_in(folder->node), (std::set<std::string>{".", "..", "b"}));
}

TEST_F(TreeTest, ViewsCannotBeListed) {
  for (const char* door : {"by-uid", "by-session"}) {
    auto node = walk({door});
    ASSERT_TRUE(node);
    EXPECT_EQ(tree_->open_folder(node->node, kRoot).error().value, EACCES) << door;
    EXPECT_EQ(node->attributes.st_mode, static_cast<mode_t>(S_IFDIR | 0711)) << door;
  }
}

TEST_F(TreeTest, AServerGroupAloneMayPassBySession) {
  make_tree({.server_group = gid_t{33}, .key = kKey});
  auto door = walk({"by-session"});
  ASSERT_TRUE(door);
  EXPECT_EQ(door->attributes.st_mode, static_cast<mode_t>(S_IFDIR | 0710));
  EXPECT_EQ(door->attributes.st_gid, 33U);
}

TEST_F(TreeTest, AReplacedFileIsAnotherNodeAndTheOldOneIsStale) {
  auto before = walk({"by-uid", "1001", "a", "b", "file"});
  ASSERT_TRUE(before);
  auto held = tree_->open(before->node, kAlice);
  ASSERT_TRUE(held);
  replace("a/b/file", "longer than before");
  EXPECT_EQ(tree_->open(before->node, kAlice).error().value, ESTALE);
  EXPECT_EQ(tree_->attributes(before->node)->shown.st_size, 5);  // of the file it holds
  held->reset();
  EXPECT_EQ(tree_->attributes(before->node)->shown.st_size, 5);  // as last seen
  auto after = walk({"by-uid", "1001", "a", "b", "file"});
  ASSERT_TRUE(after);
  EXPECT_NE(after->node, before->node);
  EXPECT_NE(after->attributes.st_ino, before->attributes.st_ino);
  EXPECT_EQ(after->attributes.st_size, 18);
}

TEST_F(TreeTest, AnOpenThatMissesTwiceGetsTheFileOfItsLookup) {
  auto first = walk({"by-uid", "1001", "a", "b", "file"});
  replace("a/b/file", "second");
  EXPECT_EQ(tree_->open(first->node, kAlice).error().value, ESTALE);
  auto second = walk({"by-uid", "1001", "a", "b", "file"});
  replace("a/b/file", "third one");
  auto opened = tree_->open(second->node, kAlice);
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->found.size, 6U);
  // And it is still a decision.
  auto third = walk({"by-uid", "1001", "a", "b", "file"});
  replace("a/b/file", "fourth");
  sql("DELETE FROM owners");
  EXPECT_EQ(tree_->open(third->node, kAlice).error().value, ENOENT);
}

TEST_F(TreeTest, InodeNumbersDifferAmongFoldersOfViewsAndStayForFiles) {
  sql("INSERT INTO grants (principal, path) VALUES ('public', 'a/b')");
  auto in_public = walk({"public", "a", "b", "file"});
  auto in_own = walk({"by-uid", "1001", "a", "b", "file"});
  ASSERT_TRUE(in_public && in_own);
  EXPECT_NE(in_public->node, in_own->node);
  EXPECT_EQ(in_public->attributes.st_ino, in_own->attributes.st_ino);
  EXPECT_NE(walk({"public"})->attributes.st_ino, walk({"by-uid", "1001"})->attributes.st_ino);
}

TEST_F(TreeTest, NodesGoWhenTheKernelForgetsThemInAnyOrder) {
  const auto start = tree_->node_count();
  const auto by_uid = tree_->lookup(kRootNode, "by-uid", kAlice);
  const auto door = tree_->lookup(by_uid->node, "1001", kAlice);
  const auto a = tree_->lookup(door->node, "a", kAlice);
  const auto again = tree_->lookup(door->node, "a", kAlice);
  EXPECT_EQ(a->node, again->node);
  const auto b = tree_->lookup(a->node, "b", kAlice);
  EXPECT_EQ(tree_->node_count(), start + 4);
  // Parents first: they stay as long as something below them does.
  tree_->forget(by_uid->node, 1);
  tree_->forget(door->node, 1);
  tree_->forget(a->node, 1);
  EXPECT_TRUE(tree_->lookup(b->node, "file", kAlice));
  tree_->forget(a->node, 1);
  tree_->forget(b->node, 1);
  EXPECT_EQ(tree_->node_count(), start + 5);  // all held by the file
  const auto file = tree_->lookup(b->node, "file", kAlice);
  ASSERT_TRUE(file);
  tree_->forget(file->node, 2);
  EXPECT_EQ(tree_->node_count(), start);
  EXPECT_EQ(tree_->lookup(b->node, "file", kAlice).error().value, ESTALE);
}

TEST_F(TreeTest, TroubleWithTheDatabaseDeniesEverywhereAndTells) {
  std::string told;
  make_tree({.key = kKey, .on_policy_error = [&](const Error& error) { told = error.message; }});
  auto folder = walk({"by-uid", "1001", "a", "b"});
  auto file = walk({"by-uid", "1001", "a", "b", "file"});
  ASSERT_TRUE(folder && file);
  sql("UPDATE meta SET value = 999 WHERE key = 'schema'");
  EXPECT_EQ(tree_->lookup(folder->node, "file", kAlice).error().value, EACCES);
  EXPECT_EQ(tree_->lookup(folder->node, "missing", kAlice).error().value, EACCES);
  EXPECT_EQ(tree_->open(file->node, kAlice).error().value, EACCES);
  EXPECT_EQ(tree_->open_folder(folder->node, kAlice).error().value, EACCES);
  EXPECT_NE(told.find("999"), std::string::npos) << told;
}

TEST_F(TreeTest, MeIsTheCallersOwnView) {
  auto me = walk({"me"});
  ASSERT_TRUE(me);
  EXPECT_TRUE(S_ISLNK(me->attributes.st_mode));
  EXPECT_EQ(*tree_->read_link(me->node, kAlice), "by-uid/1001");
  EXPECT_EQ(*tree_->read_link(me->node, kRoot), "by-uid/0");
  EXPECT_EQ(tree_->read_link(me->node, Caller{}).error().value, EACCES);
}

TEST_F(TreeTest, ASessionOfProcessesSeesItsTokensViewAndIsLentNothing) {
  make_tree({.key = kKey, .lending = {.lease = std::chrono::seconds(60)}, .reads_by_node = true});
  sql("INSERT INTO sessions (id, principal) VALUES ('" + TokenHash::of(kToken).hex() +
      "', 'uid:1001')");
  const Child leader;
  const Child other;
  const Caller own{kAlice.uid, leader.pid()};
  const std::string sid = std::to_string(leader.pid());
  EXPECT_EQ(error_of({"by-process", sid.c_str()}, own), EACCES);
  auto unknown = tree_->bind(leader.pid(), leader.pidfd(), "not-a-session-of-anyone");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, ErrorKind::kNotFound);
  ASSERT_TRUE(tree_->bind(leader.pid(), leader.pidfd(), kToken));

  auto door = walk({"by-process", sid.c_str()}, own);
  ASSERT_TRUE(door);
  EXPECT_EQ(door->lent_for.count(), 0);
  EXPECT_EQ(door->attributes.st_mode, static_cast<mode_t>(S_IFDIR | 0555));
  auto file = walk({"by-process", sid.c_str(), "a", "b", "file"}, own);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->lent_for.count(), 0);
  EXPECT_EQ(tree_->attributes(file->node)->lent_for.count(), 0);
  EXPECT_TRUE(tree_->withdrawal().of_everything().empty());
  ASSERT_TRUE(walk({"by-session", kToken, "a", "b", "file"}));
  EXPECT_NE(walk({"by-session", kToken, "a", "b", "file"})->node, file->node);
  EXPECT_EQ(*tree_->read_link(walk({"me"})->node, own), "by-process/" + sid);

  for (const Caller& stranger : {Caller{kAlice.uid, other.pid()}, kAlice, kRoot, Caller{1001, 0},
                                 Caller{1001, ::getpid()}}) {
    EXPECT_EQ(error_of({"by-process", sid.c_str()}, stranger), EACCES);
    EXPECT_EQ(tree_->lookup(door->node, "a", stranger).error().value, EACCES);
    EXPECT_EQ(tree_->open_folder(door->node, stranger).error().value, EACCES);
    EXPECT_EQ(tree_->open(file->node, stranger).error().value, EACCES);
  }
  EXPECT_TRUE(tree_->open(file->node, own));
  leader.kill();
  EXPECT_EQ(tree_->lookup(door->node, "a", own).error().value, EACCES);
  EXPECT_EQ(tree_->open(file->node, own).error().value, EACCES);
}

TEST_F(TreeTest, AListingGoesOnFromEveryOffset) {
  for (int i = 0; i < 20; ++i) {
    write("a/" + std::to_string(i), "");
    sql("INSERT INTO grants (principal, path) VALUES ('uid:1001', 'a/" + std::to_string(i) + "')");
  }
  for (const bool whole : {false, true}) {
    if (whole) sql("INSERT INTO grants (principal, path) VALUES ('uid:1001', 'a')");
    auto folder = walk({"by-uid", "1001", "a"});
    auto listing = tree_->open_folder(folder->node, kAlice);
    ASSERT_TRUE(listing);
    std::set<std::string> names;
    off_t offset = 0;
    for (bool more = true; more;) {
      more = false;
      ASSERT_TRUE((*listing)->read(kAlice, offset, [&](const FolderEntry& entry) {
        if (more) return false;  // room for one
        names.emplace(entry.name);
        offset = entry.next;
        return more = true;
      }));
    }
    EXPECT_EQ(names, names_in(folder->node));
    EXPECT_EQ(names.size(), whole ? 24U : 23U);
  }
}

TEST_F(TreeTest, AnEndThatNanosecondsCannotCountIsFarAway) {
  constexpr std::chrono::seconds kLease{5};
  make_tree({.key = kKey, .lending = {.lease = kLease}});
  sql("INSERT INTO grants (principal, path, expires) VALUES ('public', 'a/b', 99999999999)");
  for (const auto& names : {std::initializer_list<const char*>{"public"},
                            {"public", "a"},
                            {"public", "a", "b"},
                            {"public", "a", "b", "file"}}) {
    const auto entry = walk(names);
    ASSERT_TRUE(entry);
    EXPECT_GT(entry->lent_for, kLease / 2);
    EXPECT_LE(entry->lent_for, kLease);
  }
}

/// The kernel's leases of a minute, in views that servers read.
class LendingTreeTest : public TreeTest {
 protected:
  static constexpr std::chrono::seconds kLease{60};

  LendingTreeTest() {
    sql("INSERT INTO sessions (id, principal) VALUES ('" + TokenHash::of(kToken).hex() +
        "', 'uid:1001')");
    lend(true);
  }

  void lend(bool reads_by_node) {
    make_tree({.key = kKey,
               .lending = {.lease = kLease, .clock = [this] { return moment_(); }},
               .reads_by_node = reads_by_node});
  }
  NodeId node_of(std::initializer_list<const char*> names) { return walk(names)->node; }
  /// How long the attributes are lent.
  std::chrono::nanoseconds lent(NodeId node) { return tree_->attributes(node)->lent_for; }

  std::function<std::chrono::system_clock::time_point()> moment_ = std::chrono::system_clock::now;
};

TEST_F(LendingTreeTest, AttributesOfAFolderAreNotLentOnceItsViewIsClosed) {
  const NodeId folder = node_of({"by-session", kToken, "a", "b"});
  EXPECT_GT(lent(folder).count(), 0);
  sql("DELETE FROM sessions");
  EXPECT_EQ(lent(folder).count(), 0);
}

TEST_F(LendingTreeTest, AttributesOfAFolderAreNotLentOnceItIsDecidedWorseThanItWasLent) {
  sql("INSERT INTO grants (principal, path) VALUES ('uid:1001', 'a')");
  const NodeId folder = node_of({"by-session", kToken, "a"});
  EXPECT_GT(lent(folder).count(), 0);
  sql("DELETE FROM grants");  // what is left is the passage to a/b
  EXPECT_EQ(lent(folder).count(), 0);
  EXPECT_EQ(walk({"by-session", kToken, "a"})->lent_for.count(), 0);
  Losses losses;
  losses.paths.push_back(*StorePath::parse("a"));
  EXPECT_FALSE(tree_->withdrawal().of(losses)->empty());
  EXPECT_GT(walk({"by-session", kToken, "a"})->lent_for.count(), 0);
  EXPECT_GT(lent(folder).count(), 0);
}

TEST_F(LendingTreeTest, AttributesOfAFolderAreNotLentWhileTheDecisionFails) {
  const NodeId folder = node_of({"by-session", kToken, "a"});
  sql("UPDATE meta SET value = 999 WHERE key = 'schema'");
  EXPECT_EQ(lent(folder).count(), 0);
}

TEST_F(LendingTreeTest, AttributesOfAFileOfOneViewAreLentOnlyWhileItMayBeRead) {
  lend(false);
  const NodeId file = node_of({"by-session", kToken, "a", "b", "file"});
  EXPECT_GT(lent(file).count(), 0);
  sql("DELETE FROM owners");
  EXPECT_EQ(lent(file).count(), 0);
  sql("INSERT INTO owners (path, principal) VALUES ('a/b', 'uid:1001')");
  EXPECT_GT(lent(file).count(), 0);
  sql("DELETE FROM sessions");
  EXPECT_EQ(lent(file).count(), 0);
}

TEST_F(LendingTreeTest, AMarkerIsLentNeitherByNameNorByAttributes) {
  sql("UPDATE sessions SET expires = 1");
  auto marker = walk({"expired", kToken});
  ASSERT_TRUE(marker);
  EXPECT_EQ(marker->lent_for.count(), 0);
  EXPECT_EQ(lent(marker->node).count(), 0);
}

TEST_F(LendingTreeTest, WhateverIsLentCountsFromBeforeTheDecision) {
  sql("INSERT INTO grants (principal, path, expires) VALUES ('uid:1001', 'a', 99999999999)");
  sql("DELETE FROM owners");
  const NodeId folder = node_of({"by-session", kToken, "a"});
  // An expiry is compared with the clock once all is decided: from now on that takes a while.
  static constexpr std::chrono::milliseconds kHeldBack{200};
  moment_ = [] {
    const auto until = std::chrono::steady_clock::now() + kHeldBack;
    while (std::chrono::steady_clock::now() < until) {
    }
    return std::chrono::system_clock::now();
  };
  EXPECT_LE(lent(folder), kLease - kHeldBack);
  EXPECT_LE(tree_->lookup(folder, "other", kStranger)->lent_for, kLease - kHeldBack);
  EXPECT_LE(tree_->lookup(folder, "b", kStranger)->lent_for, kLease - kHeldBack);
}

TEST_F(LendingTreeTest, AttributesOfAFolderCountFromBeforeItsNodeIsFound) {
  // Its path does not fit into a std::string without memory, which is where it is found.
  const char* const kName = "a-folder-with-quite-a-long-name";
  fs::create_directories(root_ / "a/b" / kName);
  const NodeId folder = node_of({"by-session", kToken, "a", "b", kName});
  static constexpr std::chrono::milliseconds kHeldBack{200};
  test::at_next_allocation = [] {
    const auto until = std::chrono::steady_clock::now() + kHeldBack;
    while (std::chrono::steady_clock::now() < until) {
    }
  };
  EXPECT_LE(lent(folder), kLease - kHeldBack);
  EXPECT_EQ(test::at_next_allocation, nullptr);
}

TEST_F(LendingTreeTest, ARecallThatBeginsMeanwhileKeepsAttributesFromBeingLent) {
  sql("INSERT INTO grants (principal, path, expires) VALUES ('uid:1001', 'a', 99999999999)");
  const NodeId folder = node_of({"by-session", kToken, "a"});
  EXPECT_GT(lent(folder).count(), 0);
  moment_ = [this] {
    tree_->withdrawal().begin_recall();
    return std::chrono::system_clock::now();
  };
  EXPECT_EQ(lent(folder).count(), 0);
}

/// What is lent in several views, decided anew.
class ReviewTest : public LendingTreeTest {
 protected:
  /// Paths, of what must be forgotten.
  std::vector<std::string> reviewed() {
    tree_->withdrawal().begin_recall();
    Review review = tree_->withdrawal().review(Review::Of::kEverything);
    std::vector<std::string> names;
    while (!review.is_done()) {
      const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
      for (const KernelEntry& entry : tree_->withdrawal().go_on(review, soon))
        names.push_back(entry.name);
    }
    return names;
  }
  /// Walks there as the kernel does, and forgets nothing.
  void known_to_the_kernel(std::initializer_list<const char*> names) {
    NodeId at = kRootNode;
    for (const char* name : names) {
      auto entry = tree_->lookup(at, name, kStranger);
      ASSERT_TRUE(entry) << name;
      at = entry->node;
    }
  }
  using Names = std::vector<std::string>;
};

TEST_F(ReviewTest, NothingIsForgottenThatHolds) {
  known_to_the_kernel({"by-session", kToken, "a", "b", "file"});
  EXPECT_EQ(reviewed(), Names{});
  sql("INSERT INTO grants (principal, path) VALUES ('uid:1001', 'a')");
  EXPECT_EQ(reviewed(), Names{});
  sql("DELETE FROM owners");  // another rule, as good
  EXPECT_EQ(reviewed(), Names{});
}

TEST_F(ReviewTest, AViewThatIsClosedGoesFromItsDoorDown) {
  known_to_the_kernel({"by-session", kToken, "a", "b", "file"});
  sql("DELETE FROM sessions");
  EXPECT_EQ(reviewed(), (Names{kToken, "a", "b", "file"}));
  EXPECT_EQ(reviewed(), Names{});  // it is not lent any more
}

TEST_F(ReviewTest, OfFilesGrantedOneByOneTheOneGoesThatIsLost) {
  sql("DELETE FROM owners");
  sql("INSERT INTO grants (principal, path) VALUES ('uid:1001', 'a/b/file'), ('uid:1001', "
      "'a/other')");
  known_to_the_kernel({"by-session", kToken, "a", "b", "file"});
  known_to_the_kernel({"by-session", kToken, "a", "other"});
  sql("DELETE FROM grants WHERE path = 'a/other'");
  EXPECT_EQ(reviewed(), Names{"other"});
  sql("DELETE FROM grants");
  EXPECT_EQ(reviewed(), (Names{kToken, "a", "b", "file"}));
}

TEST_F(ReviewTest, WhatRestsOnARuleAboveSinceThenGoesWithThat) {
  known_to_the_kernel({"by-session", kToken, "a", "b", "file"});
  sql("DELETE FROM owners");
  // By this one alone, 'a' would be as open as it was lent.
  sql("INSERT INTO grants (principal, path) VALUES ('uid:1001', 'a/other')");
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'uid:1001')");
  EXPECT_EQ(reviewed(), Names{});
  sql("DELETE FROM owners WHERE path = 'a'");
  Losses losses;
  losses.paths.push_back(*StorePath::parse("a"));
  Names names;
  const auto entries = tree_->withdrawal().of(losses);
  for (const KernelEntry& entry : *entries) names.push_back(entry.name);
  EXPECT_EQ(names, (Names{"a", "b", "file"}));
}

TEST_F(ReviewTest, ALinkThatLeadsElsewhereGoesFromItsDoorDown) {
  constexpr const char* kLink = "linklinklinklinklinklinklinklink";
  sql("INSERT INTO links (id, principal, path) VALUES ('" + TokenHash::of(kLink).hex() +
      "', 'uid:1001', 'a/b')");
  known_to_the_kernel({"by-link", kLink, "b", "file"});
  EXPECT_EQ(reviewed(), Names{});
  sql("UPDATE links SET path = 'a/b/file'");
  EXPECT_EQ(reviewed(), (Names{kLink, "b", "file"}));
}

}  // namespace
}  // namespace grantfs
