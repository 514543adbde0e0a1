#pragma once

#include <fuse_lowlevel.h>

namespace grantfs {

/// The operations we answer. Each handler decodes, asks the tree and replies. Absent on purpose:
/// readdirplus (it would fill the kernel's cache without decisions), flush (one upcall less a
/// close), access and xattrs (they would only tell).
fuse_lowlevel_ops handlers();

// Of these operations:
void add_name_handlers(
    fuse_lowlevel_ops& operations);  ///< lookup, forget, getattr, readlink, statfs
void add_file_handlers(fuse_lowlevel_ops& operations);    ///< open, read, release
void add_folder_handlers(fuse_lowlevel_ops& operations);  ///< opendir, readdir, releasedir

}  // namespace grantfs
