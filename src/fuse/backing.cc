#include "fuse/backing.h"

#include <sys/ioctl.h>

#include <cerrno>

namespace grantfs {
namespace {

// From linux/fuse.h as of Linux 6.9; Debian 12's is older.
struct BackingMap {
  std::int32_t fd;
  std::uint32_t flags;
  std::uint64_t padding;
};
constexpr unsigned long kBackingOpen = _IOW(229, 1, BackingMap);
constexpr unsigned long kBackingClose = _IOW(229, 2, std::uint32_t);

}  // namespace

Backing::~Backing() {
  auto id = static_cast<std::uint32_t>(id_);
  ::ioctl(device_, kBackingClose, &id);
}

std::shared_ptr<Backing> Backings::find(NodeId node) {
  if (auto kept = kept_.find(node)) return kept;
  auto open = open_.find(node);
  return open == nullptr ? nullptr : kept_.keep(node, std::move(open));
}

Result<std::shared_ptr<Backing>, Errno> Backings::make(NodeId node, const UniqueFd& file) {
  const BackingMap map{file.get(), 0, 0};
  const int id = ::ioctl(device_, kBackingOpen, &map);
  if (id < 0) return Errno{errno};
  return kept_.keep(node, open_.share(node, std::make_shared<Backing>(device_, id)));
}

void Backings::drop(NodeId node) {
  kept_.drop(node);
  open_.drop(node);
}

}  // namespace grantfs
