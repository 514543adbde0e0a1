#include "control/record.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/quote.h"
#include "base/unique_fd.h"

namespace grantfs::control {
namespace {

using nlohmann::json;

constexpr mode_t kPrivateMode = 0600;
constexpr mode_t kRecordMode = 0640;

/// Two paths of PATH_MAX, escaped and in hexadecimal, fit.
constexpr std::size_t kMaxRecordBytes = std::size_t{64} * 1024;

Error failed(std::string_view what, const std::filesystem::path& path, int error = errno) {
  return {ErrorKind::kSystem,
          fmt::format("{} {}: {}", what, quoted(path.native()), std::strerror(error))};
}

std::string to_hex(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return hex;
}

std::optional<std::string> from_hex(std::string_view hex) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit(hex[i]);
    const int low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

std::string to_text(const DaemonRecord& record) {
  json document{{"database", record.database.native()},
                {"mountpoint", record.mountpoint.native()},
                {"pid", record.pid},
                {"lease_seconds", record.lease_seconds}};
  try {
    return document.dump() + '\n';
  } catch (const json::type_error&) {
    // JSON holds Unicode alone, and the database must be known by its very bytes.
    document["database_hex"] = to_hex(record.database.native());
    return document.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
  }
}

std::optional<DaemonRecord> from_text(const std::string& text) {
  const json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return std::nullopt;
  const auto string_at = [&](const char* key) -> std::optional<std::string> {
    const auto field = document.find(key);
    if (field == document.end() || !field->is_string()) return std::nullopt;
    return field->get<std::string>();
  };
  auto database = string_at("database");
  const auto mountpoint = string_at("mountpoint");
  const auto pid = document.find("pid");
  const auto lease = document.find("lease_seconds");
  if (!database || !mountpoint || pid == document.end() || !pid->is_number_integer() ||
      lease == document.end() || !lease->is_number()) {
    return std::nullopt;
  }
  if (const auto hex = string_at("database_hex")) {
    database = from_hex(*hex);
    if (!database) return std::nullopt;
  }
  DaemonRecord record{*database, *mountpoint, pid->get<std::int64_t>(), lease->get<double>()};
  if (!std::isfinite(record.lease_seconds) || record.lease_seconds < 0) return std::nullopt;
  return record;
}

/// The whole of a small regular file; empty text if it is larger than a record can be.
Result<std::string> read_small_file(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) {
    const bool absent = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    Error error = failed("cannot read", path);
    if (absent) error.kind = ErrorKind::kNotFound;
    return error;
  }
  std::string text;
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t size = ::read(fd.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failed("cannot read", path);
    if (size == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(size));
    if (text.size() > kMaxRecordBytes) return std::string();
  }
}

/// Whether a record may take the name: nothing has it, or an older record, or what a crash of the
/// machine has left of one.
Result<void> check_replaceable(const std::filesystem::path& path,
                               const std::filesystem::path& socket) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return failed("cannot look at", path);
  }
  if (S_ISREG(status.st_mode) && (status.st_size == 0 || read_record(socket))) return {};
  return Error{ErrorKind::kConflict,
               fmt::format("{} is there already and is no record of a daemon; choose another "
                           "control socket",
                           quoted(path.native()))};
}

/// Everything about the new file but its name.
Result<struct stat> fill(const UniqueFd& fd, const std::filesystem::path& path,
                         const std::string& text, gid_t group) {
  for (std::size_t written = 0; written < text.size();) {
    const ssize_t size = ::write(fd.get(), text.data() + written, text.size() - written);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failed("cannot write", path);
    written += static_cast<std::size_t>(size);
  }
  struct stat status = {};
  if (::fchown(fd.get(), static_cast<uid_t>(-1), group) != 0) {
    return failed("cannot give to its group", path);
  }
  if (::fchmod(fd.get(), kRecordMode) != 0 || ::fstat(fd.get(), &status) != 0) {
    return failed("cannot set the mode of", path);
  }
  return status;
}

}  // namespace

std::filesystem::path record_path(const std::filesystem::path& socket) {
  std::filesystem::path path = socket;
  if (path.extension() == ".sock") return path.replace_extension(".json");
  return path += ".json";
}

Result<DaemonRecord> read_record(const std::filesystem::path& socket) {
  const std::filesystem::path path = record_path(socket);
  const auto text = read_small_file(path);
  if (!text) return text.error();
  auto record = from_text(*text);
  if (record) return std::move(*record);
  return Error{ErrorKind::kNotFound,
               fmt::format("{} is no record of a daemon", quoted(path.native()))};
}

Result<RecordFile> RecordFile::write(const std::filesystem::path& socket,
                                     const DaemonRecord& record, gid_t group) {
  const std::filesystem::path path = record_path(socket);
  if (auto clear = check_replaceable(path, socket); !clear) return clear.error();
  std::filesystem::path temporary = path;
  temporary += ".new";
  ::unlink(temporary.c_str());  // of a daemon that was killed while it wrote it
  const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                           kPrivateMode));
  if (!fd) return failed("cannot create", temporary);
  auto status = fill(fd, temporary, to_text(record), group);
  if (status && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = failed("cannot rename to its place", temporary);
  }
  if (!status) {
    ::unlink(temporary.c_str());
    return status.error();
  }
  return RecordFile(path, *status);
}

RecordFile::RecordFile(RecordFile&& other) noexcept
    : name_(std::move(other.name_)),
      device_(other.device_),
      inode_(other.inode_),
      owned_(std::exchange(other.owned_, false)) {}

RecordFile::~RecordFile() {
  if (!owned_) return;
  struct stat status = {};
  if (::lstat(name_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
    ::unlink(name_.c_str());
  }
}

}  // namespace grantfs::control
