#include "control/recall.h"

#include <algorithm>
#include <system_error>
#include <thread>

#include "control/client.h"
#include "control/search.h"

namespace grantfs {
namespace {

using Seconds = std::chrono::duration<double>;
using SteadyTime = std::chrono::steady_clock::time_point;

/// Longer than this is no lease, and would not fit the clock's type.
constexpr Seconds kBeyondAllLeases{1e8};

enum class Attitude {
  kAway,  ///< nobody listens there, or it is another database's
  kAcknowledged,
  kLendsNothing,
  kUnacknowledged,
};

struct Answer {
  Attitude attitude = Attitude::kAway;
  UnacknowledgedRecall details;
};

SteadyTime lease_end(SteadyTime committed, Seconds lease) {
  const auto span = std::chrono::ceil<std::chrono::steady_clock::duration>(
      std::clamp(lease, Seconds{0}, kBeyondAllLeases));
  return committed + span + kLeaseMargin;
}

Answer ask_recall(UnacknowledgedRecall details, SteadyTime committed) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      lease_end(committed, details.lease) - std::chrono::steady_clock::now());
  // A moment in any case: a command may come late to this, and be answered all the same.
  const std::chrono::milliseconds moment = kLeaseMargin;
  const auto answer = ask_daemon(details.control, {{"command", "recall"}},
                                 std::clamp(left, moment, control::kAnswerTime));
  if (answer) return {Attitude::kAcknowledged, {}};
  if (answer.error().kind == ErrorKind::kNotFound) return {};
  if (details.lease == Seconds{0}) return {Attitude::kLendsNothing, {}};
  details.trouble = answer.error().message;
  return {Attitude::kUnacknowledged, std::move(details)};
}

/// Of a daemon that keeps no record: one of an older kind, or its record was deleted.
Answer ask_unrecorded(const std::filesystem::path& socket, const std::filesystem::path& database,
                      SteadyTime committed) {
  const auto status = ask_status(socket);
  if (!status) {
    if (status.error().kind == ErrorKind::kNotFound) return {};
    return {Attitude::kUnacknowledged, {socket, {}, kDefaultLease, status.error().message}};
  }
  if (!control::is_same_file(status->database, database)) return {};
  const Seconds unsaid = status->enforce == "open" ? Seconds{0} : kDefaultLease;
  const Seconds lease = status->lease_seconds ? Seconds{*status->lease_seconds} : unsaid;
  return ask_recall({socket, status->mountpoint, lease, {}}, committed);
}

Answer ask(const control::Candidate& candidate, const std::filesystem::path& database,
           SteadyTime committed) {
  const std::filesystem::path& socket = candidate.socket;
  if (candidate.record) {
    const Seconds lease{candidate.record->lease_seconds};
    return ask_recall({socket, candidate.record->mountpoint, lease, {}}, committed);
  }
  if (!candidate.closed) return ask_unrecorded(socket, database, committed);
  if (!control::may_be_for(socket, database)) return {};
  return {Attitude::kUnacknowledged,
          {socket, {}, kLongestLease, control::may_not_ask(socket).message}};
}

/// Asks every candidate, each on a thread of its own but the first.
std::vector<Answer> ask_all(const std::vector<control::Candidate>& candidates,
                            const std::filesystem::path& database, SteadyTime committed) {
  std::vector<Answer> answers(candidates.size());
  const auto ask_one = [&](std::size_t i) {
    try {
      answers[i] = ask(candidates[i], database, committed);
    } catch (const std::exception& error) {  // out of memory: no reason to end, nor to trust
      const auto& record = candidates[i].record;
      const Seconds lease = record ? Seconds{record->lease_seconds} : kLongestLease;
      answers[i] = {Attitude::kUnacknowledged, {candidates[i].socket, {}, lease, error.what()}};
    }
  };
  std::vector<std::jthread> threads;
  std::vector<std::size_t> here;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (i == 0) {
      here.push_back(i);
      continue;
    }
    try {
      threads.emplace_back(ask_one, i);
    } catch (const std::system_error&) {  // no more threads: then one after the other
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

RecallOutcome recall(const std::filesystem::path& database,
                     const std::optional<std::filesystem::path>& socket, SteadyTime committed,
                     const std::filesystem::path& directory) {
  const auto candidates = control::candidates(database, socket, directory);
  RecallOutcome outcome;
  for (Answer& answer : ask_all(candidates, database, committed)) {
    switch (answer.attitude) {
      case Attitude::kAway:
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
  return outcome;
}

}  // namespace grantfs
