#pragma once

#include <cstdint>

#include "base/errno.h"
#include "base/short_bytes.h"
#include "base/unique_fd.h"
#include "grantfs/result.h"

namespace grantfs {

/// A file handle, by which the filesystem knows a file whatever its names (name_to_handle_at(2)). A
/// file without a name can still be opened by its handle. Empty where the filesystem gives none.
using FileHandle = ShortBytes;

/// The handle of a file by a descriptor, which may be O_PATH. `generation`: of the file system that
/// the file is on; see open_by_handle().
FileHandle handle_of(int fd, std::uint16_t generation);

/// The file that handle_of() gave this handle for; `flags` as for open(2). `mount`: a descriptor of
/// any folder on the mount that it is to be opened through. Generations are the caller's count of
/// file systems: on another, the same bytes could be the handle of another file, so that a handle
/// of another generation is ESTALE. So is one of a file that has been deleted.
Result<UniqueFd, Errno> open_by_handle(const UniqueFd& mount, const FileHandle& handle,
                                       std::uint16_t generation, int flags);

}  // namespace grantfs
