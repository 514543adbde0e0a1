#include "fuse/mount.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <new>
#include <optional>
#include <thread>
#include <utility>

#include "base/quiet_thread.h"
#include "base/quote.h"
#include "base/sync.h"
#include "fuse/handler_context.h"
#include "fuse/handlers.h"
#include "fuse/libfuse_log.h"

namespace grantfs {
namespace {

/// A fuse_args that frees what libfuse allocates in it.
class Arguments {
 public:
  Arguments() = default;
  ~Arguments() { fuse_opt_free_args(&arguments_); }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  void add(const std::string& argument) { fuse_opt_add_arg(&arguments_, argument.c_str()); }
  fuse_args* get() { return &arguments_; }

 private:
  fuse_args arguments_ = FUSE_ARGS_INIT(0, nullptr);
};

#if defined(GRANTFS_HAS_IO_URING)
/// The kernel's side of io_uring can be switched off, and is by default.
bool kernel_has_io_uring() {
  std::ifstream parameter("/sys/module/fuse/parameters/enable_uring");
  char value = 'N';
  return parameter.get(value) && (value == 'Y' || value == '1');
}
#endif

/// How long umount(8) with -f may take from ending the connection to taking the mount away.
constexpr std::chrono::milliseconds kForcedUnmount{500};

/// Makes the kernel look every name up anew. Returns zero or a negative error number.
int raise_epoch([[maybe_unused]] fuse_session* session) {
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  return fuse_lowlevel_notify_increment_epoch(session);
#else
  return -ENOSYS;
#endif
}

/// Whether the loop ended because somebody ended the connection or unmounted. Otherwise libfuse
/// ended it, having no thread or no memory (error -1). After umount(8) with requests still queued,
/// a thread that had taken one up reads ECONNABORTED (fuse_dev_do_read() in the kernel's
/// fs/fuse/dev.c), and the others read ENODEV.
bool is_about_connection(int error) {
  return error == -ENODEV || error == -ECONNABORTED || error == -ENOTCONN;
}

/// Ends the program as it is: threads may hang, and use what destructors would destroy.
[[noreturn]] void give_up(const std::string& why) {
  try {
    spdlog::critical(why);
    spdlog::shutdown();
  } catch (const std::exception&) {
    (void)std::fputs("grantfs: giving up the mount\n", stderr);  // no memory for more
  }
  ::_exit(EXIT_FAILURE);
}

/// A notification failed because the mount has gone: there is nothing to forget any more.
bool is_over(int error) {
  return error == -ENODEV || error == -ENOTCONN || error == -EBADF;
}

}  // namespace

class FuseMount::Session {
 public:
  Session(Tree& tree, KernelMount mount, MountHelper& helper, const FuseOptions& options)
      : options_(options),
        helper_(helper),
        context_(tree, options_),
        mount_id_(mount.lasting_id()),
        mount_(std::move(mount)) {}

