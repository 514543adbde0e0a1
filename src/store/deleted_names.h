#pragma once

#include <string_view>

namespace grantfs {

/// Whether a name is one that a client of NFS, of SMB or of a FUSE file system gives to a file that
/// was deleted while a process had it open: ".nfs", ".smb" or ".fuse_hidden", and at least eight
/// hexadecimal digits (nfs_sillyrename() in fs/nfs/unlink.c, hide_node() in libfuse's lib/fuse.c).
/// Such a file is gone for everybody else, and so it is for us. On the server's own file system it
/// has that name too.
bool is_name_of_deleted(std::string_view name);

}  // namespace grantfs
