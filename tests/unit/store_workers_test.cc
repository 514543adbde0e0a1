#include "store/store_workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

namespace grantfs {
namespace {

using std::chrono::milliseconds;

/// Work that hangs until it is told to go on.
class Hanging {
 public:
  StoreWorkers::Work work() {
    return [this] {
      ++begun_;
      go_on_.wait();
    };
  }
  void go_on() { may_go_on_.set_value(); }
  void await(int count) const {
    while (begun_ < count) std::this_thread::yield();
  }

 private:
  std::promise<void> may_go_on_;
  std::shared_future<void> go_on_ = may_go_on_.get_future();
  std::atomic<int> begun_ = 0;
};

TEST(StoreWorkers, EverythingSubmittedIsDone) {
  std::atomic<int> done = 0;
  StoreWorkers workers(2, 4);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(workers.submit([&] { ++done; }));
  EXPECT_TRUE(workers.finish());
  EXPECT_EQ(done, 100);
  EXPECT_TRUE(workers.submit([&] { ++done; }));
  EXPECT_EQ(done, 101);
}

TEST(StoreWorkers, NoMoreIsTakenThanMayWaitWhileTheStoreHangs) {
  constexpr milliseconds kPatience{50};
  Hanging hanging;
  std::atomic<int> done = 0;
  StoreWorkers workers(2, 3, kPatience);
  EXPECT_FALSE(workers.hang());
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(workers.submit(hanging.work()));
  hanging.await(2);
  EXPECT_TRUE(workers.submit([&] { ++done; }));
  EXPECT_FALSE(workers.submit([&] { ++done; }));
  EXPECT_TRUE(workers.hang());
  EXPECT_FALSE(workers.finish());
  hanging.go_on();
  EXPECT_TRUE(workers.finish());
  EXPECT_EQ(done, 1);
}

TEST(StoreWorkers, WhoeverFindsNoRoomWaitsForAStoreThatAnswers) {
  Hanging hanging;
  std::atomic<int> done = 0;
  StoreWorkers workers(1, 1, milliseconds(60'000));
  EXPECT_TRUE(workers.submit(hanging.work()));
  auto taken = std::async(std::launch::async, [&] { return workers.submit([&] { ++done; }); });
  hanging.go_on();
  EXPECT_TRUE(taken.get());
  EXPECT_TRUE(workers.finish());
  EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace grantfs
