#include "daemon/daemon.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigset_t and its functions are POSIX
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <ctime>
#include <future>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/lease_spans.h"
#include "base/log.h"
#include "base/quiet_thread.h"
#include "base/quote.h"
#include "base/sync.h"
#include "control/document.h"
#include "control/protocol.h"
#include "control/server.h"
#include "daemon/privileges.h"
#include "daemon/record_keeper.h"
#include "daemon/store_follower.h"
#include "db/shm_guard.h"
#include "fuse/mount.h"
#include "grantfs/policy.h"
#include "lease/recaller.h"
#include "lease/store_watcher.h"
#include "policy/decisions/link_uses.h"
#include "store/store.h"
#include "tree/tree.h"
#include "version.h"

namespace grantfs {
namespace {

/// Of a quarter of the descriptors allowed, the tree may keep files open; the rest is for listings,
/// the database, and requests under way.
constexpr std::size_t kDescriptorsForEachSpare = 4;
constexpr std::chrono::seconds kWarnAboutPolicyEvery{10};
/// For so long after a decision that failed, the daemon is in trouble.
constexpr std::chrono::seconds kTroubleLasts{10};

/// The last decision that failed.
struct LastTrouble {
  std::string message;  ///< empty: none did
  Timestamp at{};
};

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

/// Waits for a thread at the end of a scope, however it is left.
class Joined {
 public:
  explicit Joined(std::thread& thread) : thread_(thread) {}
  ~Joined() {
    if (thread_.joinable()) thread_.join();
  }
  Joined(const Joined&) = delete;
  Joined& operator=(const Joined&) = delete;

 private:
  std::thread& thread_;
};

/// The group that administers: that of the directory that holds the database.
gid_t administrators(const std::filesystem::path& database) {
  struct stat status = {};
  return ::stat(database.parent_path().c_str(), &status) == 0 ? status.st_gid : ::getegid();
}

/// How long the program may take to end once it has unmounted.
constexpr std::chrono::seconds kLongestEnd{5};

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

/// What enforces, given what was asked for: without file handles a file cannot be read by whoever
/// holds it open, once its name has gone, unless it was opened for him.
Enforcement enforcement(const MountOptions& options, const Store& store) {
  if (options.enforcement == Enforcement::kOpen || store.opens_by_handle()) {
    return options.enforcement;
  }
  spdlog::warn("enforce=lease is not to be had: {}; going on with enforce=open",
               store.why_not_by_handle());
  return Enforcement::kOpen;
}

/// Ends the program if it has not ended by itself by then. The mount has gone, but a thread may
/// wait for a store that hangs.
class EndWatch {
 public:
  EndWatch() = default;
  ~EndWatch() {
    if (!thread_.joinable()) return;
    ended_.set_value();
    thread_.join();
  }
  EndWatch(const EndWatch&) = delete;
  EndWatch& operator=(const EndWatch&) = delete;

  /// Once, when all is to end.
  void begin() {
    try {
      thread_ = start_quiet_thread("grantfs end", [this] {
        if (ended_.get_future().wait_for(kLongestEnd) == std::future_status::ready) return;
        spdlog::critical("the store does not answer: the daemon ends without waiting for it");
        spdlog::shutdown();
        ::_exit(EXIT_FAILURE);
      });
    } catch (const std::exception&) {
      return;  // then it may have to wait
    }
  }

 private:
  std::promise<void> ended_;
  std::thread thread_;
};

class Daemon {
 public:
  Daemon(const MountPlan& plan, const MountOptions& options, std::unique_ptr<Policy> policy,
         Store store, TreeOptions tree_options, Sync<LastTrouble>& last_trouble)
      : plan_(plan),
        options_(options),
        last_trouble_(last_trouble),
        policy_(std::move(policy)),
        store_(std::move(store)),
        enforcement_(enforcement(options, store_)),
        link_uses_(*policy_, LinkUses::database_for(plan.database), options.use_window),
        tree_(*policy_, store_, complete(std::move(tree_options))) {}

