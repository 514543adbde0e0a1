#include "control/search.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/quote.h"

namespace grantfs::control {
namespace {

/// Every *.sock in the directory, sorted.
std::vector<std::filesystem::path> sockets_in(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> sockets;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".sock") sockets.push_back(entry->path());
  }
  std::ranges::sort(sockets);
  return sockets;
}

bool is_closed(const std::filesystem::path& socket) {
  return ::faccessat(AT_FDCWD, socket.c_str(), W_OK, AT_EACCESS) != 0 && errno == EACCES;
}

}  // namespace

bool is_same_file(const std::filesystem::path& a, const std::filesystem::path& b) {
  struct stat first = {};
  struct stat second = {};
  return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

bool may_be_for(const std::filesystem::path& socket, const std::filesystem::path& database) {
  struct stat of_socket = {};
  struct stat of_directory = {};
  const auto directory = database.has_parent_path() ? database.parent_path() : ".";
  return ::stat(socket.c_str(), &of_socket) == 0 && ::stat(directory.c_str(), &of_directory) == 0 &&
         of_socket.st_gid == of_directory.st_gid;
}

Error may_not_ask(const std::filesystem::path& socket) {
  return {ErrorKind::kSystem, fmt::format("the daemon at {}: this user may not ask it; join the "
                                          "group that administers the database",
                                          quoted(socket.native()))};
}

std::vector<Candidate> candidates(const std::filesystem::path& database,
                                  const std::optional<std::filesystem::path>& socket,
                                  const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> sockets = sockets_in(directory);
  if (socket && std::ranges::none_of(sockets, [&](const std::filesystem::path& other) {
        return is_same_file(*socket, other);
      })) {
    sockets.push_back(*socket);
  }
  std::vector<Candidate> found;
  for (std::filesystem::path& path : sockets) {
    auto record = read_record(path);
    if (record) {
      if (!is_same_file(record->database, database)) continue;
      found.push_back({std::move(path), std::move(*record), false});
    } else {
      const bool closed = record.error().kind == ErrorKind::kSystem || is_closed(path);
      found.push_back({std::move(path), std::nullopt, closed});
    }
  }
  return found;
}

}  // namespace grantfs::control
