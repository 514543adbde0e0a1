#include "daemon/daemon.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <memory>
#include <optional>

#include "base/lease_spans.h"
#include "base/quote.h"
#include "control/listener.h"
#include "control/record.h"
#include "control/server.h"
#include "daemon/auditing.h"
#include "daemon/blocked_signals.h"
#include "daemon/claimed_uses.h"
#include "daemon/confinement.h"
#include "daemon/control_commands/control_answers.h"
#include "daemon/control_commands/serving.h"
#include "daemon/control_path.h"
#include "daemon/end_watch.h"
#include "daemon/handover.h"
#include "daemon/lending.h"
#include "daemon/mount_table.h"
#include "daemon/privileges.h"
#include "daemon/readiness.h"
#include "daemon/record_keeper.h"
#include "daemon/store_follower.h"
#include "daemon/troubles.h"
#include "db/shm_guard.h"
#include "fuse/kernel_mount.h"
#include "fuse/mount.h"
#include "grantfs/policy.h"
#include "lease/freshness.h"
#include "lease/recall/recaller.h"
#include "lease/recall/store_watcher.h"
#include "policy/decisions/link_uses/link_uses.h"
#include "policy/decisions/link_uses/use_database.h"
#include "store/store.h"
#include "tree/tree.h"

namespace grantfs {
namespace {

/// The tree may keep a quarter of the allowed descriptors for open files. The rest is for listings,
/// the database, and requests under way.
constexpr std::size_t kDescriptorsForEachSpare = 4;

/// The enforcement that is possible, given the one asked for. Without file handles a process cannot
/// go on reading a file that it holds open once the file's name has gone, unless the daemon opened
/// the file for that process. So a store without file handles has enforce=open.
Enforcement enforcement(const MountOptions& options, const Store& store) {
  if (options.enforcement == Enforcement::kOpen || store.opens_by_handle()) {
    return options.enforcement;
  }
  spdlog::warn("enforce=lease is not to be had: {}; going on with enforce=open",
               store.why_not_by_handle());
  return Enforcement::kOpen;
}

void say_how_the_store_is_looked_at(const Store& store) {
  const std::string why = store.why_asked_anew();
  if (why.empty()) return;
  spdlog::info(
      "{}: each look at it asks that file system anew, and files that changed within the last "
      "minute count as changing still",
      why);
}

/// What is made with privileges that the daemon gives up before its first thread starts.
struct Prepared {
  Enforcement enforcement;
  KernelMount mount;
  control::Listener control;
  Confinement confinement;
};

Result<void> look_at_mountpoint(const MountPlan& plan) {
  auto beneath = look_beneath(plan.mountpoint);
  if (!beneath) return beneath.error();
  if (beneath->admits_others) {
    spdlog::warn(
        "whenever nothing is mounted at {}, a web server finds an empty folder there and answers "
        "404; to have it refuse instead: umount {}; chmod 000 {}",
        quoted(plan.mountpoint.native()), plan.mountpoint.native(), plan.mountpoint.native());
  }
  return {};
}

std::filesystem::path control_path(const MountPlan& plan, const MountOptions& options) {
  return options.control.value_or(default_control_path(plan.mountpoint));
}

/// Uses of links are counted here, or upstream if the database is a copy.
std::unique_ptr<UseCounter> make_use_counter(Policy& policy, const std::filesystem::path& database,
                                             bool is_copy) {
  if (is_copy) return std::make_unique<ClaimedUses>(database);
  return std::make_unique<UseDatabase>(policy, UseDatabase::path_for(database));
}

/// Makes it, and gives up the privileges.
Result<Prepared> prepare(const MountPlan& plan, const MountOptions& options, const Store& store) {
  const auto socket = control_path(plan, options);
  const gid_t group = control::administrators(plan.database);
  auto control = plan.predecessor ? control::Listener::bind_beside(socket, group)
                                  : control::Listener::bind(socket, group);
  if (!control) return control.error();
  if (auto seen = look_at_mountpoint(plan); !seen) return seen.error();
  auto mount = KernelMount::make({plan.store, options.kernel_options});
  if (!mount) return mount.error();
  say_how_the_store_is_looked_at(store);
  const Enforcement enforced = enforcement(options, store);
  const bool passes_through = enforced == Enforcement::kOpen && options.passthrough != Use::kNo;
  if (!passes_through) {
    if (auto given_up = give_up_mounting(); !given_up) return given_up.error();
  }
  Confinement confinement(options.sandbox);
  if (auto limited = confinement.limit_writes(plan, socket, options.audit); !limited)
    return limited.error();
  return Prepared{enforced, std::move(*mount), std::move(*control), std::move(confinement)};
}

/// The parts of a daemon, and the order in which they begin and end.
class Daemon {
 public:
  Daemon(const MountPlan& plan, const MountOptions& options, std::unique_ptr<Policy> policy,
         Store store, Prepared prepared, MountHelper& helper, TreeOptions tree_options,
         Troubles& troubles, Freshness& freshness, Auditing& auditing)
      : plan_(plan),
        options_(options),
        troubles_(troubles),
        freshness_(freshness),
        auditing_(auditing),
        policy_(std::move(policy)),
        store_(std::move(store)),
        enforcement_(prepared.enforcement),
        prepared_(std::move(prepared)),
        helper_(helper),
        link_uses_(make_use_counter(*policy_, plan.database, freshness.is_bounded()),
                   options.use_window),
        tree_(*policy_, store_, complete(std::move(tree_options))) {}
  ~Daemon() { stop_notifying(); }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  Result<void> serve(Background& background, EndWatch& end_watch) {
    // Signals are blocked from before the mount until the mount's loop handles them. A signal that
    // comes in between then ends a daemon that unmounts, instead of leaving a dead mount.
    std::optional<BlockedSignals> blocked(std::in_place);
    // First come the parts that can fail or take time. Once mounted, nothing stands between the
    // kernel and the daemon.
    const ControlHandler handler = [this](const auto& request, const auto& peer,
                                          const auto& reply) {
      answers_.answer(request, peer, reply);
    };
    auto control = ControlServer::start(std::move(prepared_.control), handler);
    if (!control) return control.error();
    // The record is published before the mount. So a command that finds no record has committed
    // before anything is lent.
    if (auto published = publish_record(handler); !published) return published;
    if (auto mounted = mount(); !mounted) return mounted;
    // Recalls begin before the mount answers: nothing is lent that could not be recalled.
    if (auto begun = begin_recalling(); !begun) return begun;
    follow_store();
    if (auto limited = prepared_.confinement.limit_calls(mount_->may_use_io_uring()); !limited) {
      return limited;
    }
    answers_.begin(serving_.emplace(serving()));
    record_keeper_->watch(*lending_);
    if (!plan_.predecessor) auditing_.serves(serving_->enforcement_name());

    std::optional<Readiness> readiness(std::in_place, *serving_, background,
                                       [&] { return take_place(**control); });
    auto ended = mount_->run([&] { blocked.reset(); });
    end_watch.begin();  // the steps after this may wait for the store
    readiness.reset();
    stop_notifying();
    // The kernel keeps leases that this daemon cannot take back. The record stays behind, so that a
    // command that takes access away and finds no daemon waits until the lease is over.
    if (mount_->leaves_leases() && recaller_->anything_lent()) record_keeper_->leave_behind();
    if (ended) log_end();
    return ended;
  }

