#include "control/record.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <nlohmann/json.hpp>

#include "control/path_error.h"

namespace grantfs::control {
namespace {

using nlohmann::json;

constexpr mode_t kFolderMode = 0770;
constexpr mode_t kUnfinishedMode = 0600;
constexpr mode_t kRecordMode = 0640;

/// The real folder of the database, whatever symbolic links lead there.
std::filesystem::path real_folder(const std::filesystem::path& database) {
  std::error_code error;
  const auto real = std::filesystem::canonical(database, error);
  return record_folder(error ? database : real);
}

UniqueFd open_folder(const std::filesystem::path& folder) {
  return UniqueFd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

Result<void> write_all(const UniqueFd& fd, const std::string& text,
                       const std::filesystem::path& path) {
  for (std::size_t written = 0; written < text.size();) {
    const ssize_t size = ::write(fd.get(), text.data() + written, text.size() - written);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return path_error("cannot write", path);
    written += static_cast<std::size_t>(size);
  }
  return {};
}

/// Duplicates a descriptor to a number above those that the daemon opens later. When a process ends
/// the kernel closes descriptors in the order of their numbers, and the record's lock must not end
/// before the connection to the kernel, by which the daemon lends.
UniqueFd moved_up(UniqueFd fd) {
  constexpr int kAbove = 512;
  UniqueFd above(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kAbove));
  return above ? std::move(above) : std::move(fd);
}

}  // namespace

std::filesystem::path record_folder(const std::filesystem::path& database) {
  return database.native() + ".daemons";
}

gid_t administrators(const std::filesystem::path& database) {
  struct stat status = {};
  return ::stat(database.parent_path().c_str(), &status) == 0 ? status.st_gid : ::getegid();
}

std::string record_name(std::string_view id) {
  return fmt::format("{}.json", id);
}

std::string socket_name(std::string_view id) {
  return fmt::format("{}.sock", id);
}

std::string new_record_id() {
  std::uint64_t number = 0;
  // getrandom(2) does not fail for so few bytes once the machine is up.
  while (::getrandom(&number, sizeof number, 0) != sizeof number) {
  }
  return fmt::format("{:016x}", number);
}

std::string to_text(const DaemonRecord& record) {
  const json document{{"mountpoint", record.mountpoint.native()},
                      {"control", record.control.native()},
                      {"pid", record.pid},
                      {"lease_seconds", record.lease_seconds},
                      {"keeps_record", record.keeps_record}};
  // The document's paths are for people to read: JSON holds only Unicode, so other bytes are
  // replaced.
  return document.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

std::optional<DaemonRecord> from_text(const std::string& text) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return std::nullopt;
  const auto text_at = [&](const char* key) {
    const auto field = document.find(key);
    return field != document.end() && field->is_string() ? field->get<std::string>()
                                                         : std::string();
  };
  const auto lease = document.find("lease_seconds");
  if (lease == document.end() || !lease->is_number()) return std::nullopt;
  const auto pid = document.find("pid");
  DaemonRecord record{text_at("mountpoint"), text_at("control"), 0, lease->get<double>(), false};
  if (pid != document.end() && pid->is_number_integer()) record.pid = pid->get<std::int64_t>();
  const auto keeps = document.find("keeps_record");
  record.keeps_record = keeps != document.end() && *keeps == true;
  if (!std::isfinite(record.lease_seconds) || record.lease_seconds < 0) return std::nullopt;
  return record;
}

bool is_unlocked(const UniqueFd& record) {
  // If the record was unlocked, this process now holds its lock for a moment. The lock is shared,
  // so that another process that tries at this moment gets the same answer.
  if (::flock(record.get(), LOCK_SH | LOCK_NB) != 0) return false;
  ::flock(record.get(), LOCK_UN);
  return true;
}

Result<RecordFolder> RecordFolder::open(const std::filesystem::path& database) {
  std::filesystem::path path = real_folder(database);
  UniqueFd fd = open_folder(path);
  if (fd) return RecordFolder(std::move(fd), std::move(path));
  Error error = path_error("cannot tell which daemons run on this database: cannot read", path);
  if (errno == ENOENT) error.kind = ErrorKind::kNotFound;
  return error;
}

Result<RecordFolder> RecordFolder::make(const std::filesystem::path& database, gid_t group) {
  struct stat there = {};
  // If the database is gone, no command can change it, so no record is needed. Another folder that
  // was put in the place of the database's folder stays as it is.
  if (::stat(database.c_str(), &there) != 0) return path_error("no daemon is known at", database);
  std::filesystem::path path = real_folder(database);
  const bool made = ::mkdir(path.c_str(), kFolderMode & S_IRWXU) == 0;
  if (!made && errno != EEXIST) return path_error("cannot make", path);
  UniqueFd fd = open_folder(path);
  if (!fd) return path_error("cannot open", path);
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) return path_error("cannot look at", path);
  if (status.st_gid != group && ::fchown(fd.get(), static_cast<uid_t>(-1), group) != 0) {
    return path_error("cannot give to its group", path);
  }
  // A folder that has this mode already is left alone: another user may own the folder.
  if ((status.st_mode & ACCESSPERMS) != kFolderMode && ::fchmod(fd.get(), kFolderMode) != 0) {
    return path_error("cannot set the mode of", path);
  }
  return RecordFolder(std::move(fd), std::move(path));
}

