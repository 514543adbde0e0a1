#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "audit/destination.h"
#include "audit/event.h"
#include "audit/event_queue.h"
#include "audit/refusal_limit.h"
#include "base/sync.h"
#include "base/unique_fd.h"

namespace grantfs {

struct AuditOptions {
  /// Whether what cannot be recorded must be refused.
  bool required = false;
  std::size_t queue_bytes = std::size_t{4} * 1024 * 1024;  ///< of each half; see EventQueue
};

/// The record of who opened what, and who was refused. A thread of its own writes it, so that no
/// request waits for a disk. Thread-safe.
class AuditTrail {
 public:
  /// Starts the thread. kSystem if there is none to be had.
  static Result<std::unique_ptr<AuditTrail>> start(std::unique_ptr<AuditDestination> destination,
                                                   AuditOptions options);
  /// Writes what waits, and ends. What cannot be written by then is lost.
  ~AuditTrail();
  AuditTrail(const AuditTrail&) = delete;
  AuditTrail& operator=(const AuditTrail&) = delete;

  /// Has an event recorded. False if it must be refused: a record is required, and this event finds
  /// no room, or the last could not be written. Allocates nothing, and makes a system call only if
  /// the thread may sleep.
  bool note(const AuditEvent& event) noexcept;
  /// Whether a refusal of that source is to be recorded now, or counted only. Allocates nothing.
  bool admits_refusal(std::size_t source, AuditTime now) noexcept;

  /// Has the destination opened anew. May be called by a signal handler.
  void reopen() noexcept;

  struct Report {
    std::uint64_t records = 0;   ///< that were written
    std::uint64_t lost = 0;      ///< that found no room
    std::uint64_t refusals = 0;  ///< that were too many to be told one by one
    std::string trouble;         ///< why the last could not be written; empty: it was
  };
  Report report();

 private:
  AuditTrail(std::unique_ptr<AuditDestination> destination, AuditOptions options, UniqueFd wakes);

  void run() noexcept;
  /// Writes what there is.
  void turn();
  /// Has `append()` append a line. False, and no part of a line, if there is no memory for it.
  template <class Append>
  bool add_line(Append append) noexcept;
  /// Tells of what the record lacks. False if that has to wait, since it was told a moment ago.
  bool tell_gap();
  void write();
  void sync();
  /// Sleeps until there is something to do.
  void sleep();
  void wake() const noexcept;
  void set_trouble(const std::string& trouble);

  const std::unique_ptr<AuditDestination> destination_;
  const AuditOptions options_;
  EventQueue queue_;
  RefusalLimit limit_;
  const UniqueFd wakes_;  ///< eventfd(2)
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<std::uint64_t> refusals_{0};
  std::atomic<std::uint64_t> records_{0};
  std::atomic<bool> fails_{false};
  std::atomic<bool> reopens_{false};
  std::atomic<bool> ends_{false};
  Sync<std::string> trouble_;

  // The thread's own.
  std::string lines_;          ///< that are not written yet
  std::uint64_t waiting_ = 0;  ///< how many
  std::uint64_t lost_told_ = 0;
  std::uint64_t refusals_told_ = 0;
  std::chrono::steady_clock::time_point told_at_{};
  std::chrono::steady_clock::time_point synced_at_{};
  bool is_dirty_ = false;  ///< something was written since the last sync
  bool idle_ = true;       ///< nothing is to be done until somebody wakes it
  std::thread thread_;
};

}  // namespace grantfs
