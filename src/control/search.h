#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/record.h"
#include "grantfs/result.h"

namespace grantfs::control {

/// A daemon whose record was found.
struct KnownDaemon {
  std::string id;
  std::filesystem::path socket;          ///< beside its record; good while the KnownDaemons live
  std::optional<DaemonRecord> record;    ///< none if it may not be read, or makes no sense
  std::shared_ptr<const UniqueFd> file;  ///< the record; null if it may not be read

  /// Whether it has gone since. A daemon whose record may not be read is taken to live.
  bool has_gone() const { return file != nullptr && is_unlocked(*file); }
  /// Whether it has gone and left its record, which one that ends by itself removes.
  bool was_killed() const;
  /// As a message names it: "the daemon of the mount at '/srv/view'".
  std::string name() const;
};

/// The kernel gives up a process's descriptors one after the other. For so long after its record is
/// found unlocked, a daemon that was killed may still have its connection, and what it lent.
inline constexpr std::chrono::milliseconds kDying{20};

/// The daemons that run on a database.
struct KnownDaemons {
  std::optional<RecordFolder> folder;
  std::vector<KnownDaemon> daemons;  ///< that lived when they were looked for, by id
  /// That were killed. The kernel goes on with what they lent until the lease is over: in a
  /// directory that somebody holds open, even after another daemon has taken the mount over.
  std::vector<KnownDaemon> killed;
  std::optional<Error> trouble;  ///< why there may be others that were not found
};

/// Looks into the record folder of `database`, by whatever path that is named. A daemon that is not
/// found publishes its record later than this began, and so decides by everything that was
/// committed before.
KnownDaemons known_daemons(const std::filesystem::path& database);

/// Removes the files of a daemon that was killed, where this process may. Call it only once the
/// daemon's lease is over.
void remove_record(const KnownDaemons& known, const KnownDaemon& killed);

}  // namespace grantfs::control
