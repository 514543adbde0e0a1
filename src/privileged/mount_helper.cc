#include "privileged/mount_helper.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): SIGHUP is not C's
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "base/mount_info.h"
#include "base/quote.h"
#include "sandbox/call_filter.h"

namespace grantfs {
namespace {

// From linux/mount.h as of Linux 6.5; Debian 12's is older.
constexpr unsigned kMoveBeneath = 0x00000200;  // MOVE_MOUNT_BENEATH

struct Request {
  enum class Kind : std::uint8_t { kAttach, kAttachOverDead, kReplace, kAsk, kDetach };
  Kind kind = Kind::kDetach;
  std::uint64_t mount_id = 0;  ///< of kReplace and kDetach
};

struct Answer {
  enum class Step : std::uint8_t { kDone, kRequest, kDeadMount, kOldMount, kMount };
  Step failed_at = Step::kDone;
  int error = 0;
  std::int64_t file_system = 0;  ///< of kAsk: statfs(2)'s f_type
};

Answer failed(Answer::Step step, int error) {
  return {.failed_at = step, .error = error};
}

/// A message, and with it a descriptor; without, `fd` is invalid.
template <class Message>
bool send_message(int socket, Message message, int fd = -1) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec bytes{&message, sizeof message};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  if (fd >= 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  }
  ssize_t sent = 0;
  while ((sent = ::sendmsg(socket, &header, MSG_NOSIGNAL)) < 0 && errno == EINTR) {
  }
  return sent == static_cast<ssize_t>(sizeof message);
}

template <class Message>
std::optional<Message> receive_message(int socket, UniqueFd* fd = nullptr) {
  Message message{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec bytes{&message, sizeof message};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t got = 0;
  while ((got = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  if (const cmsghdr* rights = CMSG_FIRSTHDR(&header); got > 0 && rights != nullptr) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(rights), sizeof number);
    UniqueFd received(number);
    if (fd != nullptr) *fd = std::move(received);
  }
  if (got != static_cast<ssize_t>(sizeof message)) return std::nullopt;
  return message;
}

/// The privileged remainder of grantfs: all that is done with CAP_SYS_ADMIN while a mount serves.
class Helper {
 public:
  Helper(int socket, std::string mountpoint)
      : socket_(socket), mountpoint_(std::move(mountpoint)) {}

  [[noreturn]] void run() {
    UniqueFd tree;
    while (const auto request = receive_message<Request>(socket_, &tree)) {
      if (!send_message(socket_, act(*request, tree))) break;
      tree.reset();
    }
    ::_exit(EXIT_SUCCESS);
  }

 private:
  Answer act(const Request& request, const UniqueFd& tree) const {
    switch (request.kind) {
      case Request::Kind::kAttach:
        return attach(tree);
      case Request::Kind::kAttachOverDead:
        return attach_over_dead(tree);
      case Request::Kind::kReplace:
        return replace(tree, request.mount_id);
      case Request::Kind::kAsk:
        return ask(tree);
      case Request::Kind::kDetach:
        return detach(request.mount_id);
    }
    return failed(Answer::Step::kRequest, EINVAL);
  }

  bool move(const UniqueFd& tree, unsigned flags) const {
    return ::move_mount(tree.get(), "", AT_FDCWD, mountpoint_.c_str(),
                        MOVE_MOUNT_F_EMPTY_PATH | flags) == 0;
  }

  Answer attach(const UniqueFd& tree) const {
    if (!move(tree, 0)) return failed(Answer::Step::kMount, errno);
    return {};
  }

  Answer attach_over_dead(const UniqueFd& tree) const {
    const bool is_beneath = move(tree, kMoveBeneath);
    if (!take_away()) return failed(Answer::Step::kDeadMount, errno);
    return is_beneath ? Answer{} : attach(tree);
  }

  /// Nothing comes between the two calls that could fail by itself: what may not be taken away,
  /// nothing may be put beneath either (can_move_mount_beneath() in the kernel's fs/namespace.c).
  Answer replace(const UniqueFd& tree, std::uint64_t mount_id) const {
    if (!is_at_mountpoint(mount_id)) return failed(Answer::Step::kOldMount, EBUSY);
    if (!move(tree, kMoveBeneath)) return failed(Answer::Step::kMount, errno);
    return take_away() ? Answer{} : failed(Answer::Step::kOldMount, errno);
  }

  Answer ask(const UniqueFd& root) const {
    struct statfs status = {};
    const int outcome =
        root ? ::fstatfs(root.get(), &status) : ::statfs(mountpoint_.c_str(), &status);
    if (outcome != 0) return failed(Answer::Step::kMount, errno);
    return {.file_system = static_cast<std::int64_t>(status.f_type)};
  }

  Answer detach(std::uint64_t mount_id) const {
    if (is_at_mountpoint(mount_id)) take_away();
    return {};
  }

  bool is_at_mountpoint(std::uint64_t mount_id) const {
    return lasting_mount_id(AT_FDCWD, mountpoint_.c_str()) == mount_id;
  }

  bool take_away() const {
    return ::umount2(mountpoint_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
  }

  const int socket_;
  const std::string mountpoint_;
};

/// Gives up everything but mounting, and the passing of folders on the way to the mount point.
bool give_up_the_rest() {
  constexpr std::array<cap_value_t, 2> kNeeded{CAP_SYS_ADMIN, CAP_DAC_READ_SEARCH};
  const std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> have(cap_get_proc(),
                                                                           cap_free);
  const std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> keep(cap_init(), cap_free);
  if (have == nullptr || keep == nullptr) return false;
  for (const cap_value_t capability : kNeeded) {
    cap_flag_value_t permitted = CAP_CLEAR;
    cap_get_flag(have.get(), capability, CAP_PERMITTED, &permitted);
    if (permitted == CAP_CLEAR) continue;
    cap_set_flag(keep.get(), CAP_PERMITTED, 1, &capability, CAP_SET);
    cap_set_flag(keep.get(), CAP_EFFECTIVE, 1, &capability, CAP_SET);
  }
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && cap_set_proc(keep.get()) == 0 &&
         ::prctl(PR_SET_DUMPABLE, 0) == 0;
}

/// Becomes the helper, with no descriptor but the socket and /dev/null. It ends when the socket
/// does, and by no signal that a service or a terminal sends to all of its processes: the daemon
/// needs it to unmount.
[[noreturn]] void become_helper(UniqueFd socket, const std::filesystem::path& mountpoint) {
  constexpr int kSocket = STDERR_FILENO + 1;
  ::prctl(PR_SET_NAME, MountHelper::kName);
  for (const int number : {SIGHUP, SIGINT, SIGTERM}) (void)::signal(number, SIG_IGN);
  const int null = ::open("/dev/null", O_RDWR);
  if (null < 0 || ::dup2(socket.get(), kSocket) < 0) ::_exit(EXIT_FAILURE);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, standard);
  (void)socket.release();
  ::close_range(kSocket + 1, ~0U, 0);
  if (::chdir("/") != 0 || !give_up_the_rest()) ::_exit(EXIT_FAILURE);
  Helper helper(kSocket, mountpoint.native());
  (void)filter_system_calls(Filtered::kMountHelper);  // where the kernel can
  helper.run();
}

}  // namespace

Result<MountHelper> MountHelper::start(const std::filesystem::path& mountpoint) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error{ErrorKind::kSystem,
                 fmt::format("cannot make a pair of sockets: {}", std::strerror(errno))};
  }
  UniqueFd ours(ends[0]);
  UniqueFd helpers(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) {
    return Error{ErrorKind::kSystem, fmt::format("cannot fork: {}", std::strerror(errno))};
  }
  if (child == 0) become_helper(std::move(helpers), mountpoint);
  return MountHelper(mountpoint, std::move(ours), child);
}

