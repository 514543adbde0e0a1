// Mount options: what is taken is within its bounds, and a refusal says so in one line.
#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "daemon/options.h"
#include "fuzz.h"

namespace grantfs::fuzz {
namespace {

bool is_between(std::int64_t value, std::int64_t least, std::int64_t most) {
  return value >= least && value <= most;
}

void try_options(const MountOptions& options) {
  require(is_between(options.lease.count(), 0, 60), "a lease is 0 to 60 seconds");
  require(options.follow.count() == 0 || is_between(options.follow.count(), 2, 3600),
          "a copy may be 2 to 3600 seconds old");
  require(is_between(options.use_window.count(), 1, 86400), "a use is 1 to 86400 seconds");
  require(options.threads <= 256, "there are 256 threads at most");
  require(options.server_group != gid_t(-1) && options.by_user != gid_t(-1),
          "no group is every group");
  for (const auto& path : {options.database, options.source, options.control}) {
    require(!path || path->is_absolute(), "paths are absolute");
    require(!path || path->native().find('\0') == std::string::npos, "no path ends before its end");
  }
  require(!options.views || !options.views->empty(), "views are some, or all");
  for (const std::string& view : options.views.value_or(std::vector<std::string>())) {
    require(view != "by-user" || options.by_user, "by-user is there for a group alone");
  }
  for (const std::string& label : options.kernel_options) {
    require(label.find('\0') == std::string::npos && label.find("context=") != std::string::npos,
            "the kernel is told labels alone");
  }
}

}  // namespace

void try_input(std::string_view input) {
  if (input.find('\0') != std::string_view::npos) return;  // no argument has one
  const auto options = parse_mount_options(input);
  if (!options) {
    require(options.error().kind == ErrorKind::kInvalid && is_one_line(options.error().message),
            "a refusal is one line");
    return;
  }
  try_options(*options);
  require(parse_mount_options("ro,nosuid," + std::string(input)).ok(),
          "what every mount implies changes nothing");
  require(!parse_mount_options("rw," + std::string(input)), "a mount is read-only");
}

}  // namespace grantfs::fuzz
