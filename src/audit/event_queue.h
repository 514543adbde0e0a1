#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "audit/event.h"
#include "base/sync.h"

namespace grantfs {

/// Events on their way to the record, copied into memory of a fixed size: one half of it is filled
/// while the other is written down. Thread-safe.
class EventQueue {
 public:
  /// `bytes`: of each half. The kernel gives the memory when it is used.
  explicit EventQueue(std::size_t bytes);

  enum class Put : std::uint8_t {
    kFirst,  ///< nothing else waits: the reader may sleep
    kMore,
    kNoRoom,
  };
  /// Copies an event. Allocates nothing, and holds the lock for as long as the copying takes.
  /// Refusals and changes fill no more than half of it, so that they keep nothing else out.
  Put put(const AuditEvent& event) noexcept;

  /// Calls `take(event)` for each event that was put since the last call, in that order. Texts of
  /// an event live as long as its call. The reader's thread alone.
  template <class Take>
  void drain(Take take) {
    swap();
    for (std::size_t at = 0; at < read_.size();) take(next(at));
    read_.clear();
  }

 private:
  void swap();
  /// The event at `at` of what is read, and moves on to the next.
  AuditEvent next(std::size_t& at) const;

  const std::size_t bytes_;
  Sync<std::string, BriefMutex> filling_;
  std::string read_;  ///< the reader's
};

}  // namespace grantfs
