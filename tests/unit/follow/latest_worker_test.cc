#include "follow/latest_worker.h"

#include <gtest/gtest.h>

#include <future>
#include <new>
#include <vector>

namespace grantfs::follow {
namespace {

TEST(LatestWorkerTest, WhatFailedForLackOfMemoryIsDoneAgain) {
  std::vector<int> tried;
  std::promise<void> done;
  LatestWorker<int> worker("worker", [&](const int& work) {
    tried.push_back(work);
    if (tried.size() == 1) throw std::bad_alloc();
    done.set_value();
  });
  worker.give(7);
  done.get_future().wait();
  EXPECT_EQ(tried, (std::vector{7, 7}));
}

TEST(LatestWorkerTest, WhatFailedGivesWayToWhatIsNewer) {
  std::vector<int> tried;
  std::promise<void> failing;
  std::promise<void> newer_is_there;
  std::promise<void> done;
  LatestWorker<int> worker("worker", [&](const int& work) {
    tried.push_back(work);
    if (tried.size() > 1) return done.set_value();
    failing.set_value();
    newer_is_there.get_future().wait();
    throw std::bad_alloc();
  });
  worker.give(7);
  failing.get_future().wait();
  worker.give(8);
  newer_is_there.set_value();
  done.get_future().wait();
  EXPECT_EQ(tried, (std::vector{7, 8}));
}

TEST(LatestWorkerTest, ItEndsWhateverFails) {
  std::promise<void> failing;
  {
    LatestWorker<int> worker("worker", [&, failed = false](const int&) mutable {
      if (!failed) failing.set_value();
      failed = true;
      throw std::bad_alloc();
    });
    worker.give(7);
    failing.get_future().wait();
  }
}

}  // namespace
}  // namespace grantfs::follow