  ~Session() {
    if (session_ == nullptr) return;
    unmount();
    if (handles_signals_) fuse_remove_signal_handlers(session_);
    fuse_session_destroy(session_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Result<void> mount() {
    if (options_.io_uring == Use::kYes && !has_io_uring()) {
      return Error{ErrorKind::kInvalid,
                   "io=uring: not to be had; it needs the libfuse that tools/setup builds and a "
                   "kernel with /sys/module/fuse/parameters/enable_uring set to Y; io=auto does "
                   "without"};
    }
    if (options_.passthrough == Use::kYes && !has_passthrough()) {
      return Error{ErrorKind::kInvalid,
                   "passthrough=on: this build's libfuse has none (3.17 is the first); "
                   "passthrough=auto does without"};
    }
    Arguments arguments;
    arguments.add("grantfs");
    if (may_use_io_uring()) {
      arguments.add(fmt::format("-oio_uring,io_uring_q_depth={}", HandlerContext::kRingDepth));
    }
    log_what_libfuse_says();
    const fuse_lowlevel_ops ops = handlers();
    session_ = fuse_session_new(arguments.get(), &ops, sizeof ops, &context_);
    if (session_ == nullptr) {
      return Error{ErrorKind::kSystem, "libfuse refuses its options; it says why above"};
    }
    nowhere_ = UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!nowhere_) return Error{ErrorKind::kSystem, "cannot open /dev/null"};
    auto mount = mount_.lock();
    UniqueFd device = (*mount)->take_device();
    // Where it is told a descriptor, libfuse leaves mounting and unmounting to us.
    const std::string name = fmt::format("/dev/fd/{}", device.get());
    if (fuse_session_mount(session_, name.c_str()) != 0) {
      return Error{ErrorKind::kSystem, "libfuse does not take the connection; it says why above"};
    }
    (void)device.release();  // fuse_session_destroy() closes it
    context_.backings.use(fuse_session_fd(session_));
    if (options_.attachment == Attachment::kLater) return {};
    const bool over_dead = options_.attachment == Attachment::kOverDead;
    return (*mount)->attach(helper_,
                            over_dead ? MountHelper::Place::kDead : MountHelper::Place::kFree);
  }

  Result<void> run(const std::function<void()>& on_signals_handled) {
    if (fuse_set_signal_handlers(session_) != 0) {
      unmount();
      return Error{ErrorKind::kSystem, "cannot handle signals"};
    }
    handles_signals_ = true;
    on_signals_handled();
    const std::unique_ptr<fuse_loop_config, void (*)(fuse_loop_config*)> config(
        fuse_loop_cfg_create(), fuse_loop_cfg_destroy);
    if (config == nullptr) throw std::bad_alloc();
    if (options_.threads > 0) fuse_loop_cfg_set_max_threads(config.get(), options_.threads);
    // Positive: ended by a signal, as asked. Negative: an error.
    const int result = fuse_session_loop_mt(session_, config.get());
    end_leases();
    std::optional<Error> told = *stopped_for_.lock();
    if (!told && result < 0 && !is_about_connection(result)) {
      unmount();
      return Error{ErrorKind::kSystem,
                   fmt::format("cannot go on answering requests (libfuse says why above); is there "
                               "a limit on {}?",
                               kLimits)};
    }
    if (result <= 0 && !told && stays_mounted()) {
      end_connection();
      mount_.lock()->reset();
      leave_hung_threads();
      return Error{ErrorKind::kSystem,
                   fmt::format("somebody ended the connection of {} to the kernel (abort in "
                               "/sys/fs/fuse/connections){}; the mount stays, and refuses "
                               "everything until grantfs is started again",
                               quoted(helper_.mountpoint().native()), reason(result))};
    }
    unmount();
    if (told) return std::move(*told);
    return {};
  }

  void unmount() {
    {
      auto mount = mount_.lock();
      if (!*mount) return;
      if (!(*mount)->is_attached()) mount->reset();  // replace() has nothing to attach any more
    }
    end_connection();
    {
      auto mount = mount_.lock();
      if (*mount) (*mount)->detach();
      mount->reset();
    }
    leave_hung_threads();
  }

  void stop(Error why) {
    *stopped_for_.lock() = std::move(why);
    fuse_session_exit(session_);
    (void)ask();  // the loop looks when it wakes: any request will do
  }

  Result<std::int64_t, Errno> ask() {
    UniqueFd root;
    {
      auto mount = mount_.lock();
      if (!*mount) return std::int64_t{0};
      root = (*mount)->root_while_nowhere();
    }
    return helper_.ask(root);
  }

  Result<void> replace(std::uint64_t mount_id) {
    auto mount = mount_.lock();
    if (!*mount || fuse_session_exited(session_) != 0) {
      return Error{ErrorKind::kSystem, "the daemon is about to end"};
    }
    return (*mount)->replace(helper_, mount_id);
  }

  Stage stage() {
    auto mount = mount_.lock();
    if (!*mount) return Stage::kLeaving;
    if (!(*mount)->is_attached()) return Stage::kStarting;
    return (*mount)->exists() ? Stage::kServing : Stage::kLeaving;
  }

  std::uint64_t mount_id() const { return mount_id_; }

  bool leaves_leases() const { return leaves_leases_; }
  bool may_use_io_uring() const { return options_.io_uring != Use::kNo && has_io_uring(); }
  fuse_session* get() { return session_; }
  HandlerContext& context() { return context_; }

 private:
  static std::string reason(int result) {
    return result < 0 ? fmt::format(": {}", std::strerror(-result)) : std::string();
  }

  /// Whether the mount is there still, though nobody answers for it: somebody has ended the
  /// connection. umount -f does that too, and then unmounts.
  bool stays_mounted() {
    constexpr std::chrono::milliseconds kPause{10};
    const auto until = std::chrono::steady_clock::now() + kForcedUnmount;
    while (stage() == Stage::kServing) {
      if (std::chrono::steady_clock::now() > until) return true;
      std::this_thread::sleep_for(kPause);
    }
    return false;
  }

  /// Ends all leases. Nobody answers requests from here on, but the kernel would still use what it
  /// was lent in a folder that a process holds open. Raising the epoch waits for nothing, and an
  /// aborted connection still takes it.
  void end_leases() {
    context_.lends = false;
    const bool forgotten = context_.connection.epochs && raise_epoch(session_) == 0;
    // The root is there as long as anybody holds anything; attributes alone, which wait for
    // nothing.
    leaves_leases_ =
        !forgotten && fuse_lowlevel_notify_inval_inode(session_, FUSE_ROOT_ID,
                                                       /*off=*/-1, /*len=*/0) != -ENOENT;
  }

  /// With the last descriptor of /dev/fuse, the connection goes: requests that nobody will answer
  /// any more fail, and notifications of files that are being read return. Its number leads
  /// nowhere from then on, and belongs to the session still.
  void end_connection() {
    const bool uses_are_counted = context_.use_workers.finish();  // they hand on to the others
    store_answers_ = context_.workers.finish() && uses_are_counted;
    if (store_answers_) {
      context_.files.clear();
      context_.backings.clear();
    }
    ::dup3(nowhere_.get(), fuse_session_fd(session_), O_CLOEXEC);
  }

  /// Threads that wait for a store that hangs cannot be joined.
  void leave_hung_threads() const {
    if (store_answers_) return;
    give_up(fmt::format("the store does not answer: the daemon of {} ends without waiting for it",
                        quoted(helper_.mountpoint().native())));
  }

  static bool has_io_uring() {
#if defined(GRANTFS_HAS_IO_URING)
    return kernel_has_io_uring();
#else
    return false;
#endif
  }
  static bool has_passthrough() {
#if defined(FUSE_CAP_PASSTHROUGH)
    return true;
#else
    return false;
#endif
  }

  const FuseOptions options_;
  MountHelper& helper_;
  HandlerContext context_;
  Sync<std::optional<Error>> stopped_for_;
  fuse_session* session_ = nullptr;
  const std::uint64_t mount_id_;
  Sync<std::optional<KernelMount>> mount_;  ///< empty once it has been taken away
  UniqueFd nowhere_;  ///< /dev/null: opened early, since later there may be no descriptor
  bool handles_signals_ = false;
  bool leaves_leases_ = false;
  bool store_answers_ = true;
};

FuseMount::FuseMount(std::unique_ptr<Session> session) : session_(std::move(session)) {}
FuseMount::~FuseMount() = default;

Result<std::unique_ptr<FuseMount>> FuseMount::mount(Tree& tree, KernelMount kernel_mount,
                                                    MountHelper& helper,
                                                    const FuseOptions& options) {
  auto session = std::make_unique<Session>(tree, std::move(kernel_mount), helper, options);
  if (auto mounted = session->mount(); !mounted) return mounted.error();
  return std::unique_ptr<FuseMount>(new FuseMount(std::move(session)));
}

Result<void> FuseMount::run(const std::function<void()>& on_signals_handled) {
  try {
    return session_->run(on_signals_handled);
  } catch (const std::exception&) {
    session_->unmount();  // whoever waits for an answer of ours waits no longer
    throw;
  }
}

bool FuseMount::leaves_leases() const {
  return session_->leaves_leases();
}

bool FuseMount::may_use_io_uring() const {
  return session_->may_use_io_uring();
}

void FuseMount::lend(bool lends) {
  session_->context().lends = lends;
}

void FuseMount::stop(Error why) {
  session_->stop(std::move(why));
}

Result<std::int64_t, Errno> FuseMount::ask() const {
  return session_->ask();
}

Result<void> FuseMount::replace(std::uint64_t mount_id) {
  return session_->replace(mount_id);
}

Stage FuseMount::stage() const {
  return session_->stage();
}

std::uint64_t FuseMount::mount_id() const {
  return session_->mount_id();
}

std::uint64_t FuseMount::open_handles() const {
  return session_->context().open_handles();
}

bool FuseMount::waits_for_store() const {
  return session_->context().workers.hang();
}

std::array<std::uint64_t, kUpcallNames.size()> FuseMount::upcalls() const {
  std::array<std::uint64_t, kUpcallNames.size()> counts{};
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = session_->context().upcalls[i];
  return counts;
}

bool FuseMount::uses_passthrough() const {
  return session_->context().passthrough;
}

bool FuseMount::uses_io_uring() const {
  return session_->context().connection.io_uring;
}

bool FuseMount::refuses_handles() const {
  return session_->context().connection.refuses_handles;
}

bool FuseMount::refuses_stacking() const {
  return session_->context().connection.refuses_stacking;
}

Result<void, Errno> FuseMount::forget_entry(const KernelEntry& entry) {
  const int error = fuse_lowlevel_notify_inval_entry(session_->get(), entry.parent,
                                                     entry.name.data(), entry.name.size());
  if (error == 0 || is_over(error)) return {};
  return Errno{-error};
}

Result<void, Errno> FuseMount::forget_file(NodeId node) {
  const int error = fuse_lowlevel_notify_inval_inode(session_->get(), node, /*off=*/0, /*len=*/0);
  if (error == 0 || is_over(error)) return {};
  return Errno{-error};
}

Result<void, Errno> FuseMount::forget_attributes(NodeId folder) {
  // A negative offset: no bytes.
  const int error =
      fuse_lowlevel_notify_inval_inode(session_->get(), folder, /*off=*/-1, /*len=*/0);
  if (error == 0 || is_over(error)) return {};
  return Errno{-error};
}

bool FuseMount::forgets_everything() const {
  return session_->context().connection.epochs;
}

Result<void, Errno> FuseMount::forget_everything() {
  const int error = raise_epoch(session_->get());
  if (error == 0 || is_over(error)) return {};
  return Errno{-error};
}

void FuseMount::abort(const std::string& why) {
  // With the last descriptor of /dev/fuse the connection ends (fuse_dev_release() in the kernel's
  // fs/fuse/dev.c); the mount stays, dead, until the next daemon takes it over.
  give_up(why);
}

bool is_dead_mount(const std::filesystem::path& mountpoint) {
  struct statfs status = {};
  return ::statfs(mountpoint.c_str(), &status) != 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

std::string libfuse_version() {
  return fuse_pkgversion();
}

}  // namespace grantfs
