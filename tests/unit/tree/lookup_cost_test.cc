// What a lookup costs that the kernel has not asked before, in a folder that may be read as a
// whole.
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "support/allocation.h"
#include "support/policy_fixture.h"
#include "support/statements.h"
#include "tree/tree.h"

namespace grantfs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class LookupCostTest : public PolicyTest {
 protected:
  static constexpr const char* kToken = "alicealicealicealicealicealice23";
  static constexpr const char* kOtherToken = "otherotherotherotherotherother23";

  LookupCostTest() {
    const fs::path root = directory_.path() / "store";
    fs::create_directories(root / "owned");
    for (const char* name : {"first", "second", "third"}) std::ofstream(root / "owned" / name) << 1;
    for (const char* token : {kToken, kOtherToken}) {
      sql("INSERT INTO sessions (id, principal) VALUES ('" + TokenHash::of(token).hex() +
          "', 'user:alice')");
    }
    sql("INSERT INTO owners (path, principal) VALUES ('owned', 'user:alice')");
    store_ = std::make_unique<Store>(std::move(*Store::open(root, FileIdKey{7})));
    tree_ = std::make_unique<Tree>(
        *policy_, *store_,
        TreeOptions{.server_group = 0,
                    .key = FileIdKey{7},
                    .lending = {.lease = 60s, .clock = [this] { return now_; }},
                    .reads_by_node = true,
                    .audit = trail_.get()});
  }

  NodeId at(std::initializer_list<const char*> names) {
    NodeId node = kRootNode;
    for (const char* name : names) node = tree_->lookup(node, name, Caller{0}).value().node;
    return node;
  }

  /// A destination that keeps nothing.
  class Nowhere final : public AuditDestination {
    Result<void> write(std::string& lines) override {
      lines.clear();
      return {};
    }
  };
  /// All costs are with a record of accesses.
  std::unique_ptr<AuditTrail> trail_ =
      std::move(*AuditTrail::start(std::make_unique<Nowhere>(), {}));
  std::unique_ptr<Store> store_;
  std::unique_ptr<Tree> tree_;
};

TEST_F(LookupCostTest, NoStatementForAFileInAFolderThatMayBeRead) {
  const NodeId folder = at({"by-session", kToken, "owned"});
  const long before = test::statement_steps;
  EXPECT_GT(before, 0);
  for (const char* name : {"first", "second", "third"}) {
    EXPECT_GT(tree_->lookup(folder, name, Caller{0}).value().lent_for.count(), 0);
  }
  EXPECT_EQ(test::statement_steps, before);
  // Whatever is committed, the next lookup is decided anew.
  sql("DELETE FROM owners");
  EXPECT_EQ(tree_->lookup(folder, "first", Caller{0}).error().value, ENOENT);
  EXPECT_GT(test::statement_steps, before);
}

TEST_F(LookupCostTest, NoStatementThoughAFileWasDecidedFirst) {
  ASSERT_EQ(policy_->decide(SessionBearer{TokenHash::of(kToken)}, path("owned/first"))->access,
            Access::kRead);
  const long before = test::statement_steps;
  for (const char* at : {"owned", "owned/second", "owned/third"}) {
    EXPECT_EQ(policy_->decide(SessionBearer{TokenHash::of(kToken)}, path(at))->access,
              Access::kRead);
  }
  EXPECT_EQ(test::statement_steps, before);
}

TEST_F(LookupCostTest, NoAllocationsForAKnownFileAndFewForANewOne) {
  const NodeId folder = at({"by-session", kToken, "owned"});
  const NodeId other = at({"by-session", kOtherToken, "owned"});
  const auto allocations_of = [&](NodeId in, const char* name) {
    const long before = test::allocations_made;
    EXPECT_TRUE(tree_->lookup(in, name, Caller{0}));
    return test::allocations_made - before;
  };
  for (const char* name : {"first", "second"}) (void)tree_->lookup(folder, name, Caller{0});
  EXPECT_EQ(allocations_of(folder, "first"), 0);
  // A new entry of a known file.
  EXPECT_EQ(allocations_of(other, "first"), 0);
  // Three of the descriptor that is kept at hand; the first file of a shard of KnownFiles has it
  // made.
  EXPECT_LE(allocations_of(folder, "third"), 4);
}

}  // namespace
}  // namespace grantfs
