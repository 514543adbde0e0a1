// What somebody would try who has the daemon run his code. Preloaded by test_sandbox.py: the thread
// that answers at the control socket tries it all, and says to standard error what came of each,
// when it accepts the first client after $ATTACK_ELSEWHERE/now was made. $ATTACK_STORE,
// $ATTACK_MOUNTPOINT, $ATTACK_POLICY and $ATTACK_ELSEWHERE are folders; ATTACK_HARMLESS leaves out
// what would end or change a daemon that nothing keeps from it.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

struct Places {
  std::string store, mountpoint, policy, elsewhere;
  bool harmless = false;
};
Places* places = nullptr;
std::atomic<bool> done{false};

std::string folder(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The daemon empties its environment.
__attribute__((constructor)) void begin() {
  if (std::getenv("ATTACK_STORE") == nullptr) return;
  places = new Places{folder("ATTACK_STORE"), folder("ATTACK_MOUNTPOINT"), folder("ATTACK_POLICY"),
                      folder("ATTACK_ELSEWHERE"), std::getenv("ATTACK_HARMLESS") != nullptr};
}

void tell(const char* attack, long result) {
  const int error = result < 0 ? errno : 0;
  (void)std::fprintf(stderr, "attack: %s: %s\n", attack, strerrorname_np(error));
}

int open_for_writing(const std::string& path, int flags = 0) {
  return ::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0600);
}

long open_by_openat2(const std::string& path) {
  open_how how{};
  how.flags = O_WRONLY | O_CLOEXEC;
  return ::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how);
}

/// What only a daemon that is kept from it may be asked to do.
void attack_for_good() {
  const std::string file = places->store + "/file";
  tell("truncate in the store", ::syscall(SYS_truncate, file.c_str(), 0));
  tell("remove in the store", ::unlink(file.c_str()));
  tell("rename in the store", ::rename(file.c_str(), (file + ".new").c_str()));
  tell("move out of the store", ::rename(file.c_str(), (places->policy + "/file").c_str()));
  tell("unmount", ::umount2(places->mountpoint.c_str(), MNT_DETACH));
  tell("mount",
       ::mount(places->store.c_str(), places->mountpoint.c_str(), nullptr, MS_BIND, nullptr));
  const char* const nothing[] = {nullptr};
  tell("execve", ::execve("/bin/true", const_cast<char**>(nothing), const_cast<char**>(nothing)));
  const long child = ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) ::_exit(0);
  tell("fork", child);
}

void attack() {
  const std::string file = places->store + "/file";
  tell("read the store", ::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  tell("write in the policy's folder", open_for_writing(places->policy + "/attacker", O_CREAT));
  tell("write in the store", open_for_writing(file));
  tell("write in the store by openat2", open_by_openat2(file));
  tell("make in the store", open_for_writing(places->store + "/made", O_CREAT));
  tell("write elsewhere", open_for_writing(places->elsewhere + "/file"));
  tell("make elsewhere", open_for_writing(places->elsewhere + "/made", O_CREAT));
  tell("AF_INET", ::socket(AF_INET, SOCK_STREAM, 0));
  errno = ENOENT;
  tell("the caller's environment", std::getenv("ATTACK_STORE") != nullptr ? 0 : -1);
  tell("a signal", ::kill(::getppid(), 0));
  if (!places->harmless) attack_for_good();
}

}  // namespace

extern "C" int accept4(int fd, struct sockaddr* address, socklen_t* size, int flags) {
  struct stat now {};
  if (places != nullptr && ::stat((places->elsewhere + "/now").c_str(), &now) == 0 &&
      !done.exchange(true)) {
    attack();
  }
  return static_cast<int>(::syscall(SYS_accept4, fd, address, size, flags));
}
