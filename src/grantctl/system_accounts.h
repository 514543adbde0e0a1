#pragma once

#include <fmt/core.h>
#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "base/quote.h"
#include "grantfs/principal.h"
#include "grantfs/result.h"

// The machine's own users and groups (nsswitch.conf(5)).
namespace grantctl {

/// Asks one of the system's databases. `ask(entry, buffer, size, found)` is getpwnam_r or the like,
/// which want a buffer of an unknown size; the strings of an entry lie in `buffer`. Returns none if
/// there is no such entry; kSystem, naming `what`, if the database cannot be asked.
template <class Entry, class Ask>
grantfs::Result<std::optional<Entry>> look_up(const std::string& what, std::vector<char>& buffer,
                                              Ask ask) {
  constexpr std::size_t kFirstBuffer = 4096;
  constexpr std::size_t kLargestBuffer = std::size_t{16} << 20U;
  buffer.resize(kFirstBuffer);
  Entry entry{};
  Entry* found = nullptr;
  while (true) {
    const int error = ask(&entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < kLargestBuffer) {
      buffer.resize(2 * buffer.size());
      continue;
    }
    // The manual says that some systems return these errors for "no such name".
    if (error != 0 && error != ENOENT && error != ESRCH && error != EBADF && error != EPERM) {
      return grantfs::Error{
          grantfs::ErrorKind::kSystem,
          fmt::format("cannot look up {}: {}", grantfs::quoted(what), std::strerror(error))};
    }
    if (found == nullptr) return std::optional<Entry>();
    return std::optional<Entry>(entry);
  }
}

/// The account of this name. Of its members only the numbers are good.
inline grantfs::Result<std::optional<passwd>> account_named(const std::string& name) {
  std::vector<char> buffer;
  return look_up<passwd>(name, buffer,
                         [&](auto* entry, char* bytes, std::size_t size, auto** found) {
                           return ::getpwnam_r(name.c_str(), entry, bytes, size, found);
                         });
}

/// The group of this name. Of its members only the number is good.
inline grantfs::Result<std::optional<::group>> group_named(const std::string& name) {
  std::vector<char> buffer;
  return look_up<::group>(name, buffer,
                          [&](auto* entry, char* bytes, std::size_t size, auto** found) {
                            return ::getgrnam_r(name.c_str(), entry, bytes, size, found);
                          });
}

/// The users of the machine who belong to a group of the machine: those whom its entry names, and
/// those whose first group it is, as far as getpwent(3) lists them. A directory service need not
/// list everybody. Sorted, each once. Not thread-safe.
std::vector<grantfs::Principal> system_members(gid_t gid);

/// The name of a user of the machine; empty if it has none.
std::string system_name(uid_t uid);

}  // namespace grantctl
