#include "store/folder_stream.h"

#include <cerrno>
#include <string>

#include "store/beneath.h"
#include "store/deleted_names.h"
#include "store/store.h"

namespace grantfs {

void FolderStream::seek(off_t position) {
  if (position == 0) {
    ::rewinddir(stream_.get());
  } else {
    ::seekdir(stream_.get(), position);
  }
}

Result<FolderStream::Entry, Errno> FolderStream::next() {
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream_.get());
    if (entry == nullptr) return Errno{errno};
    if (entry->d_type != DT_REG && entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) continue;
    const std::string_view name = entry->d_name;
    // The identity is found by a lookup below, since the entry's type alone would show mount
    // points, and since the name may have gone by now.
    if (name == "..") return Entry{name, Found::Type::kFolder, FileId{}, entry->d_off};
    auto found = find(name);
    if (found) return Entry{name, found->type, found->id, entry->d_off};
    if (found.error().value != ENOENT) return found.error();
  }
}

Result<Found, Errno> FolderStream::find(std::string_view name) const {
  if (store_->root() != root_) return Errno{EACCES};  // the store is away, or another directory
  if (is_name_of_deleted(name)) return Errno{ENOENT};
  auto fd = resolve_beneath(::dirfd(stream_.get()), std::string(name).c_str(), Waiting::kAllowed);
  if (!fd) return fd.error();
  return root_->identify(fd->get());
}

}  // namespace grantfs
