#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "grantfs/result.h"

namespace grantfs {

/// The record that a daemon leaves at its database, for commands that take access away. It holds
/// nothing secret.
struct DaemonRecord {
  std::filesystem::path mountpoint;
  std::filesystem::path control;  ///< the socket of control=, as the daemon sees it
  std::int64_t pid = 0;           ///< as the daemon sees it
  double lease_seconds = 0;       ///< how long the kernel may be lent a decision; 0: not at all
  bool keeps_record = false;      ///< of accesses; it is to be told of changes too
};

namespace control {

/// A folder beside the database, `policy.db.daemons`, says which daemons run on it, wherever their
/// sockets and namespaces are. Each has two files there, named by a random number:
///
///     7f3a9c0d12345678.json    its record, which it holds locked (flock(2)) as long as it runs
///     7f3a9c0d12345678.sock    a control socket (protocol.h)
///
/// The kernel ends the lock with the process, and everybody on this machine who can see the folder
/// sees the lock and reaches the socket: through a bind mount, another mount, network, process or
/// user namespace, or another path. Names that begin with a dot are being made.
///
/// The folder has the group of the database's own directory, mode 0770: only administrators of the
/// policy can make a daemon up, or take one away; the daemon puts back what was taken.
std::filesystem::path record_folder(const std::filesystem::path& database);

/// The group of administrators, which may use the sockets: the present group of the directory that
/// holds the database.
gid_t administrators(const std::filesystem::path& database);

/// The records of a database, for reading them.
class RecordFolder {
 public:
  /// `database` by whatever path. kNotFound: no daemon ever ran on it. kSystem: this process may
  /// not look.
  static Result<RecordFolder> open(const std::filesystem::path& database);
  /// The same, made if need be, with the group and mode as above. kSystem also where the database
  /// is not there.
  static Result<RecordFolder> make(const std::filesystem::path& database, gid_t group);

  int fd() const { return fd_.get(); }
  const std::filesystem::path& path() const { return path_; }
  /// A path to a name in it that is short enough for a socket, and good while this lives.
  std::filesystem::path short_path(std::string_view name) const;

 private:
  RecordFolder(UniqueFd fd, std::filesystem::path path)
      : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::filesystem::path path_;
};

/// A daemon's own record: written, locked, then given its name. The destructor removes it, unless
/// it is to be left behind, and then unlocks it. One thread at a time.
class OwnRecord {
 public:
  /// kSystem if it cannot be written, or locked. `id` names it and is new.
  static Result<std::unique_ptr<OwnRecord>> write(const RecordFolder& folder, const std::string& id,
                                                  const DaemonRecord& record, gid_t group);
  ~OwnRecord();
  OwnRecord(const OwnRecord&) = delete;
  OwnRecord& operator=(const OwnRecord&) = delete;

  /// Whether a process that opens the folder of this database finds the record.
  bool stands(const std::filesystem::path& database) const;
  /// The destructor leaves it there, unlocked.
  void leave_behind() { is_left_ = true; }

 private:
  OwnRecord(UniqueFd folder, UniqueFd file, std::string name)
      : folder_(std::move(folder)), file_(std::move(file)), name_(std::move(name)) {}

  UniqueFd folder_;
  UniqueFd file_;  ///< locked; never closed before
  std::string name_;
  bool is_left_ = false;
};

/// Names of a daemon's two files, by its id.
std::string record_name(std::string_view id);
std::string socket_name(std::string_view id);
/// A new id.
std::string new_record_id();

/// The text of a record's file, and the record by its text; none if the text makes no sense.
std::string to_text(const DaemonRecord& record);
std::optional<DaemonRecord> from_text(const std::string& text);

/// Whether nobody holds a record locked: its daemon has gone. `record` is the open file.
bool is_unlocked(const UniqueFd& record);

}  // namespace control
}  // namespace grantfs