 private:
  Result<void> publish_record(const ControlHandler& handler) {
    auto keeper = RecordKeeper::make(
        {plan_.database,
         {plan_.mountpoint, control_path_, ::getpid(), static_cast<double>(options_.lease.count()),
          auditing_.trail() != nullptr},
         handler});
    if (!keeper) return keeper.error();
    record_keeper_ = std::move(*keeper);
    troubles_.set_unknown(record_keeper_->publish(/*linked=*/!plan_.predecessor));
    return {};
  }

  Result<void> mount() {
    if (plan_.dead_mount) {
      spdlog::warn("taking over {}, whose daemon is gone", quoted(plan_.mountpoint.native()));
    }
    auto mount = FuseMount::mount(tree_, std::move(prepared_.mount), helper_,
                                  {.attachment = plan_.predecessor  ? Attachment::kLater
                                                 : plan_.dead_mount ? Attachment::kOverDead
                                                                    : Attachment::kFree,
                                   .threads = options_.threads,
                                   .asks_at_open = enforcement_ == Enforcement::kOpen,
                                   .passthrough = options_.passthrough,
                                   .io_uring = options_.io_uring});
    if (!mount) return mount.error();
    mount_ = std::move(*mount);
    mount_->lend(troubles_.unknown().empty());
    return {};
  }

  /// Takes the place of the predecessor, if there is one. On the thread that has seen the mount
  /// answer.
  Result<void> take_place(ControlServer& control) {
    if (!plan_.predecessor) return {};
    if (auto prepared = prepare_handover(*serving_); !prepared) return prepared;
    if (auto replaced = mount_->replace(plan_.predecessor->mount_id); !replaced) return replaced;
    try {
      follow_up(control);
    } catch (const std::exception&) {
      return {};  // out of memory; this daemon is the one that serves now, whatever else fails
    }
    return {};
  }

  /// What comes after a handover.
  void follow_up(ControlServer& control) {
    if (auto named = control.take_name(control_path_); !named) {
      spdlog::error("{}: it leads to the daemon that has handed over", named.error().message);
    }
    record_keeper_->link();
    auditing_.serves(serving_->enforcement_name());
    spdlog::info(
        "{} is handed over: process {} serves what is open in its mount until it is closed",
        quoted(plan_.mountpoint.native()), plan_.predecessor->pid);
  }

  Result<void> begin_recalling() {
    auto recaller = Recaller::start(tree_.withdrawal(), *policy_, *mount_, {});
    if (!recaller) return recaller.error();
    recaller_ = std::move(*recaller);
    store_watcher_ =
        std::make_unique<StoreWatcher>(tree_.withdrawal(), *recaller_, *mount_,
                                       spans::share_of<spans::StoreLookShare>(options_.lease));
    tree_.lender().set_recaller(*recaller_);
    tree_.lender().set_store_watcher(*store_watcher_);
    lending_.emplace(tree_, *mount_, *recaller_, troubles_, plan_.store, options_.lease);
    return {};
  }

