#include "store/sighting.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "store/file_times.h"

namespace grantfs {

std::optional<Sighting> Sighting::at(const UniqueFd& folder, const char* name, int flags) {
  struct statx status = {};
  if (::statx(folder.get(), name, flags | AT_STATX_FORCE_SYNC, kSightingMask, &status) != 0)
    return {};
  const bool is_mounted_on = (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  if (!S_ISREG(status.stx_mode) || is_mounted_on || (status.stx_mask & STATX_BTIME) == 0) return {};
  return Sighting{
      status.stx_dev_major,          status.stx_dev_minor, status.stx_ino,
      to_timespec(status.stx_btime), status.stx_size,      to_timespec(status.stx_mtime),
      to_timespec(status.stx_ctime)};
}

std::optional<Sighting> Sighting::of(const Located& located, const KnownFiles& known) {
  const Found& found = located.found;
  if (!found.settled) return std::nullopt;
  const timespec now = realtime();
  auto sighting = at(located.fd, "", AT_EMPTY_PATH);
  if (!sighting || !known.is_told_apart(sighting->born, now)) return std::nullopt;
  const bool same = sighting->size == found.size &&
                    to_nanoseconds(sighting->modified) == to_nanoseconds(found.modified) &&
                    to_nanoseconds(sighting->changed) == found.changed;
  return same ? sighting : std::nullopt;
}

}  // namespace grantfs
