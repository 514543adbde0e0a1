// What the recaller and the control thread do when memory does not suffice, at whichever
// allocation; see support/allocation.h.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <new>
#include <set>

#include "control/client.h"
#include "control/document.h"
#include "control/server.h"
#include "lease/recall/recaller.h"
#include "nodes/node_table.h"
#include "nodes/slab.h"
#include "support/allocation.h"
#include "support/policy_fixture.h"
#include "tree/tree.h"

namespace grantfs {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using nlohmann::json;

class ForgetfulKernel final : public Kernel {
 public:
  Result<void, Errno> forget_entry(const KernelEntry& entry) override {
    const std::lock_guard lock(mutex_);
    told_.insert(entry.name);
    return {};
  }
  Result<void, Errno> forget_file(NodeId) override { return {}; }
  Result<void, Errno> forget_attributes(NodeId) override { return {}; }
  bool forgets_everything() const override { return false; }
  Result<void, Errno> forget_everything() override { return Errno{ENOSYS}; }
  [[noreturn]] void abort(const std::string&) override { std::abort(); }

  std::set<std::string> told() {
    const std::lock_guard lock(mutex_);
    return told_;
  }

 private:
  std::mutex mutex_;
  std::set<std::string> told_;
};

class OutOfMemoryTest : public PolicyTest {};

TEST_F(OutOfMemoryTest, WhicheverAllocationOfARecallFailsEverythingIsRecalledAndTheRecallerLives) {
  const fs::path root = directory_.path() / "store";
  fs::create_directories(root / "a/b");
  std::ofstream(root / "a/b/file") << "bytes";
  const std::string token = "0123456789abcdef0123456789abcdef";
  sql("INSERT INTO sessions (id, principal) VALUES ('" + TokenHash::of(token).hex() +
      "', 'user:bob')");
  auto store = Store::open(root, FileIdKey{1});
  ASSERT_TRUE(store);
  bool failed = true;
  for (long which = 0; failed; ++which) {
    ASSERT_LT(which, 5000);
    sql("INSERT OR REPLACE INTO grants (principal, path) VALUES ('user:bob', 'a')");
    ForgetfulKernel kernel;
    std::atomic<long> next{-1};
    std::atomic<bool> is_over{false};
    std::unique_ptr<Recaller> recaller;
    Tree tree(*policy_, *store, TreeOptions{.lending = {.lease = 60s}, .reads_by_node = true});
    // The recalling thread asks for the time once a round.
    const auto clock = [&] {
      const long armed = next.exchange(-1);
      if (armed >= 0) test::allocations_left = armed;
      return system_now();
    };
    auto started = Recaller::start(tree.withdrawal(), *policy_, kernel, {.clock = clock});
    ASSERT_TRUE(started);
    recaller = std::move(*started);
    tree.lender().set_recaller(*recaller);
    NodeId at = kRootNode;
    std::set<std::string> lent;
    for (const std::string& name : {std::string("by-session"), token, std::string("a"),
                                    std::string("b"), std::string("file")}) {
      auto entry = tree.lookup(at, name, Caller{33, 1});
      ASSERT_TRUE(entry);
      at = entry->node;
      if (name != "by-session" && name != token) lent.insert(name);
    }
    const auto catch_up = [&](auto what) {
      auto done = std::make_shared<std::promise<void>>();
      recaller->catch_up([done, what] {
        what();
        done->set_value();
      });
      return done->get_future().wait_for(2s) == std::future_status::ready;
    };
    next = which;
    (void)catch_up([] {});  // a round in which it is armed
    sql("DELETE FROM grants");
    // Whoever waits may be told nothing by a round that broke off; the next is answered.
    ASSERT_TRUE(catch_up([] {}) || catch_up([] {})) << which;
    ASSERT_TRUE(catch_up([&] {
      failed = test::allocations_left < 0;
      test::allocations_left = -1;
    })) << which;
    for (const std::string& name : lent) EXPECT_TRUE(kernel.told().contains(name)) << name << which;
  }
}

/// What a daemon does with a request, on the control thread, and how many allocations of that
/// thread are left before one fails.
class Control {
 public:
  void operator()(const json& request, const ControlReply& reply) {
    const std::string command = request["command"];
    if (command == "left") {
      left_ = std::exchange(test::allocations_left, -1);
      return reply(json::object());
    }
    if (command == "arm") {
      reply(json::object());
      test::allocations_left = which;
      return;
    }
    json told = json::object();
    const control::Emptied emptied(told);
    told["counters"] = json::object();
    told["counters"]["lookups"] = 7;
    told["troubles"] = std::vector<std::string>(3, "a text that is long enough to be allocated");
    reply(std::move(told));
  }
  long left() const { return left_; }

  std::atomic<long> which{0};

 private:
  std::atomic<long> left_{-1};
};

TEST_F(OutOfMemoryTest, WhicheverAllocationOfTheControlThreadFailsItAnswersTheNextRequest) {
  Control control;
  const fs::path socket = directory_.path() / "socket";
  auto server = ControlServer::start(
      socket, ::getegid(), [&](const json& request, const ControlPeer&, const ControlReply& reply) {
        control(request, reply);
      });
  ASSERT_TRUE(server);
  const auto asks = [&](const char* command, std::chrono::milliseconds patience = 5s) {
    json request;
    request["command"] = command;
    request["token"] = "0123456789abcdef0123456789abcdef";
    return ask_daemon(socket, request, patience).ok();
  };
  int failures = 0;
  for (long which = 0; control.left() < 0; ++which) {
    ASSERT_LT(which, 500);
    control.which = which;
    ASSERT_TRUE(asks("arm"));
    failures += asks("status", 300ms) ? 0 : 1;
    // The failure may be this one's.
    ASSERT_TRUE(asks("left", 300ms) || asks("left"));
  }
  EXPECT_GT(failures, 10);
}

TEST(SlabOutOfMemory, WhicheverAllocationFailsWhatIsMadeNextIsFound) {
  bool failed = true;
  for (long which = 0; failed; ++which) {
    Slab<int> slab;
    for (int chunks = 0; chunks < 4; ++chunks) {
      test::allocations_left = which;
      failed = false;
      try {
        slab.make();
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      test::allocations_left = -1;
      for (int i = 0; i < 512; ++i) ASSERT_NE(slab.find(slab.make()), nullptr) << which;
    }
  }
}

TEST(NodeTableOutOfMemory, WhicheverAllocationFailsWhatIsRememberedNextIsFoundAndForgotten) {
  NodeTable table;
  std::map<NodeId, std::uint64_t> lookups;
  const auto remember = [&](int number) {
    // Far more than there is room for at first, in folders that are views themselves, by names
    // that take memory of their own.
    const auto node = table.remember_view(kRootNode, "as long as a token " + std::to_string(number),
                                          std::make_shared<View>(View{Anyone{}}), nullptr);
    test::allocations_left = -1;
    ++lookups[node->node];
    return node->node;
  };
  constexpr int kFolders = 3'000;
  int failures = 0;
  for (int i = 0; i < kFolders; ++i) {
    test::allocations_left = i % 12;
    try {
      remember(i);
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    const NodeId node = remember(i);
    ASSERT_TRUE(table.find(node)) << i;
    ASSERT_EQ(remember(i), node);
  }
  ASSERT_EQ(lookups.size(), kFolders);
  EXPECT_GT(failures, kFolders / 4);
  for (const auto& [node, count] : lookups) {
    EXPECT_TRUE(table.forget(node, count).gone);
    EXPECT_FALSE(table.find(node));
  }
  EXPECT_EQ(table.size(), 1);
}

}  // namespace
}  // namespace grantfs
