#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/protocol.h"
#include "grantfs/result.h"

namespace grantfs {

/// What a daemon with follow= knows of its database, which is a copy.
struct FollowStatus {
  std::int64_t seconds = 0;  ///< follow=
  bool current = false;      ///< whether it decides
  std::string upstream;
  std::int64_t age_milliseconds = -1;  ///< since the copy was known to be current; -1: never
  std::int64_t left_milliseconds = 0;  ///< until it refuses
  std::int64_t behind_bytes = 0;       ///< of the upstream's log, when it was last told
};

/// The record of accesses of a daemon.
struct AuditStatus {
  std::string place;  ///< the path of a file, or "journal"
  bool required = false;
  std::string trouble;  ///< why it could not be written last; empty: it was
};

/// How long those waited who asked a daemon for what was committed to be recalled: a histogram.
struct RecallTimesStatus {
  std::vector<std::int64_t> bounds_microseconds;  ///< of its classes but the last; they ascend
  std::vector<std::int64_t> counts;               ///< of each class; one more than there are bounds
  std::int64_t total_microseconds = 0;

  /// How many there were in all.
  std::int64_t count() const {
    return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  }
};

/// The status of a daemon, by its own answer.
struct DaemonStatus {
  /// Whether it serves what it should, as far as it knows. True from a daemon too old to say.
  bool healthy = true;
  std::vector<std::string> troubles;  ///< why not
  std::string last_trouble;           ///< of the last decision that failed; empty: none did
  std::int64_t last_trouble_at = 0;   ///< Unix seconds
  std::string lends_nothing_because;  ///< empty: it does as lease_seconds says
  std::filesystem::path control;      ///< its control socket, as it sees it
  /// How far its mount is: "starting", "serving" or "leaving" (fuse/mount.h).
  std::string stage = "serving";
  bool is_leaving() const { return stage == "leaving"; }
  std::uint64_t mount_id = 0;  ///< lasting_mount_id(); 0 from a daemon too old to hand over
  std::string version;
  std::int64_t pid = 0;
  std::filesystem::path store;
  std::string store_asked_because;  ///< why each look asks the file system; empty: none need
  std::filesystem::path mountpoint;
  std::filesystem::path database;
  std::filesystem::path source;  ///< the configuration of its policy source; empty: none
  std::string enforce;
  std::string enforce_because;  ///< why that is not what was asked for; empty: it is
  /// How long the kernel may be lent a decision; none from a daemon too old to say.
  std::optional<double> lease_seconds;
  std::optional<FollowStatus> follow;             ///< none: its database is no copy
  std::optional<AuditStatus> audit;               ///< none: it keeps no record
  std::optional<RecallTimesStatus> recall_times;  ///< none from a daemon too old to say
  std::string transport;     ///< of the kernel's requests: "/dev/fuse" or "io_uring"
  bool passthrough = false;  ///< the kernel reads files of the store by itself
  /// Whether the kernel refuses file handles of the mount; none from a daemon too old to say.
  std::optional<bool> handles_refused;
  /// Whether the kernel refuses file systems that are stacked on the mount; none from a daemon too
  /// old to say.
  std::optional<bool> stacking_refused;
  /// "limited": the daemon gave up the system calls that it never makes; else why it did not.
  /// Empty from a daemon too old to say.
  std::string system_calls;
  std::string writes;        ///< the same of writing to file systems
  std::int64_t started = 0;  ///< Unix seconds
  std::int64_t uptime_seconds = 0;
  std::vector<std::pair<std::string, std::int64_t>> counters;
};

/// Asks the daemon at `socket` and waits for its answer, at most `time` in all. kNotFound if
/// nobody listens there; kSystem if the answer does not come, is malformed, or is a refusal;
/// kConflict if it says that what was asked for is denied. Messages call it `name`; if that is
/// empty, by its socket.
Result<nlohmann::json> ask_daemon(const std::filesystem::path& socket,
                                  const nlohmann::json& request,
                                  std::chrono::milliseconds time = control::kAnswerTime,
                                  std::string_view name = {});
/// The same with a request as it is sent: a JSON object on one line, with its newline. There may be
/// a token in it, which is not copied.
Result<nlohmann::json> ask_daemon_by_line(const std::filesystem::path& socket,
                                          std::string_view line,
                                          std::chrono::milliseconds time = control::kAnswerTime,
                                          std::string_view name = {});

/// The status of the daemon at `socket`; errors and `name` as ask_daemon().
Result<DaemonStatus> ask_status(const std::filesystem::path& socket, std::string_view name = {});

/// The daemons that were found, and the obstacles to asking others, or to knowing whether there are
/// others (a sentence for each).
struct DaemonSearch {
  std::vector<DaemonStatus> found;
  std::vector<std::string> troubles;
  /// Mount points of those that live and do not answer, as far as they are known.
  std::vector<std::filesystem::path> silent;
};

/// The daemons that decide by `database`, by whatever path that is named: those that have a record
/// there (record.h). Waits at most kAnswerTime for each.
DaemonSearch find_daemons(const std::filesystem::path& database);

}  // namespace grantfs
