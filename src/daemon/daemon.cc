#include "daemon/daemon.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/log.h"
#include "base/quote.h"
#include "control/protocol.h"
#include "control/server.h"
#include "daemon/privileges.h"
#include "db/shm_guard.h"
#include "fuse/mount.h"
#include "grantfs/policy.h"
#include "store/store.h"
#include "tree/tree.h"
#include "version.h"

namespace grantfs {
namespace {

constexpr std::chrono::seconds kWarnAboutPolicyEvery{10};

/// While it lives, the signals that end the daemon wait: threads started meanwhile never get them.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

/// The group that administers: that of the directory that holds the database.
gid_t administrators(const std::filesystem::path& database) {
  struct stat status = {};
  return ::stat(database.parent_path().c_str(), &status) == 0 ? status.st_gid : ::getegid();
}

/// One file in /run/grantfs for each mount point, with a name that shows which.
std::filesystem::path default_control_path(const std::filesystem::path& mountpoint) {
  // A socket's path has 107 bytes at most (unix(7)): long mount points are told apart by a hash.
  constexpr std::size_t kLongestName = 64;
  std::string name;
  for (const char c : mountpoint.native().substr(1)) name += c == '/' ? '-' : c;
  const std::size_t hash = std::hash<std::string>()(mountpoint.native());
  if (name.size() > kLongestName) name.resize(kLongestName);
  return std::filesystem::path(control::kDefaultDirectory) /
         fmt::format("{}.{:08x}.sock", name, static_cast<std::uint32_t>(hash));
}

class Daemon {
 public:
  Daemon(const MountPlan& plan, const MountOptions& options, std::unique_ptr<Policy> policy,
         Store store, const TreeOptions& tree_options)
      : plan_(plan),
        options_(options),
        policy_(std::move(policy)),
        store_(std::move(store)),
        tree_(*policy_, store_, tree_options) {}

  Result<void> serve(Background& background) {
    auto mount = FuseMount::mount(tree_, {.mountpoint = plan_.mountpoint,
                                          .source = plan_.store,
                                          .kernel_options = options_.kernel_options,
                                          .threads = options_.threads});
    if (!mount) return mount.error();
    mount_ = std::move(*mount);

    std::unique_ptr<ControlServer> control;
    std::thread readiness;
    {
      const BlockedSignals blocked;
      const auto path = options_.control.value_or(default_control_path(plan_.mountpoint));
      auto started = ControlServer::start(path, administrators(plan_.database),
                                          [this](const auto& request) { return answer(request); });
      if (!started) return started.error();
      control = std::move(*started);
      readiness = std::thread([&] { wait_until_answering(background); });
    }
    auto ended = mount_->run();
    readiness.join();
    if (ended) spdlog::info("{} is unmounted", quoted(plan_.mountpoint.native()));
    return ended;
  }

 private:
  /// Blocks until the kernel and libfuse have answered one statfs(2) of the mount point.
  void wait_until_answering(Background& background) {
    struct statfs status = {};
    if (::statfs(plan_.mountpoint.c_str(), &status) != 0) {
      spdlog::error("{} does not answer: {}", quoted(plan_.mountpoint.native()),
                    std::strerror(errno));
      return;
    }
    if (status.f_type != FUSE_SUPER_MAGIC) return;  // unmounted again already
    spdlog::info("grantfs {} serves {} at {}, decided by {} (libfuse {})", kVersion,
                 quoted(plan_.store.native()), quoted(plan_.mountpoint.native()),
                 quoted(plan_.database.native()), libfuse_version());
    background.ready();
  }

  nlohmann::json answer(const nlohmann::json& request) {
    if (request.value("command", "") != "status") {
      return control_error("unknown command; this daemon knows: status");
    }
    const TreeCounters& counters = tree_.counters();
    const auto now = system_now();
    return {{"version", kVersion},
            {"pid", ::getpid()},
            {"store", plan_.store.native()},
            {"mountpoint", plan_.mountpoint.native()},
            {"database", plan_.database.native()},
            {"enforce", "open"},
            {"libfuse", libfuse_version()},
            {"started", started_.time_since_epoch().count()},
            {"uptime_seconds", (now - started_).count()},
            {"counters",
             {{"lookups", counters.lookups.load()},
              {"opens", counters.opens.load()},
              {"opendirs", counters.opendirs.load()},
              {"denials", counters.denials.load()},
              {"errors", counters.errors.load()},
              {"nodes", tree_.node_count()},
              {"open_files", mount_->open_handles()}}}};
  }

  const MountPlan& plan_;
  const MountOptions& options_;
  const Timestamp started_ = system_now();
  std::unique_ptr<Policy> policy_;
  Store store_;
  Tree tree_;
  std::unique_ptr<FuseMount> mount_;
};

}  // namespace

Result<void> serve(const MountPlan& plan, const MountOptions& options, Background& background) {
  raise_descriptor_limit();
  db::install_shm_guard();
  auto policy = Policy::open({.database = plan.database});
  if (!policy) return policy.error();
  auto key = (*policy)->inode_key();
  if (!key) return key.error();
  auto store = Store::open(plan.store, *key);
  if (!store) return store.error();

  RepeatedWarning policy_trouble(kWarnAboutPolicyEvery);
  TreeOptions tree_options{.denial = options.denial,
                           .server_group = options.server_group,
                           .key = *key,
                           .on_policy_error = [&](const Error& error) {
                             policy_trouble.warn("access is denied: " + error.message);
                           }};
  ::clock_gettime(CLOCK_REALTIME, &tree_options.mounted);
  Daemon daemon(plan, options, std::move(*policy), std::move(*store), tree_options);
  return daemon.serve(background);
}

}  // namespace grantfs
