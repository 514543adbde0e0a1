#include "daemon/status/status.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "base/unique_fd.h"
#include "control/document.h"
#include "sandbox/call_filter.h"
#include "version.h"

namespace grantfs {
namespace {

/// A decision that failed counts as trouble of the daemon for 10 seconds.
constexpr std::chrono::seconds kTroubleLasts{10};

/// A clause for people: why every open is decided though leases were asked for. Empty if leases
/// enforce as asked.
std::string why_not_by_lease(const Serving& serving) {
  return serving.options.enforcement == serving.enforcement ? std::string()
                                                            : serving.store.why_not_by_handle();
}

/// The reasons why the daemon now refuses things that should be served; empty if it knows of none.
/// The policy's state is known from one decision made here, and from failed decisions of others in
/// the last 10 seconds.
std::vector<std::string> current_troubles(const Serving& serving) {
  std::vector<std::string> found;
  if (std::string away = serving.troubles.store_away(); !away.empty())
    found.push_back(std::move(away));
  if (serving.mount.waits_for_store() ||
      (serving.store_follower && serving.store_follower->waits())) {
    found.push_back(
        fmt::format("the store {} does not answer; whoever needs it waits or is refused",
                    quoted(serving.plan.store.native())));
  }
  if (serving.audit != nullptr) {
    if (std::string unwritten = serving.audit->report().trouble; !unwritten.empty()) {
      found.push_back(std::move(unwritten));
    }
  }
  if (auto decision = serving.policy.decide(Anyone{}, StorePath()); !decision) {
    found.push_back(decision.error().message);
  } else if (const Troubles::FailedDecision last = serving.troubles.last_failed_decision();
             !last.message.empty() && system_now() - last.at < kTroubleLasts) {
    found.push_back(fmt::format("access was denied {} s ago: {}", (system_now() - last.at).count(),
                                last.message));
  }
  return found;
}

/// Writes what is known of the copy into an empty object, which the caller empties again.
void write_follow(const Freshness& freshness, nlohmann::json& follow) {
  const auto milliseconds = [](std::chrono::nanoseconds span) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(span).count();
  };
  const Freshness::Report last = freshness.last();
  const std::chrono::nanoseconds age = freshness.age();
  follow["seconds"] = freshness.bound().count();
  follow["current"] = !freshness.is_over();
  follow["upstream"] = last.upstream;
  follow["age_milliseconds"] = age.count() < 0 ? -1 : milliseconds(age);
  follow["left_milliseconds"] = milliseconds(freshness.left());
  follow["behind_bytes"] = last.behind_bytes;
}

/// Writes what is known of the record of accesses into an empty object, which the caller empties
/// again.
void write_audit(const Serving& serving, nlohmann::json& audit) {
  const AuditTrail::Report report = serving.audit->report();
  audit["place"] = serving.options.audit->is_journal() ? std::string("journal")
                                                       : serving.options.audit->file.native();
  audit["required"] = serving.options.audit_required;
  audit["trouble"] = report.trouble;
}

/// Writes how long acknowledgements took into an empty object, which the caller empties again.
void write_recall_times(const RecallTimes& times, nlohmann::json& written) {
  nlohmann::json& bounds = written["bounds_microseconds"] = nlohmann::json::array();
  nlohmann::json& counts = written["counts"] = nlohmann::json::array();
  for (std::size_t i = 0; i < RecallTimes::kBounds.size(); ++i) {
    bounds.push_back(RecallTimes::kBounds.at(i).count());
    counts.push_back(times.count(i));
  }
  counts.push_back(times.count(RecallTimes::kBounds.size()));
  written["total_microseconds"] = times.total().count();
}

/// The memory of this process that is in RAM, in bytes (proc_pid_statm(5)); zero if /proc does not
/// say.
std::int64_t resident_bytes() {
  const UniqueFd statm(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  std::array<char, 128> text{};
  const ssize_t size = statm ? ::read(statm.get(), text.data(), text.size() - 1) : 0;
  const char* const begin = text.data();
  const char* const end = begin + std::max<ssize_t>(size, 0);
  const char* const pages = std::find(begin, end, ' ');
  std::int64_t resident = 0;
  if (pages != end) std::from_chars(pages + 1, end, resident);
  return resident * ::sysconf(_SC_PAGESIZE);
}

/// Writes the counters into an empty object. The caller empties the object again.
void write_counters(const Serving& serving, nlohmann::json& counted) {
  const TreeCounters& counters = serving.tree.counters();
  counted["lookups"] = counters.lookups.load();
  counted["opens"] = counters.opens.load();
  counted["opendirs"] = counters.opendirs.load();
  counted["denials"] = serving.tree.refusals().denials();
  counted["errors"] = serving.tree.refusals().errors();
  counted["recalls"] = serving.recaller.counters().recalls.load();
  counted["recalls_of_everything"] = serving.recaller.counters().all_of_everything();
  counted["recalled_entries"] = serving.recaller.counters().entries.load();
  counted["refused_calls"] = refused_calls();
  counted["nodes"] = serving.tree.node_count();
  counted["steady_files"] = serving.tree.lender().steady_files().size();
  counted["open_files"] = serving.mount.open_handles();
  counted["resident_bytes"] = resident_bytes();
  if (serving.audit != nullptr) {
    const AuditTrail::Report report = serving.audit->report();
    counted["audit_records"] = report.records;
    counted["audit_lost"] = report.lost;
    counted["audit_refusals_left_out"] = report.refusals;
  }
  const RecallCounters& recalls = serving.recaller.counters();
  for (std::size_t i = 0; i < recalls.everything.size(); ++i) {
    counted[fmt::format("recalls_of_everything_{}", kRecallOfEverythingNames[i])] =
        recalls.everything[i].load();
  }
  for (std::size_t i = 0; i < recalls.reviews.size(); ++i) {
    counted[fmt::format("redecisions_{}", kReviewNames[i])] = recalls.reviews[i].load();
  }
  const auto upcalls = serving.mount.upcalls();
  for (std::size_t i = 0; i < upcalls.size(); ++i) {
    counted[fmt::format("upcalls_{}", kUpcallNames[i])] = upcalls[i];
  }
}

}  // namespace

void write_status(const Serving& serving, nlohmann::json& status) {
  nlohmann::json counted = nlohmann::json::object();
  const control::Emptied counted_emptied(counted);
  write_counters(serving, counted);
  const auto now = system_now();
  const std::vector<std::string> troubles = current_troubles(serving);
  nlohmann::json last = nullptr;
  const control::Emptied last_emptied(last);
  if (const Troubles::FailedDecision trouble = serving.troubles.last_failed_decision();
      !trouble.message.empty()) {
    last = nlohmann::json::object();
    last["message"] = trouble.message;
    last["at"] = trouble.at.time_since_epoch().count();
  }
  nlohmann::json recall_times = nlohmann::json::object();
  const control::Emptied recall_times_emptied(recall_times);
  write_recall_times(serving.recaller.counters().times, recall_times);
  nlohmann::json audit = nullptr;
  const control::Emptied audit_emptied(audit);
  if (serving.audit != nullptr) {
    audit = nlohmann::json::object();
    write_audit(serving, audit);
  }
  nlohmann::json follow = nullptr;
  const control::Emptied follow_emptied(follow);
  if (serving.freshness.is_bounded()) {
    follow = nlohmann::json::object();
    write_follow(serving.freshness, follow);
  }
  const std::string lends_nothing = serving.troubles.unknown();
  status["version"] = kVersion;
  status["state"] = troubles.empty() ? "healthy" : "trouble";
  status["troubles"] = troubles;
  status["last_trouble"] = std::move(last);
  status["lends_nothing_because"] = lends_nothing;
  status["stage"] = kStageNames[static_cast<std::size_t>(serving.mount.stage())];
  status["mount_id"] = serving.mount.mount_id();
  status["pid"] = ::getpid();
  status["store"] = serving.plan.store.native();
  status["store_asked_because"] = serving.store.why_asked_anew();
  status["mountpoint"] = serving.plan.mountpoint.native();
  status["database"] = serving.plan.database.native();
  status["control"] = serving.control.native();
  status["source"] = serving.options.source ? serving.options.source->native() : std::string();
  status["enforce"] = serving.enforcement_name();
  status["enforce_because"] = why_not_by_lease(serving);
  status["lease_seconds"] = lends_nothing.empty() ? serving.options.lease.count() : 0;
  status["follow"] = std::move(follow);
  status["audit"] = std::move(audit);
  status["transport"] = serving.transport_name();
  status["passthrough"] = serving.mount.uses_passthrough();
  status["handles_refused"] = serving.mount.refuses_handles();
  status["stacking_refused"] = serving.mount.refuses_stacking();
  status["system_calls"] = serving.confinement.calls();
  status["writes"] = serving.confinement.writes();
  status["libfuse"] = libfuse_version();
  status["started"] = serving.started.time_since_epoch().count();
  status["uptime_seconds"] = (now - serving.started).count();
  status["recall_times"] = std::move(recall_times);
  status["counters"] = std::move(counted);
}

}  // namespace grantfs
