#pragma once

namespace grantfs {

/// An error number (errno(3)) as a value, where the kernel is who will be told.
struct Errno {
  int value;
  friend bool operator==(Errno, Errno) = default;
};

}  // namespace grantfs
