#include "control/search.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/quote.h"

namespace grantfs::control {
namespace {

/// The most bytes that a record may have, 64 KiB: two paths of PATH_MAX (4096 bytes) fit, escaped.
constexpr std::size_t kMaxRecordBytes = std::size_t{64} * 1024;

/// A daemon gives a new record its name and its lock within a minute.
constexpr std::time_t kMakingSeconds = 60;

constexpr std::string_view kEnding = ".json";
constexpr std::size_t kIdDigits = 16;

bool is_id(std::string_view text) {
  return text.size() == kIdDigits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

/// The names in the folder, or an error number if the folder cannot be listed.
Result<std::vector<std::string>, int> names_in(const RecordFolder& folder) {
  // This open file description has a position of its own in the folder, so that other listings do
  // not disturb this one.
  UniqueFd own(::openat(folder.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own) return errno;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own.get()), ::closedir);
  if (stream == nullptr) return errno;
  (void)own.release();  // the stream owns the descriptor now
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) names.emplace_back(entry->d_name);
  if (errno != 0) return errno;
  std::ranges::sort(names);
  return names;
}

std::optional<DaemonRecord> read_record(const UniqueFd& file) {
  std::string text;
  std::array<char, 4096> buffer{};
  while (text.size() <= kMaxRecordBytes) {
    const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::nullopt;
    if (size == 0) return from_text(text);
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return std::nullopt;
}

UniqueFd open_record(const RecordFolder& folder, const std::string& name) {
  return UniqueFd(
      ::openat(folder.fd(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

/// Whether a daemon was killed after it had begun this record and before the record had its name.
bool was_left_unfinished(const UniqueFd& file) {
  struct stat status = {};
  return file && is_unlocked(file) && ::fstat(file.get(), &status) == 0 &&
         status.st_mtime < std::time(nullptr) - kMakingSeconds;
}

class Search {
 public:
  explicit Search(KnownDaemons& known) : known_(known) {}

  void look_at(const std::string& name) {
    if (!name.ends_with(kEnding)) return;
    std::string_view id = std::string_view(name).substr(0, name.size() - kEnding.size());
    const bool unfinished = id.starts_with('.');
    if (unfinished) id.remove_prefix(1);
    if (!is_id(id)) return;
    UniqueFd file = open_record(*known_.folder, name);
    if (unfinished) {
      if (was_left_unfinished(file)) stale_.push_back(name);
    } else if (file || errno != ENOENT) {
      auto& where = file && is_unlocked(file) ? known_.killed : known_.daemons;
      where.push_back({std::string(id), known_.folder->short_path(socket_name(id)),
                       file ? read_record(file) : std::nullopt,
                       file ? std::make_shared<const UniqueFd>(std::move(file)) : nullptr});
    }
  }

  void remove_stale() {
    for (const std::string& name : stale_) ::unlinkat(known_.folder->fd(), name.c_str(), 0);
  }

 private:
  KnownDaemons& known_;
  std::vector<std::string> stale_;
};

}  // namespace

bool KnownDaemon::was_killed() const {
  struct stat status = {};
  return has_gone() && (::fstat(file->get(), &status) != 0 || status.st_nlink > 0);
}

std::string KnownDaemon::name() const {
  if (!record || record->mountpoint.empty()) {
    return fmt::format("the daemon at {}", quoted(socket.native()));
  }
  return fmt::format("the daemon of the mount at {}", quoted(record->mountpoint.native()));
}

KnownDaemons known_daemons(const std::filesystem::path& database) {
  KnownDaemons known;
  auto folder = RecordFolder::open(database);
  if (!folder) {
    if (folder.error().kind != ErrorKind::kNotFound) known.trouble = folder.error();
    return known;
  }
  known.folder = std::move(*folder);
  const auto names = names_in(*known.folder);
  if (!names) {
    known.trouble =
        Error{ErrorKind::kSystem,
              fmt::format("cannot tell which daemons run on this database: cannot list "
                          "{}: {}",
                          quoted(known.folder->path().native()), std::strerror(names.error()))};
    return known;
  }
  Search search(known);
  for (const std::string& name : *names) search.look_at(name);
  search.remove_stale();
  return known;
}

void remove_record(const KnownDaemons& known, const KnownDaemon& killed) {
  // The record goes last: by the record, the socket can be found again.
  for (const std::string& name : {socket_name(killed.id), record_name(killed.id)}) {
    ::unlinkat(known.folder->fd(), name.c_str(), 0);
  }
}

}  // namespace grantfs::control
