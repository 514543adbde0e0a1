#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "grantctl/context.h"
#include "grantfs/store_path.h"

namespace grantctl {

/// The thing that the store has at a path.
enum class StoreContent {
  kUnknown,  ///< the store's place is not known, or this user may not look into it
  kAbsent,   ///< nothing, or nothing without a symbolic link on the way
  kFile,
  kFolder,
  kMount,  ///< a mount point inside the store, or something below one: it is in no view
  kOther,  ///< something else that is in no view: a symbolic link, FIFO, socket or device
};

/// Looks as the daemon does: beneath the store, and through no symbolic link and no mount point.
StoreContent probe_store(const std::filesystem::path& store, const grantfs::StorePath& path);

/// The mount point on the way to a path with StoreContent::kMount.
std::optional<grantfs::StorePath> mount_inside(const std::filesystem::path& store,
                                               const grantfs::StorePath& path);

/// Looks into the store that a running daemon names; kUnknown if no daemon does.
StoreContent look_in_store(Context& context, const grantfs::StorePath& path);
/// The path of that store; none if no daemon says.
std::optional<std::filesystem::path> store_of(Context& context);

/// Notes on standard error each path that the store does not have, for a command that has made
/// rules. Says nothing if the store cannot be looked into.
void note_absent(Context& context, const std::vector<grantfs::StorePath>& paths);

}  // namespace grantctl
