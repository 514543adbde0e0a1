#include "follow/follower.h"

#include <fmt/core.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/quote.h"
#include "follow/first_copy.h"
#include "follow/session.h"
#include "follow/tables.h"
#include "postgres/connection.h"
#include "postgres/replication_stream.h"
#include "sandbox/call_filter.h"

namespace grantfs::follow {
namespace {

using postgres::Connection;

/// The bound that the upstream is told where neither the command line nor a daemon says one.
constexpr std::int64_t kDefaultFollowSeconds = 10;
/// After so many errors behind the same position the copy is made anew: what cannot be applied
/// to it may fit a new one.
constexpr int kMostFailuresAtOnePlace = 3;

}  // namespace

Result<void> Follower::run() {
  remove_leftovers(options_.database);
  if (auto may = check_may_become_copy(options_.database); !may) return may;
  while (true) {
    auto stopped = follow();
    applier_.reset();
    log_refused_calls();
    if (stopped && *stopped) return {};
    if (!stopped) {
      if (stopped.error().kind == ErrorKind::kInvalid) return stopped.error();
      say(stopped.error());
    }
    ++failures_;
    if (pause()) return {};
  }
}

Result<bool> Follower::follow() {
  const postgres::Settings ordinary_settings{.application_name = options_.slot()};
  auto ordinary = Connection::open(options_.upstream, ordinary_settings);
  if (!ordinary) return ordinary.error();
  auto replication = Connection::open(options_.upstream,
                                      {.application_name = options_.slot(), .replication = true});
  if (!replication) return replication.error();
  // Or this node's own commits would wait for this node, where it is a synchronous standby.
  if (auto local = ordinary->execute("SET synchronous_commit = local"); !local) {
    return local.error();
  }
  auto upstream = look_at_upstream(*ordinary, *replication);
  if (!upstream) return upstream.error();
  if (auto have = have_copy(*ordinary, *replication, *upstream); !have) return have.error();

  // The upstream knows the bound before any daemon hears that the copy is current.
  std::int64_t bound = options_.follow_seconds;
  if (bound == 0) bound = daemons_.ask_bound();
  if (bound == 0) bound = kDefaultFollowSeconds;
  if (auto registered = register_node(*ordinary, options_.node, bound); !registered) {
    return registered.error();
  }
  auto stream = postgres::ReplicationStream::start(std::move(*replication), options_.slot(),
                                                   kPublication, applier_->position());
  if (!stream) return stream.error();
  spdlog::info("following {} from {} as node {}", stream->name(),
               postgres::lsn_text(applier_->position()), options_.node);
  const postgres::Lsn before = applier_->position();
  claims_.begin(upstream->started);
  Session session(options_, *applier_, daemons_, std::move(*upstream), std::move(*stream),
                  std::move(*ordinary), bound, stop_);
  auto ended = session.run();
  claims_.end();
  if (session.was_current()) {
    failures_ = 0;
    said_.clear();
  }
  failures_at_one_place_ =
      applier_->position() == before && !session.was_current() ? failures_at_one_place_ + 1 : 0;
  if (ended) return true;
  if (ended.error().kind == ErrorKind::kConflict) {
    must_copy_because_ = ended.error().message;
  } else if (failures_at_one_place_ >= kMostFailuresAtOnePlace) {
    failures_at_one_place_ = 0;
    must_copy_because_ = ended.error().message;
  }
  return ended.error();
}

Result<void> Follower::have_copy(Connection& ordinary, Connection& replication,
                                 const UpstreamState& upstream) {
  auto slot = look_at_slot(ordinary, options_.slot());
  if (!slot) return slot.error();
  if (*slot && (*slot)->active) {
    return Error{ErrorKind::kSystem,
                 fmt::format("{}: another follower uses the replication slot {}; is there another "
                             "node of this name?",
                             ordinary.name(), options_.slot())};
  }
  auto opened = Applier::open(options_.database);
  if (opened) {
    applier_ = std::move(*opened);
    if (auto newest = check_not_left_behind(upstream, ordinary.name()); !newest) return newest;
    if (must_copy_because_.empty()) must_copy_because_ = why_not_go_on(upstream, *slot);
    if (must_copy_because_.empty()) return {};
    applier_.reset();
  } else if (opened.error().kind == ErrorKind::kNotFound) {
    must_copy_because_ = "there is none yet";
  } else if (opened.error().kind == ErrorKind::kConflict) {
    must_copy_because_ = opened.error().message;
  } else {
    return opened.error();
  }
  spdlog::info("making {} a copy of {} anew: {}", quoted(options_.database.native()),
               ordinary.name(), must_copy_because_);
  ::sd_notify(0, "STATUS=Copying all of the policy.");
  auto made = make_first_copy(options_.database, ordinary, replication, upstream, options_.slot());
  if (!made) return made;
  must_copy_because_.clear();
  auto copy = Applier::open(options_.database);
  if (!copy) return copy.error();
  applier_ = std::move(*copy);
  return {};
}

Result<void> Follower::check_not_left_behind(const UpstreamState& upstream,
                                             const std::string& name) const {
  const CopyMark& mark = applier_->mark();
  if (mark.system != upstream.system || upstream.timeline >= mark.timeline) return {};
  return Error{
      ErrorKind::kDatabase,
      fmt::format("{} was left behind by a failover: it is on timeline {}, and the copy has "
                  "followed another to timeline {}; end that server, or, if it is the "
                  "right one, stop this follower, remove {}* and start it again",
                  name, upstream.timeline, mark.timeline, options_.database.native())};
}

std::string Follower::why_not_go_on(const UpstreamState& upstream,
                                    const std::optional<SlotState>& slot) {
  const CopyMark& mark = applier_->mark();
  if (mark.system != upstream.system) return "it is of another server";
  if (mark.timeline != upstream.timeline) return "the server has failed over, or was restored";
  if (mark.slot != options_.slot()) return "it is another node's";
  if (mark.publication != upstream.publication) return "the upstream has changed what it publishes";
  if (!slot) return "its replication slot is gone";
  if (slot->lost) return "the server has removed the log that its replication slot needs";
  if (slot->confirmed > applier_->position()) {
    return "the server has been told of more than the copy has, which is an older one";
  }
  if (applier_->position() > upstream.end) return "the server's log ends before it";
  return {};
}

bool Follower::pause() {
  constexpr std::chrono::milliseconds kShortest{200};
  constexpr std::chrono::milliseconds kLongest{10'000};
  constexpr int kMostDoublings = 6;
  const auto span = std::min(kShortest * (1 << std::min(failures_ - 1, kMostDoublings)), kLongest);
  pollfd polled{stop_, POLLIN, 0};
  return ::poll(&polled, 1, static_cast<int>(span.count())) > 0;
}

void Follower::say(const Error& error) {
  constexpr int kSayAgainEvery = 30;
  ::sd_notify(0, fmt::format("STATUS=Not current: {}", error.message).c_str());
  if (error.message == said_ && failures_ % kSayAgainEvery != 0) return;
  said_ = error.message;
  spdlog::warn("the copy is not current any more: {}", error.message);
}

}  // namespace grantfs::follow
