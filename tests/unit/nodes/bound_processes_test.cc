#include "nodes/bound_processes.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "support/child_process.h"

namespace grantfs {
namespace {

constexpr uid_t kUid = 1001;
constexpr const char* kToken = "abcdefghijklmnopqrstuvwxyz234567";

SessionBearer bearer(const char* token = kToken) {
  return {TokenHash::of(token), SharedSecret(token), std::nullopt};
}

Caller caller(const Child& child) {
  return {kUid, child.pid()};
}

std::shared_ptr<BoundProcess> binding_of(const Child& leader, const char* token = kToken) {
  return std::make_shared<BoundProcess>(leader.pid(), leader.pidfd(), bearer(token));
}

TEST(BoundProcesses, ASessionIsBoundByItsLeaderAlone) {
  BoundProcesses processes;
  const Child leader;
  const Child other;
  const Child follower(false);
  ASSERT_TRUE(processes.bind(binding_of(leader)));
  ASSERT_NE(processes.of(caller(leader)), nullptr);
  EXPECT_EQ(processes.of(caller(leader))->posix_session(), leader.pid());
  EXPECT_EQ(processes.of(caller(other)), nullptr);
  EXPECT_EQ(processes.of(caller(follower)), nullptr);

  auto refused = processes.bind(binding_of(follower));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(refused.error().message.find(kToken), std::string::npos);
  // The descriptor of one and the number of another: of who has ended meanwhile.
  Child ended;
  UniqueFd of_ended = ended.pidfd();
  ended.end();
  EXPECT_FALSE(
      processes.bind(std::make_shared<BoundProcess>(other.pid(), std::move(of_ended), bearer())));
  EXPECT_EQ(processes.list().size(), 1U);
}

TEST(BoundProcesses, ABindingOfAnotherDaemonsReplacesNone) {
  BoundProcesses processes;
  const Child leader;
  const Child other;
  ASSERT_TRUE(processes.bind(binding_of(leader)));
  ASSERT_TRUE(processes.bind_if_free(binding_of(leader, "another-token-of-another-one")));
  EXPECT_EQ(processes.of(caller(leader))->bearer().session, TokenHash::of(kToken));
  ASSERT_TRUE(processes.bind_if_free(binding_of(other)));
  EXPECT_NE(processes.of(caller(other)), nullptr);
  const Child follower(false);
  EXPECT_FALSE(processes.bind_if_free(binding_of(follower)));
}

TEST(BoundProcesses, WhoIsNotSeenFromHereIsInNoSession) {
  // To getsid(2), 0 is whoever asks: were that process bound, so would be all the unseen.
  const pid_t child = ::fork();
  if (child == 0) {
    ::setsid();
    BoundProcesses processes;
    auto bound = std::make_shared<BoundProcess>(::getpid(), pidfd_of(::getpid()), bearer());
    int wrong = processes.bind(bound) ? 0 : 1;
    if (!bound->admits({kUid, ::getpid()})) wrong |= 2;
    if (bound->admits({kUid, 0}) || bound->admits({kUid, -1})) wrong |= 4;
    if (processes.of({kUid, 0}) != nullptr || posix_session_of({kUid, 0})) wrong |= 8;
    if (bound->admits({kNobodyAtAll, ::getpid()})) wrong |= 16;
    if (processes.of({kNobodyAtAll, ::getpid()}) != nullptr) wrong |= 32;
    ::_exit(wrong);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(BoundProcesses, ALeaderThatHasEndedAdmitsNobody) {
  BoundProcesses processes;
  const Child leader;
  auto bound = binding_of(leader);
  ASSERT_TRUE(processes.bind(bound));
  EXPECT_TRUE(bound->admits(caller(leader)));
  leader.kill();  // and nobody has asked for its status: its number is its own
  EXPECT_EQ(posix_session_of(caller(leader)), leader.pid());
  EXPECT_FALSE(bound->admits(caller(leader)));
  EXPECT_NE(processes.of(caller(leader)), nullptr) << "whoever is left is not somebody else";
  EXPECT_TRUE(processes.list().empty());
}

TEST(BoundProcesses, AnotherWithTheNumberOfALeaderIsAStranger) {
  // As if the number had been given to another process: the binding is of one that is gone.
  const Child another;
  Child leader;
  UniqueFd of_leader = leader.pidfd();
  leader.end();
  const BoundProcess bound(another.pid(), std::move(of_leader), bearer());
  EXPECT_FALSE(bound.admits(caller(another)));
  EXPECT_TRUE(bound.is_of_the_past());
  EXPECT_FALSE(binding_of(another)->is_of_the_past());
}

TEST(BoundProcesses, BoundAnewItIsNoLongerWhatItWas) {
  BoundProcesses processes;
  const Child leader;
  auto before = binding_of(leader);
  ASSERT_TRUE(processes.bind(before));
  ASSERT_TRUE(processes.bind(binding_of(leader, "zyxwvutsrqponmlkjihgfedcba765432")));
  EXPECT_FALSE(before->admits(caller(leader)));
  ASSERT_EQ(processes.list().size(), 1U);
  EXPECT_EQ(processes.list()[0].token, TokenHash::of("zyxwvutsrqponmlkjihgfedcba765432"));
}

TEST(BoundProcesses, RoomIsMadeByThoseThatHaveEnded) {
  BoundProcesses processes;
  std::vector<std::unique_ptr<Child>> leaders;
  for (std::size_t i = 0; i < BoundProcesses::kMost; ++i) {
    leaders.push_back(std::make_unique<Child>());
    ASSERT_TRUE(processes.bind(binding_of(*leaders.back())));
  }
  const Child one_more;
  auto refused = processes.bind(binding_of(one_more));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(processes.bind(binding_of(*leaders[3]))) << "in the place of its own";
  leaders[7]->end();
  EXPECT_TRUE(processes.bind(binding_of(one_more)));
  EXPECT_EQ(processes.list().size(), BoundProcesses::kMost);
}

}  // namespace
}  // namespace grantfs
