#pragma once

#include <chrono>
#include <string_view>

#include "audit/audit_trail.h"
#include "base/errno.h"
#include "grantfs/store_path.h"
#include "nodes/caller.h"
#include "nodes/place.h"
#include "nodes/view.h"
#include "views/doors.h"

namespace grantfs {

/// Puts into words, for the record of accesses, what the tree has permitted and refused. Nothing
/// here allocates, except where a door refuses a name. Thread-safe.
class AccessNotes {
 public:
  /// `trail`: null if there is no record. Both must outlive it.
  AccessNotes(AuditTrail* trail, const Doors& doors) : trail_(trail), doors_(doors) {}

  // The first three return false if what is permitted must be refused, since it is not recorded.

  /// A file is opened.
  bool opened(const View& view, const StorePath& file, const Caller& caller) const {
    return trail_ == nullptr || permitted(AuditEvent::What::kOpen, view, file, caller);
  }
  /// A folder is opened to be listed.
  bool listed(const View& view, const StorePath& folder, const Caller& caller) const {
    return trail_ == nullptr || permitted(AuditEvent::What::kList, view, folder, caller);
  }
  /// A file may be opened by this name for so long, and the kernel does not ask.
  bool lent(const View& view, const StorePath& file, const Caller& caller,
            std::chrono::nanoseconds span) const {
    return trail_ == nullptr || permitted(AuditEvent::What::kLease, view, file, caller, span);
  }
  /// A lookup of `name` in `place`, or what is to be done with the place itself if there is no
  /// name, gave an error. It is recorded if it was a refusal.
  void refused(const Place& place, std::string_view name, const Caller& caller, Errno error) const {
    if (trail_ != nullptr && is_refusal(error)) note_refusal(place, name, caller, error);
  }

 private:
  /// What is missing is no refusal, nor is what must be asked again.
  static bool is_refusal(Errno error);
  bool permitted(AuditEvent::What what, const View& view, const StorePath& path,
                 const Caller& caller, std::chrono::nanoseconds span = {}) const;
  void note_refusal(const Place& place, std::string_view name, const Caller& caller,
                    Errno error) const;

  AuditTrail* const trail_;
  const Doors& doors_;
};

}  // namespace grantfs
