#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>

#include "grantfs/result.h"

namespace grantfs {

/// What a daemon leaves in a file beside its control socket, for whoever finds that it does not
/// answer. Nothing secret is in it.
struct DaemonRecord {
  std::filesystem::path database;  ///< canonical; the file it decides by
  std::filesystem::path mountpoint;
  std::int64_t pid = 0;
  double lease_seconds = 0;  ///< how long the kernel may be lent a decision; 0: not at all
};

namespace control {

/// Where the record of the daemon at `socket` lies: NAME.json beside NAME.sock; beside a socket
/// with another ending, its whole name and .json.
std::filesystem::path record_path(const std::filesystem::path& socket);

/// The record of the daemon at `socket`, which need not be running any more. kNotFound if there is
/// none or it makes no sense, kSystem if it may not be read. Safe to call from any thread.
Result<DaemonRecord> read_record(const std::filesystem::path& socket);

/// A daemon's own record in the filesystem. The destructor removes it, unless another has taken
/// its place by now. Movable; one thread at a time.
class RecordFile {
 public:
  /// Writes the record of the daemon at `socket`, mode 0640 with the group `group`; whoever reads
  /// meanwhile sees the one before or all of this one. Replaces the record of a daemon that is
  /// gone; kConflict if something else has the name, kSystem if it cannot be written.
  /// Two at a time for one socket must be kept apart by the caller.
  static Result<RecordFile> write(const std::filesystem::path& socket, const DaemonRecord& record,
                                  gid_t group);
  ~RecordFile();
  RecordFile(RecordFile&& other) noexcept;
  RecordFile& operator=(RecordFile&&) = delete;
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;

 private:
  RecordFile(std::filesystem::path name, const struct stat& status)
      : name_(std::move(name)), device_(status.st_dev), inode_(status.st_ino) {}

  std::filesystem::path name_;
  dev_t device_;
  ino_t inode_;
  bool owned_ = true;
};

}  // namespace control
}  // namespace grantfs