std::filesystem::path RecordFolder::short_path(std::string_view name) const {
  constexpr std::size_t kLongest = 107;  // the limit of a socket's path (unix(7))
  std::filesystem::path plain = path_ / name;
  if (plain.native().size() <= kLongest) return plain;
  return fmt::format("/proc/self/fd/{}/{}", fd_.get(), name);
}

Result<std::unique_ptr<OwnRecord>> OwnRecord::write(const RecordFolder& folder,
                                                    const std::string& id,
                                                    const DaemonRecord& record, gid_t group) {
  const std::string name = record_name(id);
  const std::string temporary = '.' + name;
  const std::filesystem::path path = folder.path() / name;
  UniqueFd own_folder(::fcntl(folder.fd(), F_DUPFD_CLOEXEC, 0));
  UniqueFd fd(::openat(folder.fd(), temporary.c_str(),
                       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kUnfinishedMode));
  if (!own_folder || !fd) return path_error("cannot create", path);
  fd = moved_up(std::move(fd));
  // From here on an error removes whatever was made.
  std::unique_ptr<OwnRecord> own(new OwnRecord(std::move(own_folder), std::move(fd), temporary));
  // The lock comes before the name: no process finds the record of a living daemon unlocked.
  if (::flock(own->file_.get(), LOCK_EX | LOCK_NB) != 0) return path_error("cannot lock", path);
  if (auto written = write_all(own->file_, to_text(record), path); !written) {
    return written.error();
  }
  if (::fchown(own->file_.get(), static_cast<uid_t>(-1), group) != 0) {
    return path_error("cannot give to its group", path);
  }
  if (::fchmod(own->file_.get(), kRecordMode) != 0)
    return path_error("cannot set the mode of", path);
  if (::renameat(folder.fd(), temporary.c_str(), folder.fd(), name.c_str()) != 0) {
    return path_error("cannot rename to its place", path);
  }
  own->name_ = name;
  return own;
}

OwnRecord::~OwnRecord() {
  if (!is_left_) ::unlinkat(folder_.get(), name_.c_str(), 0);
}

bool OwnRecord::stands(const std::filesystem::path& database) const {
  struct stat ours = {};
  struct stat found = {};
  const std::filesystem::path path = record_folder(database) / name_;
  return ::fstat(file_.get(), &ours) == 0 && ::lstat(path.c_str(), &found) == 0 &&
         ours.st_dev == found.st_dev && ours.st_ino == found.st_ino;
}

}  // namespace grantfs::control
