#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/log.h"
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

  /// Has all that was committed so far recalled: then recalled() is at least `position`.
  void recall(postgres::Lsn position);
  /// The position up to which no kernel of this machine believes what was taken away.
  postgres::Lsn recalled() const { return recalled_; }
  /// Readable when recalled() has changed; clear() before it is read.
  int fd() const { return changed_.get(); }
  void clear() const;

  /// Tells every daemon that the copy is current.
  void tell(Report report) { telling_.give(std::move(report)); }
  /// The longest follow= of the daemons that was met, in seconds. Asks them all, each for a moment.
  std::int64_t ask_bound();
  std::int64_t bound() const { return bound_; }

 private:
  void do_recall(postgres::Lsn position);
  void do_tell(const Report& report);
  void note_bound(std::int64_t seconds);

  const std::filesystem::path database_;
  const UniqueFd changed_;  ///< an eventfd
  std::atomic<postgres::Lsn> recalled_{0};
  std::atomic<std::int64_t> bound_{0};
  RepeatedWarning warning_{std::chrono::seconds(30)};
  // Last: the threads use what stands above.
  LatestWorker<postgres::Lsn> recalling_;
  LatestWorker<Report> telling_;
};

}  // namespace grantfs::follow