  ~Daemon() {
    // They notify the mount, which goes first. The record of ours goes last: until then we may have
    // lent something.
    store_follower_.reset();
    if (record_keeper_ != nullptr) record_keeper_->stop();
    if (store_watcher_ != nullptr) store_watcher_->stop();
    if (recaller_ != nullptr) recaller_->stop();
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  Result<void> serve(Background& background, EndWatch& end_watch) {
    // From before the mount until the signals are handled: whichever comes in between ends a
    // daemon that unmounts, instead of leaving a dead mount.
    std::optional<BlockedSignals> blocked(std::in_place);
    // First what can fail or take time: once mounted, nothing stands between the kernel and us.
    const ControlHandler handler = [this](const auto& request, const auto& peer,
                                          const auto& reply) { answer(request, peer, reply); };
    auto control = ControlServer::start(control_path_, administrators(plan_.database), handler);
    if (!control) return control.error();
    auto beneath = look_beneath(plan_.mountpoint);
    if (!beneath) return beneath.error();
    if (beneath->admits_others) {
      spdlog::warn(
          "whenever nothing is mounted at {}, a web server finds an empty folder there and answers "
          "404; to have it refuse instead: umount {}; chmod 000 {}",
          quoted(plan_.mountpoint.native()), plan_.mountpoint.native(), plan_.mountpoint.native());
    }
    publish(handler);
    if (plan_.dead_mount) {
      spdlog::warn("taking over {}, whose daemon is gone", quoted(plan_.mountpoint.native()));
    }

    auto mount = FuseMount::mount(tree_, {.mountpoint = plan_.mountpoint,
                                          .over_dead_mount = plan_.dead_mount,
                                          .source = plan_.store,
                                          .kernel_options = options_.kernel_options,
                                          .threads = options_.threads,
                                          .asks_at_open = enforcement_ == Enforcement::kOpen,
                                          .passthrough = options_.passthrough,
                                          .io_uring = options_.io_uring});
    if (!mount) return mount.error();
    mount_ = std::move(*mount);
    mount_->lend(record_trouble_.lock()->empty());
    auto recaller = Recaller::start(tree_.withdrawal(), *policy_, *mount_,
                                    {.on_idle = [this] { tree_.rest(); }});
    if (!recaller) return recaller.error();
    recaller_ = std::move(*recaller);
    store_watcher_ =
        std::make_unique<StoreWatcher>(tree_.withdrawal(), *recaller_, *mount_,
                                       spans::share_of<spans::StoreLookShare>(options_.lease));

    if (options_.follows_store) {
      store_follower_ = std::make_unique<StoreFollower>(
          store_, plan_.store, [this](const std::string& trouble) { on_store(trouble); });
    }
    serving_ = true;
    record_keeper_->watch();
    std::thread readiness =
        start_quiet_thread("grantfs start", [&] { tell_when_answering(background); });
    const Joined joined(readiness);
    auto ended = mount_->run([&] { blocked.reset(); });
    end_watch.begin();
    readiness.join();
    if (store_follower_ != nullptr) store_follower_->stop();
    record_keeper_->stop();
    store_watcher_->stop();
    // Whoever asks for a recall from here on is answered by the end of the mount.
    recaller_->stop();
    if (mount_->leaves_leases() && recaller_->anything_lent()) record_keeper_->leave_behind();
    if (ended) spdlog::info("{} is unmounted", quoted(plan_.mountpoint.native()));
    return ended;
  }

 private:
  /// Has us known at the database, before anything is lent.
  void publish(const ControlHandler& handler) {
    record_keeper_ = std::make_unique<RecordKeeper>(RecordKeeper::Options{
        plan_.database,
        [this] { return administrators(plan_.database); },
        {plan_.mountpoint, control_path_, ::getpid(), static_cast<double>(options_.lease.count())},
        handler,
        [this](const std::string& trouble) { on_known(trouble); }});
    record_keeper_->publish();
  }

  /// Whether those who take access away know of us; see RecordKeeper::Options::on_change.
  void on_known(const std::string& trouble) {
    const bool first = mount_ == nullptr;
    *record_trouble_.lock() = trouble;
    if (trouble.empty()) {
      if (!first) spdlog::info("this daemon is known at its database again, and lends");
    } else {
      spdlog::warn(
          "whoever takes access away cannot know of this daemon, so nothing is lent to the "
          "kernel, and each open is slower: {}",
          trouble);
    }
    if (first) return;
    mount_->lend(trouble.empty());
    if (!trouble.empty()) recall_everything();
  }

  /// The store is away, and why; or, empty, it is there, in another directory than before.
  void on_store(const std::string& trouble) {
    *store_trouble_.lock() = trouble;
    if (trouble.empty()) {
      spdlog::warn("the store {} is another directory than before, and served from now on",
                   quoted(plan_.store.native()));
    } else {
      spdlog::error("{}; everything is refused until it is there", trouble);
    }
    // What is looked up from here on finds nothing, or what is there now.
    tree_.steady_files().pause(std::chrono::steady_clock::now() + options_.lease);
    recall_everything();
    tree_.steady_files().clear();
    tree_.rest();
  }

  /// Returns when the kernel has nothing any more that was lent before.
  void recall_everything() {
    std::promise<void> forgotten;
    recaller_->forget_everything([&] { forgotten.set_value(); });
    forgotten.get_future().wait();
  }

  /// wait_until_answering(), on a thread of its own.
  void tell_when_answering(Background& background) {
    try {
      wait_until_answering(background);
    } catch (const std::exception&) {
      background.ready();  // no memory for a line in the log
    }
  }

  /// Blocks until the kernel and libfuse have answered one statfs(2) of the mount point.
  void wait_until_answering(Background& background) {
    struct statfs status = {};
    if (::statfs(plan_.mountpoint.c_str(), &status) != 0) {
      spdlog::error("{} does not answer: {}", quoted(plan_.mountpoint.native()),
                    std::strerror(errno));
      return;
    }
    if (status.f_type != FUSE_SUPER_MAGIC) return;  // unmounted again already
    if (options_.passthrough == Use::kYes && enforcement_ == Enforcement::kOpen &&
        !mount_->uses_passthrough()) {
      mount_->stop({ErrorKind::kSystem,
                    "passthrough=on: this kernel has none (Linux 6.9 is the first); "
                    "passthrough=auto does without"});
      return;
    }
    spdlog::info("grantfs {} serves {} at {}, decided by {} (libfuse {}, enforce={}, {})", kVersion,
                 quoted(plan_.store.native()), quoted(plan_.mountpoint.native()),
                 quoted(plan_.database.native()), libfuse_version(), enforcement_name(),
                 transport_name());
    log_kernel();
    background.ready();
  }

  /// What the kernel and libfuse give, and what is done without: see LEASES in grantfs(7).
  void log_kernel() const {
    struct utsname system = {};
    ::uname(&system);
    spdlog::info("Linux {} {} file handles, {} file systems stacked on the mount, and {}",
                 system.release, mount_->refuses_handles() ? "refuses" : "cannot refuse",
                 mount_->refuses_stacking() ? "refuses" : "cannot refuse",
                 mount_->forgets_everything() ? "forgets everything at once (epochs)"
                                              : "forgets name by name (no epochs)");
  }

  // How documents are made below: see control/document.h.
  void answer(const nlohmann::json& request, const ControlPeer& peer, const ControlReply& reply) {
    const std::string command = request["command"];
    constexpr std::array<std::string_view, 4> kCommands{"bind", "bindings", "recall", "status"};
    if (std::ranges::find(kCommands, command) == kCommands.end()) {
      reply(control_error(
          fmt::format("unknown command; this daemon knows: {}", fmt::join(kCommands, ", "))));
    } else if (!serving_) {
      // What we are going to lend is decided after this, and so by all that is committed.
      reply(command == "recall" ? nlohmann::json::object()
                                : control_error("the daemon is starting"));
    } else if (command == "status") {
      nlohmann::json told = nlohmann::json::object();
      const control::Emptied emptied(told);
      status(told);
      reply(std::move(told));
    } else if (command == "bind") {
      reply(bind(request, peer));
    } else if (command == "bindings") {
      reply(bindings());
    } else {
      recaller_->catch_up([reply] { reply(nlohmann::json::object()); });
    }
  }

  nlohmann::json bind(const nlohmann::json& request, const ControlPeer& peer) {
    const auto token = request.find("token");
    if (token == request.end() || !token->is_string()) {
      return control_error("the request has no \"token\"");
    }
    auto process = peer.process();
    if (!process) return control_error(process.error().message);
    const auto bound =
        tree_.bind(process->pid, std::move(process->pidfd), token->get_ref<const std::string&>());
    if (bound) {
      nlohmann::json answer = nlohmann::json::object();
      answer["session"] = process->pid;
      return answer;
    }
    nlohmann::json refusal = control_error(bound.error().message);
    if (bound.error().kind == ErrorKind::kNotFound) refusal["denied"] = true;
    return refusal;
  }

  nlohmann::json bindings() {
    nlohmann::json bound = nlohmann::json::array();
    const control::Emptied emptied(bound);
    for (const auto& binding : tree_.bindings()) {
      nlohmann::json& one = bound.emplace_back(nlohmann::json::object());
      one["session"] = binding.session;
      one["id"] = binding.token.hex();
    }
    nlohmann::json answer = nlohmann::json::object();
    answer["bindings"] = std::move(bound);
    return answer;
  }

  /// Why anything that should be served is refused now; empty: nothing is, as far as is known. By
  /// what decides: a decision of its own, and those of others lately.
  std::vector<std::string> troubles() {
    std::vector<std::string> found;
    if (std::string away = *store_trouble_.lock(); !away.empty()) found.push_back(std::move(away));
    if (mount_->waits_for_store() || (store_follower_ != nullptr && store_follower_->waits())) {
      found.push_back(
          fmt::format("the store {} does not answer; whoever needs it waits or is refused",
                      quoted(plan_.store.native())));
    }
    if (auto decision = policy_->decide(Anyone{}, StorePath()); !decision) {
      found.push_back(decision.error().message);
    } else if (const LastTrouble last = *last_trouble_.lock();
               !last.message.empty() && system_now() - last.at < kTroubleLasts) {
      found.push_back(fmt::format("access was denied {} s ago: {}",
                                  (system_now() - last.at).count(), last.message));
    }
    return found;
  }

  /// Into an empty object, which is the caller's to empty.
  void status(nlohmann::json& status) {
    const TreeCounters& counters = tree_.counters();
    nlohmann::json counted = nlohmann::json::object();
    const control::Emptied counted_emptied(counted);
    counted["lookups"] = counters.lookups.load();
    counted["opens"] = counters.opens.load();
    counted["opendirs"] = counters.opendirs.load();
    counted["denials"] = counters.denials.load();
    counted["errors"] = counters.errors.load();
    counted["recalls"] = recaller_->counters().recalls.load();
    counted["recalls_of_everything"] = recaller_->counters().all_of_everything();
    counted["recalled_entries"] = recaller_->counters().entries.load();
    counted["nodes"] = tree_.node_count();
    counted["steady_files"] = tree_.steady_files().size();
    counted["open_files"] = mount_->open_handles();
    const RecallCounters& recalls = recaller_->counters();
    for (std::size_t i = 0; i < recalls.everything.size(); ++i) {
      counted[fmt::format("recalls_of_everything_{}", kRecallOfEverythingNames[i])] =
          recalls.everything[i].load();
    }
    for (std::size_t i = 0; i < recalls.reviews.size(); ++i) {
      counted[fmt::format("redecisions_{}", kReviewNames[i])] = recalls.reviews[i].load();
    }
    const auto upcalls = mount_->upcalls();
    for (std::size_t i = 0; i < upcalls.size(); ++i) {
      counted[fmt::format("upcalls_{}", kUpcallNames[i])] = upcalls[i];
    }
    const auto now = system_now();
    const std::vector<std::string> troubles = this->troubles();
    nlohmann::json last = nullptr;
    const control::Emptied last_emptied(last);
    if (const LastTrouble trouble = *last_trouble_.lock(); !trouble.message.empty()) {
      last = nlohmann::json::object();
      last["message"] = trouble.message;
      last["at"] = trouble.at.time_since_epoch().count();
    }
    const std::string lends_nothing = *record_trouble_.lock();
    status["version"] = kVersion;
    status["state"] = troubles.empty() ? "healthy" : "trouble";
    status["troubles"] = troubles;
    status["last_trouble"] = std::move(last);
    status["lends_nothing_because"] = lends_nothing;
    status["pid"] = ::getpid();
    status["store"] = plan_.store.native();
    status["mountpoint"] = plan_.mountpoint.native();
    status["database"] = plan_.database.native();
    status["control"] = control_path_.native();
    status["source"] = options_.source ? options_.source->native() : std::string();
    status["enforce"] = enforcement_name();
    status["enforce_because"] = why_not_by_lease();
    status["lease_seconds"] = lends_nothing.empty() ? options_.lease.count() : 0;
    status["transport"] = transport_name();
    status["passthrough"] = mount_->uses_passthrough();
    status["handles_refused"] = mount_->refuses_handles();
    status["stacking_refused"] = mount_->refuses_stacking();
    status["libfuse"] = libfuse_version();
    status["started"] = started_.time_since_epoch().count();
    status["uptime_seconds"] = (now - started_).count();
    status["counters"] = std::move(counted);
  }

  TreeOptions complete(TreeOptions options) {
    options.lending.lease = options_.lease;
    options.link_uses = &link_uses_;
    options.reads_by_node = enforcement_ == Enforcement::kLease;
    options.lending.on_lent = [this](std::chrono::seconds longest) { recaller_->lent(longest); };
    options.lending.vouch = [this] { recaller_->vouch(); };
    options.on_changed = [this](NodeId node) { store_watcher_->forget_file(node); };
    options.lending.on_steady = [this] { store_watcher_->watch(); };
    return options;
  }

  /// A clause for people: why every open is decided though leases were asked for. Empty: it is not.
  std::string why_not_by_lease() const {
    return options_.enforcement == enforcement_ ? std::string() : store_.why_not_by_handle();
  }
  const char* enforcement_name() const {
    return enforcement_ == Enforcement::kOpen ? "open" : "lease";
  }
  const char* transport_name() const { return mount_->uses_io_uring() ? "io_uring" : "/dev/fuse"; }

  const MountPlan& plan_;
  const MountOptions& options_;
  const std::filesystem::path control_path_ =
      options_.control.value_or(default_control_path(plan_.mountpoint));
  Sync<LastTrouble>& last_trouble_;
  Sync<std::string> record_trouble_;  ///< why nobody knows of us; empty: they do
  std::atomic<bool> serving_{false};  ///< mount_ and recaller_ are there
  const Timestamp started_ = system_now();
  std::unique_ptr<Policy> policy_;
  Store store_;
  const Enforcement enforcement_;
  LinkUses link_uses_;
  Tree tree_;
  Sync<std::string> store_trouble_;  ///< why it is away; empty: it is there
  std::unique_ptr<StoreFollower> store_follower_;
  std::unique_ptr<RecordKeeper> record_keeper_;  // before the mount, which goes first
  // Handlers tell the recaller what they lend until the mount has gone; see also ~Daemon().
  std::unique_ptr<Recaller> recaller_;
  std::unique_ptr<StoreWatcher> store_watcher_;
  std::unique_ptr<FuseMount> mount_;
};

}  // namespace

Result<void> serve(const MountPlan& plan, const MountOptions& options, Background& background) {
  const std::size_t descriptors = raise_descriptor_limit();
  db::install_shm_guard();
  auto policy = Policy::open({.database = plan.database, .source = plan.source});
  if (!policy) return policy.error();
  auto advice = (*policy)->source_advice();
  if (!advice) return advice.error();
  for (const std::string& lacking : *advice) spdlog::warn("{}", lacking);
  auto key = (*policy)->inode_key();
  if (!key) return key.error();
  auto store = Store::open(plan.store, *key);
  if (!store) return store.error();

  RepeatedWarning policy_trouble(kWarnAboutPolicyEvery);
  Sync<LastTrouble> last_trouble;
  TreeOptions tree_options{.denial = options.denial,
                           .server_group = options.server_group,
                           .by_user_group = options.by_user,
                           .views = options.views,
                           .key = *key,
                           .spare_descriptors = std::min(TreeOptions().spare_descriptors,
                                                         descriptors / kDescriptorsForEachSpare),
                           .on_policy_error = [&](const Error& error) {
                             policy_trouble.warn("access is denied: " + error.message);
                             *last_trouble.lock() = {error.message, system_now()};
                           }};
  ::clock_gettime(CLOCK_REALTIME, &tree_options.mounted);
  EndWatch end_watch;  // until the daemon has gone
  Daemon daemon(plan, options, std::move(*policy), std::move(*store), tree_options, last_trouble);
  return daemon.serve(background, end_watch);
}

}  // namespace grantfs
