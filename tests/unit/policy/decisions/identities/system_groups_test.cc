#include "policy/decisions/identities/system_groups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace grantfs {
namespace {

using std::chrono::seconds;

/// A directory service whose slowness, clock and files the test sets. Answers {uid}.
class Service {
 public:
  SystemGroups groups() {
    return remembered_groups({.look_up = [this](uid_t uid) { return look_up(uid); },
                              .signature = [this] { return signature(); },
                              .now = [this] { return now(); }});
  }

  void advance(seconds by) {
    const std::lock_guard guard(mutex_);
    now_ += by;
  }
  void change_files() {
    const std::lock_guard guard(mutex_);
    ++signature_.front();
  }
  /// From now on, whoever asks waits for release().
  void hold() {
    const std::lock_guard guard(mutex_);
    held_ = true;
  }
  void release() {
    const std::lock_guard guard(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  void fail_next() {
    const std::lock_guard guard(mutex_);
    fails_ = true;
  }
  /// Waits until as many are inside at once; false if that does not happen for a while.
  bool wait_for_inside(unsigned count, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return inside_ >= count; });
  }
  int questions(uid_t uid) {
    const std::lock_guard guard(mutex_);
    return questions_[uid];
  }
  /// What each answer takes, by the clock.
  seconds takes{0};

 private:
  std::vector<gid_t> look_up(uid_t uid) {
    std::unique_lock lock(mutex_);
    ++questions_[uid];
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
    now_ += takes;
    --inside_;
    if (std::exchange(fails_, false)) throw std::runtime_error("out of memory, say");
    return {uid};
  }
  GroupSources::Signature signature() {
    const std::lock_guard guard(mutex_);
    return signature_;
  }
  GroupSources::SteadyTime now() {
    const std::lock_guard guard(mutex_);
    return now_;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  GroupSources::Signature signature_{};
  GroupSources::SteadyTime now_{seconds{1000}};
  std::map<uid_t, int> questions_;
  unsigned inside_ = 0;
  bool held_ = false;
  bool fails_ = false;
};

constexpr std::chrono::milliseconds kGroupPatience{10'000};
/// How long to look for what must not happen.
constexpr std::chrono::milliseconds kGlance{200};

TEST(SystemGroupsTest, AUidIsAskedAboutOnceHoweverManyWantToKnow) {
  Service service;
  const SystemGroups groups = service.groups();
  service.hold();
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(groups(7), std::vector<gid_t>{7}); });
  }
  EXPECT_TRUE(service.wait_for_inside(1, kGroupPatience));
  EXPECT_FALSE(service.wait_for_inside(2, kGlance));
  service.release();
  threads.clear();
  EXPECT_EQ(service.questions(7), 1);
}

TEST(SystemGroupsTest, AnAnswerIsAsOldAsItsEnd) {
  Service service;
  const SystemGroups groups = service.groups();
  service.takes = 5 * kGroupsRemembered;
  groups(7);
  groups(7);
  EXPECT_EQ(service.questions(7), 1);
  service.advance(kGroupsRemembered);
  groups(7);
  EXPECT_EQ(service.questions(7), 2);
}

TEST(SystemGroupsTest, AnAnswerOlderThanTheFilesIsNotUsed) {
  Service service;
  const SystemGroups groups = service.groups();
  groups(7);
  service.change_files();
  groups(7);
  EXPECT_EQ(service.questions(7), 2);
}

TEST(SystemGroupsTest, AQuestionBegunBeforeTheFilesChangedIsAskedAgain) {
  Service service;
  const SystemGroups groups = service.groups();
  service.hold();
  std::jthread before([&] { groups(7); });
  EXPECT_TRUE(service.wait_for_inside(1, kGroupPatience));
  service.change_files();
  std::jthread after([&] { groups(7); });
  service.release();
  before.join();
  after.join();
  EXPECT_EQ(service.questions(7), 2);
}

TEST(SystemGroupsTest, AFewAtMostAreStuckInASlowServiceAndKnownUidsAreNot) {
  Service service;
  const SystemGroups groups = service.groups();
  groups(1);
  service.advance(2 * kGroupsRemembered);
  service.hold();
  std::vector<std::jthread> threads;
  for (uid_t uid = 100; uid < 100 + 3 * kMostGroupQuestions; ++uid) {
    threads.emplace_back([&groups, uid] { EXPECT_EQ(groups(uid), std::vector<gid_t>{uid}); });
  }
  EXPECT_TRUE(service.wait_for_inside(kMostGroupQuestions, kGroupPatience));
  EXPECT_FALSE(service.wait_for_inside(kMostGroupQuestions + 1, kGlance));

  EXPECT_EQ(groups(1), std::vector<gid_t>{1});
  EXPECT_EQ(service.questions(1), 1);
  service.advance(kGroupsRememberedWhenBusy);
  threads.emplace_back([&] { EXPECT_EQ(groups(1), std::vector<gid_t>{1}); });
  service.release();
  threads.clear();
  EXPECT_EQ(service.questions(1), 2) << "an old answer is not used for ever";
}

TEST(SystemGroupsTest, AFailureStandsInNobodysWay) {
  Service service;
  const SystemGroups groups = service.groups();
  for (unsigned i = 0; i < 2 * kMostGroupQuestions; ++i) {
    service.fail_next();
    EXPECT_THROW(groups(7), std::runtime_error);
  }
  EXPECT_EQ(groups(7), std::vector<gid_t>{7});
}

TEST(SystemGroupsTest, ManyUidsAreForgottenAgainAndAskedAnew) {
  Service service;
  const SystemGroups groups = service.groups();
  constexpr uid_t kMany = 10'000;
  for (uid_t uid = 0; uid < kMany; ++uid) EXPECT_EQ(groups(uid), std::vector<gid_t>{uid});
  groups(0);
  EXPECT_EQ(service.questions(0), 2);
}

}  // namespace
}  // namespace grantfs