  void log_end() const {
    const MountTable table = MountTable::read();
    const MountInfo* there = table.mounted_on(plan_.mountpoint);
    if (there != nullptr && there->type == kMountType) {
      spdlog::info("another daemon serves {}, and nothing is open any more that was opened here",
                   quoted(plan_.mountpoint.native()));
    } else {
      spdlog::info("{} is unmounted", quoted(plan_.mountpoint.native()));
    }
  }

  void follow_store() {
    if (options_.follows_store) store_follower_.emplace(store_, plan_.store, *lending_);
  }

  Serving serving() {
    return {plan_,
            options_,
            control_path_,
            enforcement_,
            started_,
            *policy_,
            store_,
            tree_,
            *mount_,
            *recaller_,
            store_follower_,
            troubles_,
            freshness_,
            prepared_.confinement,
            auditing_.trail()};
  }

  /// Ends the threads that notify the kernel, first those that wait for another such thread. The
  /// follower and the keeper of the record wait for the recaller to recall everything; the watcher
  /// of the store waits for the recaller to recall files.
  /// Commands that ask for a recall from then on get their answer when the mount ends. The record
  /// itself stays until the mount has gone: until then something may be lent.
  void stop_notifying() {
    if (store_follower_) store_follower_->stop();
    if (record_keeper_ != nullptr) record_keeper_->stop();
    if (store_watcher_ != nullptr) store_watcher_->stop();
    if (recaller_ != nullptr) recaller_->stop();
  }

  TreeOptions complete(TreeOptions options) {
    options.lending.lease = options_.lease;
    options.lending.freshness = &freshness_;
    options.link_uses = &link_uses_;
    options.reads_by_node = enforcement_ == Enforcement::kLease;
    return options;
  }

  const MountPlan& plan_;
  const MountOptions& options_;
  const std::filesystem::path control_path_ = control_path(plan_, options_);
  Troubles& troubles_;
  Freshness& freshness_;
  Auditing& auditing_;
  const Timestamp started_ = system_now();
  std::unique_ptr<Policy> policy_;
  Store store_;
  const Enforcement enforcement_;
  Prepared prepared_;
  MountHelper& helper_;  // outlives the mount
  LinkUses link_uses_;
  Tree tree_;
  ControlAnswers answers_;
  std::optional<Serving> serving_;  ///< empty until the mount is about to answer
  std::optional<Lending> lending_;
  std::optional<StoreFollower> store_follower_;
  std::unique_ptr<RecordKeeper> record_keeper_;  // declared before the mount: outlives it
  // Handlers tell the recaller what they lend until the mount has gone.
  std::unique_ptr<Recaller> recaller_;
  std::unique_ptr<StoreWatcher> store_watcher_;
  std::unique_ptr<FuseMount> mount_;
};

}  // namespace

Result<void> serve(const MountPlan& plan, const MountOptions& options, Background& background,
                   MountHelper& helper) {
  const std::size_t descriptors = raise_descriptor_limit();
  db::install_shm_guard();
  Freshness freshness(options.follow);
  PolicyOptions policy_options{.database = plan.database, .source = plan.source};
  if (freshness.is_bounded()) {
    policy_options.check_current = [&freshness] { return freshness.check(); };
  }
  auto policy = Policy::open(std::move(policy_options));
  if (!policy) return policy.error();
  auto upstream = (*policy)->copy_of();
  if (!upstream) return upstream.error();
  if (!upstream->empty() && !freshness.is_bounded()) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} is a copy of {}, which may be out of date: say by follow=SECONDS "
                             "how old it may be",
                             quoted(plan.database.native()), *upstream)};
  }
  auto advice = (*policy)->source_advice();
  if (!advice) return advice.error();
  for (const std::string& lacking : *advice) spdlog::warn("{}", lacking);
  auto key = (*policy)->inode_key();
  if (!key) return key.error();
  auto store = Store::open(plan.store, *key);
  if (!store) return store.error();
  auto prepared = prepare(plan, options, *store);
  if (!prepared) return prepared.error();

  EndWatch end_watch;  // lives until all that may wait for a disk has gone
  auto auditing = Auditing::start(plan, options);
  if (!auditing) return auditing.error();

  Troubles troubles;
  TreeOptions tree_options{
      .denial = options.denial,
      .server_group = options.server_group,
      .by_user_group = options.by_user,
      .views = options.views,
      .key = *key,
      .spare_descriptors =
          std::min(TreeOptions().spare_descriptors, descriptors / kDescriptorsForEachSpare),
      .audit = (*auditing)->trail(),
      .on_policy_error = [&troubles](const Error& error) { troubles.decision_failed(error); }};
  ::clock_gettime(CLOCK_REALTIME, &tree_options.mounted);
  Daemon daemon(plan, options, std::move(*policy), std::move(*store), std::move(*prepared), helper,
                tree_options, troubles, freshness, **auditing);
  return daemon.serve(background, end_watch);
}

}  // namespace grantfs
