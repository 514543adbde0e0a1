#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

namespace grantfs {

/// A moment for the record: nanoseconds of CLOCK_REALTIME. 0: none.
using AuditTime = std::int64_t;

/// Now.
AuditTime audit_now();

/// Something that the record of accesses tells of. All texts are the caller's, and no text holds a
/// token.
struct AuditEvent {
  enum class What : std::uint8_t {
    kOpen,     ///< a file was opened, with enforce=open
    kLease,    ///< a file may be opened through this view until `lease_until`, and nobody asks us
    kList,     ///< a folder was opened to be listed
    kRefused,  ///< a lookup, an open or a listing was refused
    kChange,   ///< grantctl has changed the policy
    kStart,    ///< the daemon serves
    kStop,     ///< the daemon has ended
  };
  enum class Why : std::uint8_t {
    kDenied,  ///< by the policy
    kFailed,  ///< the decision failed, or what was permitted could not be recorded
  };

  What what = What::kOpen;
  Why why = Why::kDenied;  ///< of kRefused
  AuditTime time = 0;
  AuditTime lease_until = 0;           ///< of kLease
  int error = 0;                       ///< of kRefused: the errno that the caller got
  uid_t uid = static_cast<uid_t>(-1);  ///< who asked, as the kernel tells it; -1: not known
  pid_t pid = 0;                       ///< 0: not known
  std::string_view label{};            ///< View::label; empty: refused before there was a view
  std::string_view door{};             ///< where there is no label: the door's name
  std::string_view principal{};        ///< that the view stands for; empty: none, or not known
  std::string_view key{};              ///< the id of the signing key; empty: none
  std::string_view folder{};           ///< in the store
  std::string_view name{};             ///< below `folder`; empty: the folder itself
  /// Members of a JSON object, without braces, of events that are rare.
  std::string_view details{};
};

}  // namespace grantfs
