#pragma once

#include <sys/stat.h>

#include <ctime>
#include <optional>

#include "grantfs/store_path.h"
#include "nodes/inode_numbers.h"
#include "nodes/view.h"
#include "store/store.h"
#include "views/door.h"

namespace grantfs {

/// The attributes that stat(2) shows of everything in the mount. Thread-safe.
class ShownAttributes {
 public:
  /// `mounted`: the time that is shown of things that have no time of their own. `numbers` must
  /// outlive this object.
  ShownAttributes(const InodeNumbers& numbers, timespec mounted)
      : numbers_(numbers), mounted_(mounted) {}

  struct stat of_file(uid_t owner, const Found& found) const;
  /// `found` only if the view may read the folder as a whole: the time and size of a folder that is
  /// seen in part would tell of what is not seen.
  struct stat of_folder(const View& view, const StorePath& path, const Found* found) const;
  /// One of the mount's own folders, or the link; below an address if `from` is given.
  struct stat of_door(const Door& door, const std::optional<Address>& from) const;
  struct stat of_marker() const;

 private:
  struct stat fixed(mode_t mode, std::uint64_t inode) const;

  const InodeNumbers& numbers_;
  const timespec mounted_;
};

}  // namespace grantfs
