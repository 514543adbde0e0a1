#include "fuse/mount.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/quote.h"
#include "fuse/handlers.h"

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

/// A comma or a backslash in a value, as libfuse's option parser wants it.
std::string escape_option(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == ',' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string join_options(const FuseOptions& options) {
  std::string joined =
      "ro,nosuid,nodev,noexec,allow_other,default_permissions,subtype=grantfs,fsname=" +
      escape_option(options.source);
  for (const std::string& option : options.kernel_options) joined += ',' + escape_option(option);
  return joined;
}

}  // namespace

class FuseMount::Session {
 public:
  explicit Session(Tree& tree) : context_(tree) {}

  ~Session() {
    if (session_ == nullptr) return;
    if (mounted_) fuse_session_unmount(session_);
    if (handles_signals_) fuse_remove_signal_handlers(session_);
    fuse_session_destroy(session_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Result<void> mount(const FuseOptions& options) {
    Arguments arguments;
    arguments.add("grantfs");
    arguments.add("-o" + join_options(options));
    const fuse_lowlevel_ops ops = handlers();
    session_ = fuse_session_new(arguments.get(), &ops, sizeof ops, &context_);
    if (session_ == nullptr) {
      return Error{ErrorKind::kSystem, "libfuse refuses the mount options; it says why above"};
    }
    if (fuse_session_mount(session_, options.mountpoint.c_str()) != 0) {
      return Error{
          ErrorKind::kSystem,
          fmt::format("cannot mount on {}; libfuse says why above (is /dev/fuse there, and "
                      "are we root, or is user_allow_other in /etc/fuse.conf?)",
                      quoted(options.mountpoint))};
    }
    mounted_ = true;
    threads_ = options.threads;
    return {};
  }

  Result<void> run() {
    if (fuse_set_signal_handlers(session_) != 0) {
      return Error{ErrorKind::kSystem, "cannot handle signals"};
    }
    handles_signals_ = true;
    const std::unique_ptr<fuse_loop_config, void (*)(fuse_loop_config*)> config(
        fuse_loop_cfg_create(), fuse_loop_cfg_destroy);
    if (threads_ > 0) fuse_loop_cfg_set_max_threads(config.get(), threads_);
    // Positive: ended by a signal, as asked. Negative: an error.
    const int result = fuse_session_loop_mt(session_, config.get());
    fuse_session_unmount(session_);
    mounted_ = false;
    if (result < 0) {
      return Error{ErrorKind::kSystem,
                   fmt::format("the connection to the kernel broke: {}", std::strerror(-result))};
    }
    return {};
  }

  std::uint64_t open_handles() { return context_.open_handles(); }

 private:
  HandlerContext context_;
  fuse_session* session_ = nullptr;
  unsigned threads_ = 0;
  bool mounted_ = false;
  bool handles_signals_ = false;
};

FuseMount::FuseMount(std::unique_ptr<Session> session) : session_(std::move(session)) {}
FuseMount::~FuseMount() = default;

Result<std::unique_ptr<FuseMount>> FuseMount::mount(Tree& tree, const FuseOptions& options) {
  auto session = std::make_unique<Session>(tree);
  if (auto mounted = session->mount(options); !mounted) return mounted.error();
  return std::unique_ptr<FuseMount>(new FuseMount(std::move(session)));
}

Result<void> FuseMount::run() {
  return session_->run();
}

std::uint64_t FuseMount::open_handles() const {
  return session_->open_handles();
}

std::string libfuse_version() {
  return fuse_pkgversion();
}

}  // namespace grantfs
