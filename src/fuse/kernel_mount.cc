#include "fuse/kernel_mount.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/mount_info.h"

namespace grantfs {
namespace {

Error refused(std::string_view what) {
  const int error = errno;
  return {ErrorKind::kSystem, fmt::format("{}: {}", what, std::strerror(error))};
}

/// The number of a mount.
std::optional<std::uint64_t> mount_id(const UniqueFd& tree) {
  struct statx status = {};
  // Nothing that a daemon would have to be asked for: ours does not answer yet.
  if (::statx(tree.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &status) != 0 ||
      (status.stx_mask & STATX_MNT_ID) == 0) {
    return std::nullopt;
  }
  return status.stx_mnt_id;
}

/// Sets one thing that is to be mounted; `value` null: a flag. The kernel says what is wrong with
/// it by a message to be read from `context` (fs/fs_context.c).
Result<void> set(const UniqueFd& context, const char* name, const char* value) {
  const auto kind = value == nullptr ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
  if (::fsconfig(context.get(), kind, name, value, 0) == 0) return {};
  const int error = errno;
  std::array<char, 256> said{};
  const ssize_t got = ::read(context.get(), said.data(), said.size());
  std::string_view message(said.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  while (message.ends_with('\n')) message.remove_suffix(1);
  return Error{ErrorKind::kSystem,
               fmt::format("the kernel refuses the mount option {}: {}{}{}", name,
                           std::strerror(error), message.empty() ? "" : "; it says: ", message)};
}

Result<UniqueFd> configure(const KernelMount::Options& options, const UniqueFd& device) {
  UniqueFd context(::fsopen("fuse", FSOPEN_CLOEXEC));
  if (!context) return refused("the kernel has no FUSE, or we may not mount (fsopen)");
  const std::string descriptor = std::to_string(device.get());
  const std::array<std::pair<const char*, const char*>, 9> settings{
      {{"source", options.source.c_str()},
       {"fd", descriptor.c_str()},
       {"rootmode", "40000"},  // a directory
       {"user_id", "0"},
       {"group_id", "0"},
       {"subtype", "grantfs"},
       {"allow_other", nullptr},
       {"default_permissions", nullptr},
       {"ro", nullptr}}};
  for (const auto& [name, value] : settings) {
    if (auto done = set(context, name, value); !done) return done.error();
  }
  for (const std::string& label : options.labels) {
    const auto equals = label.find('=');
    const std::string name = label.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : label.substr(equals + 1);
    if (auto done = set(context, name.c_str(), value.c_str()); !done) return done.error();
  }
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return refused("the kernel refuses the mount");
  }
  return context;
}

}  // namespace

Result<KernelMount> KernelMount::make(const Options& options) {
  UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!device) return refused("cannot open /dev/fuse (is the module fuse loaded?)");
  auto context = configure(options, device);
  if (!context) return context.error();
  UniqueFd tree(
      ::fsmount(context->get(), FSMOUNT_CLOEXEC,
                MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  if (!tree) return refused("the kernel refuses the mount (fsmount)");
  const auto id = mount_id(tree);
  if (!id) return refused("cannot tell the mount from others (STATX_MNT_ID, Linux 5.8)");
  const std::uint64_t lasting_id = lasting_mount_id(tree.get(), "").value_or(*id);
  return KernelMount(std::move(device), std::move(tree), *id, lasting_id);
}

Result<void> KernelMount::attach(MountHelper& helper, MountHelper::Place place) {
  if (auto attached = helper.attach(tree_, place); !attached) return attached;
  tree_.reset();
  helper_ = &helper;
  return {};
}

Result<void> KernelMount::replace(MountHelper& helper, std::uint64_t mount_id) {
  if (auto replaced = helper.replace(tree_, mount_id); !replaced) return replaced;
  tree_.reset();
  helper_ = &helper;
  return {};
}

UniqueFd KernelMount::root_while_nowhere() const {
  return UniqueFd(::fcntl(tree_.get(), F_DUPFD_CLOEXEC, 0));
}

bool KernelMount::exists() const {
  // The number of a mount that has gone is soon another's: the place tells.
  return helper_ != nullptr && std::ranges::any_of(read_mount_info(), [&](const MountInfo& mount) {
           return mount.id == id_ && mount.point == helper_->mountpoint();
         });
}

void KernelMount::detach() {
  if (helper_ != nullptr) helper_->detach(lasting_id_);
}

}  // namespace grantfs
