#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "control/record.h"
#include "grantfs/result.h"

namespace grantfs::control {

/// A control socket that may be a daemon's, and its record, if it has one that may be read.
struct Candidate {
  std::filesystem::path socket;
  std::optional<DaemonRecord> record;
  /// It has a record, or is a socket, that this process may not use.
  bool closed = false;
};

/// Whether both names lead to one file. False if either leads to none.
bool is_same_file(const std::filesystem::path& a, const std::filesystem::path& b);

/// Whether a socket that may not be asked can be that of a daemon on `database`: daemons give
/// theirs to the group of the database's directory.
bool may_be_for(const std::filesystem::path& socket, const std::filesystem::path& database);

/// That this process may not ask the daemon there, and what to do; kSystem.
Error may_not_ask(const std::filesystem::path& socket);

/// The sockets that a daemon on `database` may have: every *.sock in `directory`, sorted by name,
/// and `socket`, if given. Without those whose record names another database, which are not
/// touched: one that hangs costs nothing.
std::vector<Candidate> candidates(const std::filesystem::path& database,
                                  const std::optional<std::filesystem::path>& socket,
                                  const std::filesystem::path& directory);

}  // namespace grantfs::control
