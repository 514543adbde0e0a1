#include "db/shm_guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <cstddef>
#include <new>
#include <thread>
#include <vector>

#include "db/connection.h"
#include "support/policy_fixture.h"

namespace grantfs {
namespace {

TEST_F(PolicyTest, ATruncatedShmFileDeniesOnceAndServiceResumes) {
  db::install_shm_guard();
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:alice')");
  ASSERT_EQ(decide(named("user:alice"), "a"), Access::kRead);

  writer_.reset();  // a writer in this process would share, and keep, the torn mapping
  const auto faults = db::shm_faults();
  ASSERT_EQ(::truncate((database_.string() + "-shm").c_str(), 0), 0);
  EXPECT_FALSE(policy_->decide(named("user:alice"), path("a")));
  EXPECT_GT(db::shm_faults(), faults);

  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kRead);
  writer_ = std::make_unique<db::Connection>(
      std::move(*db::Connection::open(database_, db::Mode::kWrite)));
  sql("DELETE FROM owners");
  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kNone);
}

TEST_F(PolicyTest, ATruncatedShmFileIsSurvivedAfterAQuestionThatThrewToo) {
  db::install_shm_guard();
  bool out_of_memory = true;
  auto policy = Policy::open({.database = database_, .groups = [&](uid_t) -> std::vector<gid_t> {
                                if (out_of_memory) throw std::bad_alloc();
                                return {};
                              }});
  ASSERT_TRUE(policy);
  EXPECT_THROW((void)(*policy)->decide(SystemUser{1}, path("a")), std::bad_alloc);
  out_of_memory = false;
  policy_.reset();
  writer_.reset();  // see above
  ASSERT_TRUE((*policy)->decide(SystemUser{1}, path("a")));
  ASSERT_EQ(::truncate((database_.string() + "-shm").c_str(), 0), 0);
  EXPECT_FALSE((*policy)->decide(SystemUser{1}, path("a")));
  EXPECT_TRUE((*policy)->decide(SystemUser{1}, path("a"))) << "no reader is in use any more";
}

TEST(ShmGuardDeathTest, ABusErrorThatSomebodySentIsStillDeadly) {
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, SIG_DFL);  // whatever a sanitizer had there
        db::install_shm_guard();
        ::raise(SIGBUS);
      },
      testing::KilledBySignal(SIGBUS), "");
}

TEST(ShmGuardDeathTest, ABusErrorInAnotherFileIsStillDeadly) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store-shmoo";
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, SIG_DFL);  // whatever a sanitizer had there
        db::install_shm_guard();
        const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || ::ftruncate(fd, 1) != 0) ::_exit(1);
        void* mapped = ::mmap(nullptr, 1, PROT_READ, MAP_SHARED, fd, 0);
        if (mapped == MAP_FAILED || ::ftruncate(fd, 0) != 0) ::_exit(2);
        ::_exit(*static_cast<volatile char*>(mapped));
      },
      testing::KilledBySignal(SIGBUS), "");
}

/// Truncates a file of that name under threads that then read all its pages at once, in step, again
/// and again. Never returns: ends with 0 if nobody read anything but zeros.
[[noreturn]] void fault_on_many_threads_at_once(const std::filesystem::path& path) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 20;
  constexpr std::size_t kPages = 8;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::atomic<const volatile char*> mapped = nullptr;
  std::barrier together(kThreads + 1);
  const auto read_all = [&] {
    for (int round = 0; round < kRounds; ++round) {
      together.arrive_and_wait();
      const volatile char* pages = mapped;
      for (std::size_t i = 0; i < kPages; ++i) {
        if (pages[i * page] != 0) ::_exit(1);
      }
      together.arrive_and_wait();
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(read_all);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  for (int round = 0; round < kRounds; ++round) {
    if (::ftruncate(fd, static_cast<off_t>(kPages * page)) != 0) ::_exit(2);
    void* torn = ::mmap(nullptr, kPages * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (torn == MAP_FAILED || ::ftruncate(fd, 0) != 0) ::_exit(3);
    mapped = static_cast<const volatile char*>(torn);
    together.arrive_and_wait();
    together.arrive_and_wait();
    ::munmap(torn, kPages * page);
  }
  threads.clear();
  ::_exit(0);
}

TEST(ShmGuardDeathTest, ThreadsThatFaultOnTheSamePageAtOnceAllGoOn) {
  const TemporaryDirectory directory;
  EXPECT_EXIT(
      {
        ::signal(SIGBUS, SIG_DFL);  // whatever a sanitizer had there
        db::install_shm_guard();
        fault_on_many_threads_at_once(directory.path() / "policy.db-shm");
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace grantfs
