#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>

#include "control/record.h"
#include "control/server.h"
#include "grantfs/result.h"

namespace grantfs {

/// Makes a daemon known at its database, by a locked record and a control socket beside it
/// (control/record.h). One thread at a time.
class Publication {
 public:
  /// Publishes the record and the socket. The daemon must decide anew on all that it lends after
  /// this call: a command that did not find the record has committed before. `database` is its real
  /// path. kSystem if the folder of records cannot be written: then nobody who takes access away
  /// will know of this daemon.
  ///
  static Result<std::unique_ptr<Publication>> publish(const std::filesystem::path& database,
                                                      gid_t group, const DaemonRecord& record,
                                                      ControlHandler handler);
  /// Takes everything away; the record last, with its lock.
  ~Publication();
  Publication(const Publication&) = delete;
  Publication& operator=(const Publication&) = delete;

  /// Whether a command that looks at the database now finds both.
  bool stands() const;
  /// Has a symbolic link with the name of the socket of control= and the ending .json lead to the
  /// record, for scripts that know that socket alone. No command goes by it, and no error of it
  /// counts.
  void link_from_control();
  bool is_linked() const { return !link_.empty(); }
  /// Ends the socket. The record stays, and tells the lease.
  void stop_answering() { server_.reset(); }
  /// Makes the record stay after the destructor, so that commands that take access away wait for
  /// the lease.
  void leave_behind() { record_->leave_behind(); }

 private:
  Publication(std::filesystem::path database, std::filesystem::path control, std::string id,
              control::RecordFolder folder, std::unique_ptr<control::OwnRecord> record)
      : database_(std::move(database)),
        control_(std::move(control)),
        id_(std::move(id)),
        folder_(std::move(folder)),
        record_(std::move(record)) {}

  std::filesystem::path record_path() const;

  std::filesystem::path database_;
  std::filesystem::path control_;
  std::string id_;
  std::filesystem::path link_;    ///< to the record, from beside the socket of control=
  control::RecordFolder folder_;  ///< the socket's path may lead through it
  std::unique_ptr<control::OwnRecord> record_;
  std::unique_ptr<ControlServer> server_;
};

}  // namespace grantfs
