#include "db/shm_guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policy_fixture.h"

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

}  // namespace
}  // namespace grantfs
