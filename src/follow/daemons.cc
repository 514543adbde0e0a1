#include "follow/daemons.h"

#include <fmt/core.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "control/client.h"
#include "control/search.h"
#include "grantfs/recall.h"

namespace grantfs::follow {
namespace {

/// How long a daemon may take to recall what was taken away, and to take note that the copy is
/// current. The next report comes about a second later anyway.
constexpr std::chrono::milliseconds kReportTime{1500};

Result<nlohmann::json> tell_one(const control::KnownDaemon& daemon, const Report& report) {
  return ask_daemon(daemon.socket,
                    {{"command", "current"},
                     {"as_of", report.as_of.count()},
                     {"follow_at_most", report.follow_at_most},
                     {"behind_bytes", report.behind_bytes},
                     {"upstream", report.upstream}},
                    kReportTime, daemon.name());
}

/// Waits until what daemons have lent that did not acknowledge a recall is over, or until they do:
/// one that was starting, or had no time, may answer long before.
void wait_for_rest(const std::filesystem::path& database, RecallOutcome outcome,
                   std::chrono::steady_clock::time_point committed) {
  constexpr std::chrono::milliseconds kPause{100};
  const auto over = outcome.leases_end(committed);
  while (!outcome.unacknowledged.empty() && std::chrono::steady_clock::now() < over) {
    std::this_thread::sleep_until(std::min(over, std::chrono::steady_clock::now() + kPause));
    outcome = grantfs::recall(database, committed);
  }
}

}  // namespace

Daemons::Daemons(std::filesystem::path database)
    : database_(std::move(database)),
      changed_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      recalling_("follow recall", [this](const Place& place) { do_recall(place); }),
      telling_("follow tell", [this](const Report& report) { do_tell(report); }) {}

void Daemons::recall(postgres::Lsn position) {
  recalling_.give({recalled_.lock()->log, position});
}

void Daemons::begin_log() {
  auto recalled = recalled_.lock();
  *recalled = {recalled->log + 1, 0};
}

void Daemons::do_recall(const Place& place) {
  const auto committed = std::chrono::steady_clock::now();
  const RecallOutcome outcome = grantfs::recall(database_, committed);
  for (const UnacknowledgedRecall& daemon : outcome.unacknowledged) {
    warning_.warn(
        fmt::format("{} has not acknowledged a recall, and may have lent access for {:g} "
                    "s: {}; the upstream is told when that is over",
                    daemon.name, daemon.lease.count(), daemon.trouble));
  }
  wait_for_rest(database_, outcome, committed);
  {
    auto recalled = recalled_.lock();
    if (recalled->log == place.log) recalled->position = place.position;
  }
  const std::uint64_t one = 1;
  (void)!::write(changed_.get(), &one, sizeof one);
}

void Daemons::clear() const {
  std::uint64_t count = 0;
  (void)!::read(changed_.get(), &count, sizeof count);
}

void Daemons::do_tell(const Report& report) {
  const control::KnownDaemons known = control::known_daemons(database_);
  if (known.trouble) warning_.warn(known.trouble->message);
  std::vector<std::future<Result<nlohmann::json>>> answers;
  answers.reserve(known.daemons.size());
  for (const control::KnownDaemon& daemon : known.daemons) {
    answers.push_back(
        std::async(std::launch::async, [&daemon, &report] { return tell_one(daemon, report); }));
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const control::KnownDaemon& daemon = known.daemons[i];
    const auto answer = answers[i].get();
    if (!answer) {
      if (daemon.has_gone()) continue;
      warning_.warn(answer.error().message);
      // It may have a longer bound than the upstream knows of.
      if (auto status = ask_status(daemon.socket, daemon.name()); status && status->follow) {
        note_bound(status->follow->seconds);
      }
      continue;
    }
    const auto seconds = answer->find("follow_seconds");
    if (seconds != answer->end() && *seconds == 0) {
      warning_.warn(
          fmt::format("{} has no follow=, and would serve this copy however old it is: "
                      "restart it with follow=SECONDS",
                      daemon.name()));
    }
  }
}

std::int64_t Daemons::ask_bound() {
  for (const DaemonStatus& daemon : find_daemons(database_).found) {
    if (daemon.follow) note_bound(daemon.follow->seconds);
  }
  return bound_;
}

void Daemons::note_bound(std::int64_t seconds) {
  std::int64_t known = bound_;
  while (known < seconds && !bound_.compare_exchange_weak(known, seconds)) {
  }
}

}  // namespace grantfs::follow
