#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/log.h"
#include "base/sync.h"
#include "base/unique_fd.h"
#include "follow/latest_worker.h"
#include "postgres/lsn.h"

namespace grantfs::follow {

/// What the daemons are told of the copy.
struct Report {
  std::chrono::nanoseconds as_of{};  ///< CLOCK_BOOTTIME
  std::int64_t behind_bytes = 0;
  std::int64_t follow_at_most = 0;  ///< the bound that the upstream was told of
  std::string upstream;
};

/// The daemons of this machine that decide by the copy: has them recall what a transaction took
/// away, and tells them that the copy is current. On threads of its own, since a daemon may hang.
/// One thread calls it.
class Daemons {
 public:
  explicit Daemons(std::filesystem::path database);

  /// Positions are of another log from now on, or may be: recalled() is zero.
  void begin_log();
  /// Has all that was committed so far recalled: then recalled() is at least `position`.
  void recall(postgres::Lsn position);
  /// The position up to which no kernel of this machine believes what was taken away.
  postgres::Lsn recalled() { return recalled_.lock()->position; }
  /// Readable when recalled() has changed; clear() before it is read.
  int fd() const { return changed_.get(); }
  void clear() const;

  /// Tells every daemon that the copy is current.
  void tell(Report report) { telling_.give(std::move(report)); }
  /// The longest follow= of the daemons that was met, in seconds. Asks them all, each for a moment.
  std::int64_t ask_bound();
  std::int64_t bound() const { return bound_; }

 private:
  /// A position, and the log that it is of.
  struct Place {
    std::uint64_t log = 0;
    postgres::Lsn position = 0;
  };

  void do_recall(const Place& place);
  void do_tell(const Report& report);
  void note_bound(std::int64_t seconds);

  const std::filesystem::path database_;
  const UniqueFd changed_;  ///< an eventfd
  Sync<Place> recalled_;
  std::atomic<std::int64_t> bound_{0};
  RepeatedWarning warning_{std::chrono::seconds(30)};
  // Last: the threads use what stands above.
  LatestWorker<Place> recalling_;
  LatestWorker<Report> telling_;
};

}  // namespace grantfs::follow
