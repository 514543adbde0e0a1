// Withdrawal against a naive oracle: whatever a commit took away, what the kernel still has after
// the recall is no more than what is decided now.

#include <fmt/core.h>

#include <fstream>
#include <map>
#include <random>
#include <set>

#include "support/random_policy_fixture.h"
#include "tree/tree.h"

namespace grantfs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class WithdrawalOracleTest : public RandomPolicyTest {
 protected:
  WithdrawalOracleTest() {
    const fs::path root = directory_.path() / "store";
    for (const char* folder : {"a/b", "e"}) fs::create_directories(root / folder);
    for (const char* file : {"a/b/c", "a/b/x", "a/d", "e/f"}) std::ofstream(root / file) << file;
    store_ = std::make_unique<Store>(std::move(*Store::open(root, FileIdKey{7})));
    tree_ = std::make_unique<Tree>(
        *policy_, *store_,
        TreeOptions{.server_group = 0,
                    .by_user_group = 0,
                    .key = FileIdKey{7},
                    .lending = {.lease = 60s, .clock = [this] { return now_; }},
                    .reads_by_node = true});
    EXPECT_TRUE(policy_->losses());
  }

  /// An entry that the kernel has, and the access that it gives.
  struct Known {
    Identity identity;
    StorePath path;
    Access access;
    NodeId node;
  };
  using Key = std::pair<NodeId, std::string>;

  /// Looks up a path below a door, as far as it leads; the kernel keeps what it is lent.
  void walk(std::initializer_list<std::string> way, const Identity& identity,
            const StorePath& path) {
    NodeId at = kRootNode;
    std::vector<std::string> names(way);
    const std::size_t door = names.size() - 1;
    for (const std::string_view part : path.self_and_ancestors()) {
      if (!part.empty()) {
        names.insert(names.begin() + static_cast<std::ptrdiff_t>(way.size()),
                     std::string(part.substr(part.rfind('/') + 1)));
      }
    }
    const auto root = policy_->view_root(identity);
    ASSERT_TRUE(root);
    StorePath here = root->root;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto found = tree_->lookup(at, names[i], Caller{0});
      if (!found) return;
      if (i > door) here = here.child(names[i]);
      if (i >= door && found->lent_for.count() > 0) {
        const Access access = policy_->decide(identity, here)->access;
        kernel_.insert_or_assign(Key{at, names[i]}, Known{identity, here, access, found->node});
      }
      at = found->node;
    }
  }

  void walk_anywhere() {
    const std::size_t token = std::uniform_int_distribution<std::size_t>(0, 2)(random_);
    const StorePath at = pick(paths_);
    const std::string name = pick({"user:a", "user:b"});
    switch (std::uniform_int_distribution(0, 4)(random_)) {
      case 0:
        return walk({"by-session", kTokens[token]}, SessionBearer{tokens_[token]}, at);
      case 1: {
        const SessionBearer from{tokens_[token], {}, *Address::parse("::1")};
        return walk({"from", "::1", "by-session", kTokens[token]}, from, at);
      }
      case 2: {
        // A link's view begins at the folder that holds what it is on.
        const auto view = policy_->view_root(LinkBearer{tokens_[token]});
        ASSERT_TRUE(view);
        const StorePath in = pick(paths_).is_root() ? StorePath() : path(std::string(at.name()));
        return walk({"by-link", kTokens[token]}, LinkBearer{tokens_[token]}, in);
      }
      case 3:
        return walk({"by-user", name.substr(5)}, named(name), at);
      default:
        return walk({"public"}, Anyone{}, at);
    }
  }

  /// The kernel forgets an entry and all that it has below.
  void forget(const Key& key) {
    const auto known = kernel_.find(key);
    if (known == kernel_.end()) return;
    const NodeId node = known->second.node;
    kernel_.erase(known);
    std::vector<Key> below;
    for (const auto& [each, what] : kernel_) {
      if (each.first == node) below.push_back(each);
    }
    for (const Key& each : below) forget(each);
  }

  std::unique_ptr<Store> store_;
  std::unique_ptr<Tree> tree_;
  std::map<Key, Known> kernel_;
  const std::vector<StorePath> paths_{path(""),      path("a"),   path("a/b"), path("a/b/c"),
                                      path("a/b/x"), path("a/d"), path("e"),   path("e/f")};
};

TEST_F(WithdrawalOracleTest, NothingStaysLentThatIsDecidedWorseByNow) {
  constexpr int kCommits = 1500;
  std::size_t recalled = 0;
  std::size_t kept = 0;
  for (int i = 0; i < kCommits; ++i) {
    for (int n = 0; n < 8; ++n) walk_anywhere();
    std::vector<std::string> statements;
    for (int n = std::uniform_int_distribution(1, 3)(random_); n > 0; --n) {
      statements.push_back(any_change());
    }
    // Everybody counts as public: where it is in a group, any loss of the group's is everybody's.
    if (i % 4 != 0) statements.emplace_back("DELETE FROM members WHERE member = 'public'");
    const Commit done = commit(statements);
    const auto losses = policy_->losses();
    ASSERT_TRUE(losses) << losses.error().message;
    const auto before = kernel_.size();
    const auto entries = tree_->withdrawal().of(*losses);
    ASSERT_TRUE(entries);
    for (const KernelEntry& entry : *entries) {
      forget({entry.parent, entry.name});
    }
    recalled += before - kernel_.size();
    kept += kernel_.size();
    for (const auto& [key, known] : kernel_) {
      const Access now = policy_->decide(known.identity, known.path)->access;
      ASSERT_GE(now, known.access) << "seed " << seed_ << ", commit " << i << ": '"
                                   << known.path.text() << "' as " << key.second << ", after:\n"
                                   << done.statements;
    }
  }
  EXPECT_GT(recalled, 500U);
  EXPECT_GT(kept, 500U);
}

}  // namespace
}  // namespace grantfs
