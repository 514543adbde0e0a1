#include "audit/audit_trail.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <condition_variable>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "base/sync.h"
#include "support/allocation.h"

namespace grantfs {
namespace {

using nlohmann::json;

/// What a destination was given, and whether it takes anything.
struct Disk {
  struct State {
    std::string written;
    bool fails = false;
    bool hangs = false;
    bool is_writing = false;
    std::condition_variable changed;
  };
  Sync<State> state;

  void set(bool State::*what, bool value) {
    auto locked = state.lock();
    (*locked).*what = value;
    locked->changed.notify_all();
  }
  void wait_until_writing() {
    auto locked = state.lock();
    locked.wait(locked->changed, [&] { return locked->is_writing; });
  }
  std::vector<json> records() {
    const std::string text = state.lock()->written;
    std::vector<json> found;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      found.push_back(json::parse(text.substr(at, end - at)));
      at = end + 1;
    }
    return found;
  }
  void wait_for(std::size_t records) {
    while (this->records().size() < records) std::this_thread::yield();
  }
};

class ToDisk final : public AuditDestination {
 public:
  explicit ToDisk(Disk& disk) : disk_(disk) {}
  Result<void> write(std::string& lines) override {
    auto state = disk_.state.lock();
    state->is_writing = true;
    state->changed.notify_all();
    state.wait(state->changed, [&] { return !state->hangs; });
    if (state->fails) return Error{ErrorKind::kSystem, "no room"};
    state->written += lines;
    lines.clear();
    return {};
  }

 private:
  Disk& disk_;
};

class AuditTrailTest : public testing::Test {
 protected:
  void start(AuditOptions options = {}) {
    trail_ = std::move(*AuditTrail::start(std::make_unique<ToDisk>(disk_), options));
  }
  bool note(std::string_view path = "a/b", AuditEvent::What what = AuditEvent::What::kOpen) {
    return trail_->note({.what = what, .time = audit_now(), .label = "public", .folder = path});
  }

  Disk disk_;
  std::unique_ptr<AuditTrail> trail_;
};

TEST_F(AuditTrailTest, EventsAreWrittenInOrder) {
  start();
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(note(std::to_string(i)));
  trail_.reset();
  const auto records = disk_.records();
  ASSERT_EQ(records.size(), 1000U);
  for (std::size_t i = 0; i < records.size(); ++i) EXPECT_EQ(records[i]["path"], std::to_string(i));
}

TEST_F(AuditTrailTest, ARequestAllocatesNothing) {
  start();
  EXPECT_TRUE(note());
  disk_.wait_for(1);
  const std::string long_path(4000, 'x');
  const long before = test::allocations_made;
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(note(long_path));
    (void)trail_->admits_refusal(7, audit_now());
  }
  EXPECT_EQ(test::allocations_made, before);
}

TEST_F(AuditTrailTest, NobodyWaitsForADiskThatHangs) {
  start({.queue_bytes = 4096});
  disk_.set(&Disk::State::hangs, true);
  EXPECT_TRUE(note());
  disk_.wait_until_writing();
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(note());
  const std::uint64_t lost = trail_->report().lost;
  EXPECT_GT(lost, 900U);
  disk_.set(&Disk::State::hangs, false);
  trail_.reset();
  const auto records = disk_.records();
  EXPECT_EQ(records.back()["event"], "gap");
  EXPECT_EQ(records.back()["lost"], lost);
  EXPECT_EQ(records.size() - 1, 1001 - lost);
}

TEST_F(AuditTrailTest, WhatMustBeRecordedIsRefusedWhereThereIsNoRoom) {
  start({.required = true, .queue_bytes = 4096});
  disk_.set(&Disk::State::hangs, true);
  EXPECT_TRUE(note());
  disk_.wait_until_writing();
  std::size_t permitted = 1;
  while (permitted < 1000 && note()) ++permitted;
  EXPECT_LT(permitted, 1000U);
  EXPECT_EQ(trail_->report().lost, 0U);
  disk_.set(&Disk::State::hangs, false);
  trail_.reset();
  EXPECT_EQ(disk_.records().size(), permitted);  // and no gap
}

TEST_F(AuditTrailTest, WhatMustBeRecordedIsRefusedAfterAnErrorUntilItIsOver) {
  start({.required = true});
  disk_.set(&Disk::State::fails, true);
  EXPECT_TRUE(note());
  while (trail_->report().trouble.empty()) std::this_thread::yield();
  EXPECT_FALSE(note());
  EXPECT_EQ(trail_->report().trouble, "no room");
  disk_.set(&Disk::State::fails, false);
  trail_->reopen();  // else it would be tried again after a second
  disk_.wait_for(1);
  while (!trail_->report().trouble.empty()) std::this_thread::yield();
  EXPECT_TRUE(note());
}

TEST_F(AuditTrailTest, RefusalsKeepNoOpenOut) {
  start({.required = true, .queue_bytes = 8192});
  disk_.set(&Disk::State::hangs, true);
  EXPECT_TRUE(note());
  disk_.wait_until_writing();
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(note("a", AuditEvent::What::kRefused));
  EXPECT_GT(trail_->report().lost, 0U);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(note());
  disk_.set(&Disk::State::hangs, false);
}

TEST_F(AuditTrailTest, RefusalsOfOneSourceAreCountedAfterTheTenthInASecond) {
  start();
  constexpr AuditTime kSecond = 1'000'000'000;
  const AuditTime now = audit_now() / kSecond * kSecond;
  int admitted = 0;
  for (int i = 0; i < 100; ++i) admitted += trail_->admits_refusal(1, now + i) ? 1 : 0;
  EXPECT_EQ(admitted, 10);
  EXPECT_TRUE(trail_->admits_refusal(2, now));
  EXPECT_TRUE(trail_->admits_refusal(1, now + kSecond));
  EXPECT_EQ(trail_->report().refusals, 90U);
  trail_.reset();
  EXPECT_EQ(disk_.records().back()["refusals"], 90);
}

TEST_F(AuditTrailTest, ManyThreadsLoseNothing) {
  start();
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < kEach; ++j) EXPECT_TRUE(note());
      });
    }
  }
  trail_.reset();
  EXPECT_EQ(disk_.records().size(), static_cast<std::size_t>(kThreads) * kEach);
}

}  // namespace
}  // namespace grantfs
