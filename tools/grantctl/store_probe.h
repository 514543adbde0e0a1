#pragma once

#include <filesystem>

#include "grantfs/store_path.h"

namespace grantctl {

/// What the store has at a path.
enum class StoreContent {
  kUnknown,  ///< the store cannot be looked into (by this user), or where it is is not known
  kAbsent,   ///< nothing, or nothing without a symbolic link or another mount on the way
  kFile,
  kFolder,
  kOther,  ///< something that is in no view: a symbolic link, FIFO, socket, device or mount point
};

/// Looks as the daemon does: beneath the store, through no symbolic link and no mount point.
StoreContent probe_store(const std::filesystem::path& store, const grantfs::StorePath& path);

}  // namespace grantctl
