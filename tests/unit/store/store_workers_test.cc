#include "store/store_workers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

namespace grantfs {
namespace {

using std::chrono::milliseconds;

using Turn = StoreWorkers::Turn;

/// Work that hangs until it is told to go on.
class Hanging {
 public:
  StoreWorkers::Work work() {
    return [this](Turn) {
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
  const auto count = [&](Turn turn) { done += turn == Turn::kCame ? 1 : 0; };
  StoreWorkers workers(2, 100);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(workers.submit(count));
  EXPECT_TRUE(workers.finish());
  EXPECT_EQ(done, 100);
  EXPECT_TRUE(workers.submit(count));
  EXPECT_EQ(done, 101);
}

TEST(StoreWorkers, NoMoreIsTakenThanMayWait) {
  Hanging hanging;
  StoreWorkers workers(1, 1, milliseconds(60'000));
  EXPECT_TRUE(workers.submit(hanging.work()));
  hanging.await(1);
  EXPECT_TRUE(workers.submit(hanging.work()));
  EXPECT_FALSE(workers.submit(hanging.work()));
  EXPECT_FALSE(workers.hang());
  hanging.go_on();
  EXPECT_TRUE(workers.finish());
}

TEST(StoreWorkers, WhoeverHasNoThreadIsRefusedWhileTheStoreHangs) {
  Hanging hanging;
  std::promise<Turn> turn;
  StoreWorkers workers(2, 100, milliseconds(50));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(workers.submit(hanging.work()));
  hanging.await(2);
  EXPECT_TRUE(workers.submit([&](Turn came) { turn.set_value(came); }));
  EXPECT_EQ(turn.get_future().get(), Turn::kNeverComes);
  EXPECT_TRUE(workers.hang());
  EXPECT_FALSE(workers.submit(hanging.work()));
  EXPECT_FALSE(workers.finish());
  hanging.go_on();
  EXPECT_TRUE(workers.finish());
}

TEST(StoreWorkers, AnAnswerCountsBeforeTheWorkIsOver) {
  Hanging hanging;
  StoreWorkers workers(1, 100, milliseconds(50));
  EXPECT_TRUE(workers.submit(hanging.work()));
  hanging.await(1);
  while (!workers.hang()) std::this_thread::yield();
  EXPECT_FALSE(workers.submit(hanging.work()));
  workers.note_answer();
  EXPECT_TRUE(workers.submit(hanging.work()));
  hanging.go_on();
  EXPECT_TRUE(workers.finish());
}

}  // namespace
}  // namespace grantfs
