#include "sandbox/write_limits.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>

#include "sandbox/confined_child.h"
#include "support/temporary_directory.h"

namespace grantfs {
namespace {

namespace fs = std::filesystem;

int open_with(const fs::path& path, int flags) {
  return outcome(::open(path.c_str(), flags | O_CLOEXEC, 0600));
}

int make_socket(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  return outcome(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

class WriteLimitsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* folder : {"store", "policy", "run"}) {
      fs::create_directory(top_.path() / folder);
      std::ofstream(top_.path() / folder / "file") << "before\n";
    }
    if (limited([] { return kWorked; }) == kNotConfined)
      GTEST_SKIP() << "this kernel has no Landlock";
  }

  /// The exit status of a child that writes to the places alone and then calls `body`.
  int limited(const std::function<int()>& body) const {
    return confined(
        [&] {
          return bool{limit_writes({{top_.path() / "policy", Writable::What::kDatabase},
                                    {top_.path() / "run", Writable::What::kSockets},
                                    {"/dev/null", Writable::What::kFile}})};
        },
        body);
  }

  fs::path in(const char* folder, const char* name) const { return top_.path() / folder / name; }

  TemporaryDirectory top_;
};

TEST_F(WriteLimitsTest, TheStoreIsReadAndNotChanged) {
  const fs::path file = in("store", "file");
  EXPECT_EQ(limited([&] { return open_with(file, O_RDONLY); }), kWorked);
  EXPECT_EQ(limited([&] { return open_with(file, O_WRONLY); }), EACCES);
  EXPECT_EQ(limited([&] { return open_with(file, O_RDWR); }), EACCES);
  EXPECT_EQ(limited([&] { return open_with(in("store", "new"), O_WRONLY | O_CREAT); }), EACCES);
  EXPECT_EQ(limited([&] { return outcome(::truncate(file.c_str(), 0)); }), EACCES);
  EXPECT_EQ(limited([&] { return outcome(::unlink(file.c_str())); }), EACCES);
  EXPECT_EQ(limited([&] { return outcome(::rename(file.c_str(), in("store", "new").c_str())); }),
            EACCES);
  EXPECT_EQ(limited([&] { return outcome(::mkdir(in("store", "new").c_str(), 0700)); }), EACCES);
  EXPECT_EQ(limited([&] { return outcome(::symlink("/", in("store", "new").c_str())); }), EACCES);
  EXPECT_EQ(limited([&] { return make_socket(in("store", "new")); }), EACCES);
}

TEST_F(WriteLimitsTest, AFileIsMovedNeitherOutOfTheStoreNorIntoIt) {
  const int out = limited(
      [&] { return outcome(::rename(in("store", "file").c_str(), in("policy", "file").c_str())); });
  EXPECT_TRUE(out == EACCES || out == EXDEV) << out;
  const int into = limited(
      [&] { return outcome(::link(in("policy", "file").c_str(), in("store", "new").c_str())); });
  EXPECT_TRUE(into == EACCES || into == EXDEV) << into;
}

TEST_F(WriteLimitsTest, ADatabaseIsWritten) {
  EXPECT_EQ(limited([&] { return open_with(in("policy", "file"), O_RDWR | O_TRUNC); }), kWorked);
  EXPECT_EQ(limited([&] { return open_with(in("policy", "new"), O_RDWR | O_CREAT); }), kWorked);
  EXPECT_EQ(limited([&] { return outcome(::unlink(in("policy", "new").c_str())); }), kWorked);
  EXPECT_EQ(limited([&] { return make_socket(in("policy", "socket")); }), kWorked);
}

TEST_F(WriteLimitsTest, OfSocketsTheNamesComeAndGo) {
  EXPECT_EQ(limited([&] { return make_socket(in("run", "socket")); }), kWorked);
  EXPECT_EQ(limited([&] { return outcome(::unlink(in("run", "socket").c_str())); }), kWorked);
  EXPECT_EQ(limited([&] { return open_with(in("run", "file"), O_WRONLY); }), EACCES);
  EXPECT_EQ(limited([&] { return open_with(in("run", "new"), O_WRONLY | O_CREAT); }), EACCES);
}

TEST_F(WriteLimitsTest, NothingElseIsWrittenOrRun) {
  EXPECT_EQ(limited([] { return open_with("/dev/null", O_RDWR); }), kWorked);
  EXPECT_EQ(limited([] { return open_with("/dev/zero", O_RDWR); }), EACCES);
  EXPECT_EQ(limited([&] { return open_with(top_.path() / "new", O_WRONLY | O_CREAT); }), EACCES);
  EXPECT_EQ(limited([] {
              const char* const nothing[] = {nullptr};
              return outcome(
                  ::execve("/bin/true", const_cast<char**>(nothing), const_cast<char**>(nothing)));
            }),
            EACCES);
}

TEST_F(WriteLimitsTest, NothingIsMountedOrUnmounted) {
  if (::geteuid() != 0) GTEST_SKIP() << "nobody else may mount in any case";
  const auto store = top_.path() / "store";
  EXPECT_EQ(limited([&] {
              return outcome(::mount(store.c_str(), store.c_str(), nullptr, MS_BIND, nullptr));
            }),
            EPERM);
  EXPECT_EQ(limited([] { return outcome(::umount2("/proc", MNT_DETACH)); }), EPERM);
}

TEST_F(WriteLimitsTest, APlaceThatIsNotThereIsAnError) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const auto done = limit_writes({{top_.path() / "absent", Writable::What::kFile}});
    ::_exit(!done && done.error().message.find("absent") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace grantfs
