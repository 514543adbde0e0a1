#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "grantctl/context.h"
#include "grantfs/store_path.h"

namespace grantctl {

/// The thing that the store has at a path.
enum class StoreContent {
  kUnknown,  ///< the store cannot be looked into (by this user), or where it is is not known
  kAbsent,   ///< nothing, or nothing without a symbolic link on the way
  kFile,
  kFolder,
  kMount,  ///< a mount point inside the store, or something below one: it is in no view
  kOther,  ///< something else that is in no view: a symbolic link, FIFO, socket or device
};

/// Looks as the daemon does: beneath the store, through no symbolic link and no mount point.
StoreContent probe_store(const std::filesystem::path& store, const grantfs::StorePath& path);

/// Of a path with StoreContent::kMount: the mount point.
std::optional<grantfs::StorePath> mount_inside(const std::filesystem::path& store,
                                               const grantfs::StorePath& path);

/// The same of the store that a running daemon names; kUnknown if none does.
StoreContent look_in_store(Context& context, const grantfs::StorePath& path);
/// Where that store is; none if no daemon says.
std::optional<std::filesystem::path> store_of(Context& context);

/// For a command that has made rules: a note on standard error of each path that the store does not
/// have. Says nothing where that cannot be known.
void note_absent(Context& context, const std::vector<grantfs::StorePath>& paths);

}  // namespace grantctl
