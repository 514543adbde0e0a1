#include "grantfs/recall.h"

#include <algorithm>
#include <system_error>
#include <thread>

#include "base/lease_spans.h"
#include "control/client.h"
#include "control/search.h"

namespace grantfs {
namespace {

using Seconds = std::chrono::duration<double>;
using SteadyTime = std::chrono::steady_clock::time_point;

/// No lease is longer than 1e8 seconds (three years). A longer time would not fit the clock's type.
constexpr Seconds kBeyondAllLeases{1e8};

enum class Attitude {
  kEnded,  ///< the daemon ended by itself, and its mount with it
  kAcknowledged,
  kLendsNothing,
  kUnacknowledged,
};

struct Answer {
  Attitude attitude = Attitude::kUnacknowledged;
  UnacknowledgedRecall details;
};

/// The daemon's lease. If this process may not read the daemon's record, the longest lease there
/// is.
Seconds lease_of(const control::KnownDaemon& daemon) {
  return daemon.record ? Seconds{daemon.record->lease_seconds} : spans::kLongestLease;
}

SteadyTime lease_end(SteadyTime committed, Seconds lease) {
  const auto span = std::chrono::ceil<std::chrono::steady_clock::duration>(
      std::clamp(lease, Seconds{0}, kBeyondAllLeases));
  return committed + span + spans::kTickMargin;
}

/// Asks a daemon that lives and gave no answer: the daemon is starting, ending (as each does that
/// has handed over), or putting back a socket that was removed. While nobody listens, asks again
/// every 10 ms until `until`, and returns the last answer or error.
Result<nlohmann::json> ask_again(const control::KnownDaemon& daemon, SteadyTime until, Error last) {
  constexpr std::chrono::milliseconds kPause{10};
  while (!daemon.has_gone() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kPause);
    auto answer =
        ask_daemon(daemon.socket, {{"command", "recall"}}, control::kAnswerTime, daemon.name());
    if (answer || answer.error().kind != ErrorKind::kNotFound) return answer;
    last = answer.error();
  }
  return last;
}

/// Whether the daemon ends within 250 ms. A daemon that hung up on a request may be about to end.
bool goes(const control::KnownDaemon& daemon) {
  constexpr int kTries = 25;
  constexpr std::chrono::milliseconds kPause{10};
  for (int i = 0; i < kTries && !daemon.has_gone(); ++i) std::this_thread::sleep_for(kPause);
  if (!daemon.has_gone()) return false;
  std::this_thread::sleep_for(control::kDying);
  return true;
}

Answer ask(const control::KnownDaemon& daemon, SteadyTime committed) {
  const Seconds lease = lease_of(daemon);
  const SteadyTime end = lease_end(committed, lease);
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  // Wait for one tick's margin in any case: a command may get here after the lease is over, and the
  // daemon may answer all the same.
  const std::chrono::milliseconds moment = spans::kTickMargin;
  auto answer = ask_daemon(daemon.socket, {{"command", "recall"}},
                           std::clamp(left, moment, control::kAnswerTime), daemon.name());
  if (!answer && lease > Seconds{0}) {
    answer = ask_again(daemon, std::min(end, committed + control::kAnswerTime), answer.error());
  }
  if (answer) return {Attitude::kAcknowledged, {}};
  if (lease == Seconds{0}) return {Attitude::kLendsNothing, {}};
  if (goes(daemon) && !daemon.was_killed()) return {Attitude::kEnded, {}};
  return {Attitude::kUnacknowledged, {daemon.name(), lease, answer.error().message}};
}

/// Waits until all that killed daemons lent before the commit has run out, then removes their
/// records. A command that finds no record after that has committed later, and need not wait.
void wait_for_killed(const control::KnownDaemons& known, SteadyTime committed,
                     RecallOutcome& outcome) {
  if (known.killed.empty()) return;
  std::this_thread::sleep_for(control::kDying);
  for (const control::KnownDaemon& daemon : known.killed) {
    const Seconds lease = lease_of(daemon);
    if (lease > Seconds{0}) {
      std::this_thread::sleep_until(lease_end(committed, lease));
      outcome.unacknowledged.push_back(
          {daemon.name(), lease,
           "it was killed, or could not take back what it had lent when it ended"});
    }
    control::remove_record(known, daemon);
  }
}

/// Asks every daemon at the same time. The first is asked on this thread, each other one on a
/// thread of its own.
std::vector<Answer> ask_all(const std::vector<control::KnownDaemon>& daemons,
                            SteadyTime committed) {
  std::vector<Answer> answers(daemons.size());
  const auto ask_one = [&](std::size_t i) {
    try {
      answers[i] = ask(daemons[i], committed);
    } catch (const std::exception& error) {  // out of memory: counts as no answer
      answers[i] = {Attitude::kUnacknowledged, {"a daemon", spans::kLongestLease, error.what()}};
    }
  };
  std::vector<std::jthread> threads;
  std::vector<std::size_t> here;
  for (std::size_t i = 0; i < daemons.size(); ++i) {
    if (i == 0) {
      here.push_back(i);
      continue;
    }
    try {
      threads.emplace_back(ask_one, i);
    } catch (const std::system_error&) {  // no more threads: ask this daemon later, here
      here.push_back(i);
    }
  }
  for (const std::size_t i : here) ask_one(i);
  threads.clear();  // joins
  return answers;
}

}  // namespace

SteadyTime RecallOutcome::leases_end(SteadyTime committed) const {
  SteadyTime end = committed;
  for (const UnacknowledgedRecall& daemon : unacknowledged) {
    end = std::max(end, lease_end(committed, daemon.lease));
  }
  return end;
}

RecallOutcome recall(const std::filesystem::path& database, SteadyTime committed) {
  const control::KnownDaemons known = control::known_daemons(database);
  RecallOutcome outcome;
  if (known.trouble) {
    outcome.unacknowledged.push_back(
        {"a daemon that may run on it", spans::kLongestLease, known.trouble->message});
  }
  for (Answer& answer : ask_all(known.daemons, committed)) {
    switch (answer.attitude) {
      case Attitude::kEnded:
        break;
      case Attitude::kAcknowledged:
        ++outcome.acknowledged;
        break;
      case Attitude::kLendsNothing:
        ++outcome.lending_nothing;
        break;
      case Attitude::kUnacknowledged:
        outcome.unacknowledged.push_back(std::move(answer.details));
        break;
    }
  }
  wait_for_killed(known, committed, outcome);
  return outcome;
}

RecallOutcome recall_and_wait(const std::filesystem::path& database) {
  const auto committed = std::chrono::steady_clock::now();
  RecallOutcome outcome = recall(database, committed);
  std::this_thread::sleep_until(outcome.leases_end(committed));
  return outcome;
}

}  // namespace grantfs