MountHelper::~MountHelper() {
  if (process_ == 0) return;
  socket_.reset();
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

namespace {

/// Asks the helper, and returns its answer; none if it has ended.
std::optional<Answer> exchange(std::mutex& turn, const UniqueFd& socket, Request request,
                               int fd = -1) {
  const std::lock_guard mine(turn);
  if (!send_message(socket.get(), request, fd)) return std::nullopt;
  return receive_message<Answer>(socket.get());
}

}  // namespace

Result<void> MountHelper::attach(const UniqueFd& tree, Place place) {
  const auto kind = place == Place::kDead ? Request::Kind::kAttachOverDead : Request::Kind::kAttach;
  const auto answer = exchange(*turn_, socket_, {kind}, tree.get());
  if (!answer) return Error{ErrorKind::kSystem, "the process that mounts has ended"};
  if (answer->failed_at == Answer::Step::kDone) return {};
  if (answer->failed_at == Answer::Step::kDeadMount) {
    return Error{ErrorKind::kSystem,
                 fmt::format("{0} holds the mount of a daemon that is gone, and it cannot be taken "
                             "away (run: umount -l {1}): {2}",
                             quoted(mountpoint_.native()), mountpoint_.native(),
                             std::strerror(answer->error))};
  }
  return Error{ErrorKind::kSystem,
               fmt::format("cannot mount on {}: {}", quoted(mountpoint_.native()),
                           std::strerror(answer->error))};
}

Result<void> MountHelper::replace(const UniqueFd& tree, std::uint64_t mount_id) {
  const auto answer = exchange(*turn_, socket_, {Request::Kind::kReplace, mount_id}, tree.get());
  if (!answer) return Error{ErrorKind::kSystem, "the process that mounts has ended"};
  if (answer->failed_at == Answer::Step::kDone) return {};
  const std::string where = quoted(mountpoint_.native());
  if (answer->failed_at == Answer::Step::kOldMount) {
    return Error{ErrorKind::kConflict, fmt::format("another mount is at {} by now: {}", where,
                                                   std::strerror(answer->error))};
  }
  return Error{
      ErrorKind::kSystem,
      fmt::format("the kernel does not put a mount beneath the one at {} (Linux 6.5 is the "
                  "first that can): {}",
                  where, std::strerror(answer->error))};
}

Result<std::int64_t, Errno> MountHelper::ask(const UniqueFd& root) {
  const auto answer = exchange(*turn_, socket_, {Request::Kind::kAsk}, root.get());
  if (!answer) return Errno{ECHILD};
  if (answer->failed_at != Answer::Step::kDone) return Errno{answer->error};
  return answer->file_system;
}

void MountHelper::detach(std::uint64_t mount_id) {
  (void)exchange(*turn_, socket_, {Request::Kind::kDetach, mount_id});
}

}  // namespace grantfs
