#include "base/sync.h"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

namespace grantfs {
namespace {

using namespace std::chrono_literals;

struct Counter {
  int value = 0;
  std::condition_variable changed;
};

void add(Sync<Counter>& counter) {
  auto data = counter.lock();
  ++data->value;
  data->changed.notify_all();
}

TEST(Sync, WaitsUntilAnotherThreadHasMadeItSo) {
  Sync<Counter> counter;
  std::thread other;
  {
    auto data = counter.lock();
    other = std::thread([&] { add(counter); });  // cannot go on before wait() lets it
    data.wait(data->changed, [&] { return data->value == 1; });
    EXPECT_EQ(data->value, 1);
  }
  other.join();
}

TEST(Sync, WaitsNoLongerThanItIsTold) {
  Sync<Counter> counter;
  auto data = counter.lock();
  const auto end = std::chrono::steady_clock::now() + 20ms;
  EXPECT_FALSE(data.wait_until(data->changed, end, [&] { return data->value == 1; }));
  EXPECT_GE(std::chrono::steady_clock::now(), end);
  data->value = 1;
  EXPECT_TRUE(data.wait_until(data->changed, end, [&] { return data->value == 1; }));
}

TEST(Sync, LetsOthersInWhileSomethingIsDoneWithoutTheLock) {
  Sync<Counter> counter;
  auto data = counter.lock();
  EXPECT_EQ(data.unlocked([&] {
    add(counter);  // or it would wait for itself
    return 7;
  }),
            7);
  EXPECT_EQ(data->value, 1);
}

TEST(Sync, HasTheLockAgainAlsoIfThatThrows) {
  Sync<Counter> counter;
  std::thread other;
  {
    auto data = counter.lock();
    EXPECT_THROW(data.unlocked([] { throw std::runtime_error("no"); }), std::runtime_error);
    other = std::thread([&] { add(counter); });
    EXPECT_EQ(data->value, 0);
    data.wait(data->changed, [&] { return data->value == 1; });
  }
  other.join();
}

}  // namespace
}  // namespace grantfs
