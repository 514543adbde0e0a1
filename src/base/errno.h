#pragma once

namespace grantfs {

/// An error number (errno(3)) as a value, where the kernel is who will be told.
struct Errno {
  int value;
  /// The policy said no (Refusals::deny()). The kernel is not told; the record of accesses is.
  bool is_denial = false;
  friend bool operator==(Errno a, Errno b) { return a.value == b.value; }
};

}  // namespace grantfs
