#include "lease/lender.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "support/temporary_directory.h"

namespace grantfs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// A file that comes into steady use, with leases of a second.
class LenderTest : public testing::Test {
 protected:
  using SteadyClock = std::chrono::steady_clock;

  LenderTest() {
    fs::create_directories(root_);
    std::ofstream(root_ / "file") << "four";
    store_ = std::make_unique<Store>(std::move(*Store::open(root_, FileIdKey{7})));
    lender_ = std::make_unique<Lender>(nodes_, *store_, Lender::Options{.lease = 1s});
    node_ = nodes_.remember(kRootNode, "file", *store_->locate(path_), FileNode::kOfName, nullptr)
                ->node;
  }

  /// Whether it is lent for longer, by a decision that was begun then.
  bool lends_longer(SteadyClock::time_point begun) {
    return lender_->lend_longer({kRootNode, "file"}, path_, *store_->locate(path_),
                                {Decision{}, nodes_.lent().mark(), false}, node_, begun);
  }

  TemporaryDirectory directory_;
  fs::path root_ = directory_.path() / "store";
  StorePath path_ = *StorePath::parse("file");
  NodeTable nodes_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Lender> lender_;
  NodeId node_ = 0;
};

TEST_F(LenderTest, WhatWasDecidedTooLongAgoIsNotLentForLonger) {
  const auto now = [] { return SteadyClock::now(); };
  // The file is as old as that soon, and its folder has held such files for a lease.
  const auto until = now() + 20s;
  while (!lends_longer(now()) && now() < until) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(lends_longer(now() - 100ms));
  EXPECT_FALSE(lends_longer(now() - 600ms));
  // Also while it is the only one: nobody was vouched for until now.
  lender_->steady_files().clear();
  EXPECT_FALSE(lends_longer(now() - 600ms));
}

}  // namespace
}  // namespace grantfs
