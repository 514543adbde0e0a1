#include "daemon/options.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <functional>

#include "base/edit_distance.h"
#include "base/lease_spans.h"
#include "base/parse_integer.h"
#include "base/quote.h"
#include "views/doors.h"

namespace grantfs {
namespace {

Error invalid(std::string message) {
  return {ErrorKind::kInvalid, std::move(message)};
}

Error bad_value(std::string_view option, std::string_view value, std::string_view accepted) {
  return invalid(fmt::format("option {}={}: write {}", option, quoted(value), accepted));
}

std::optional<unsigned> parse_number(std::string_view text, unsigned most) {
  const auto number = parse_integer<unsigned>(text);
  return number && *number <= most ? number : std::nullopt;
}

/// Finds a group by name or, if no group has that name, by number.
Result<gid_t> find_group(std::string_view option, std::string_view name) {
  std::vector<char> buffer(4096);
  group entry{};
  group* found = nullptr;
  const std::string zero_terminated(name);
  while (::getgrnam_r(zero_terminated.c_str(), &entry, buffer.data(), buffer.size(), &found) ==
         ERANGE) {
    buffer.resize(2 * buffer.size());
  }
  if (found != nullptr) return entry.gr_gid;
  constexpr unsigned kLargestGid = 4'294'967'294;  // 4294967295 means "no group" to chown(2)
  if (const auto number = parse_number(name, kLargestGid)) return gid_t{*number};
  return invalid(
      fmt::format("option {}={}: there is no such group on this machine "
                  "(getent group shows those there are; a number is taken too)",
                  option, quoted(name)));
}

Result<void> take_use(std::string_view option, std::string_view value, std::string_view yes,
                      std::string_view no, Use& use) {
  if (value != "auto" && value != yes && value != no) {
    return bad_value(option, value, fmt::format("auto, {} or {}", yes, no));
  }
  use = value == "auto" ? Use::kAuto : value == yes ? Use::kYes : Use::kNo;
  return {};
}

Result<void> take_views(std::string_view list, MountOptions& options) {
  const std::vector<std::string_view> all = Doors::all_views();
  std::vector<std::string> views;
  for (bool more = true; more;) {
    const auto colon = list.find(':');
    const std::string_view name = list.substr(0, colon);
    more = colon != std::string_view::npos;
    if (more) list.remove_prefix(colon + 1);
    if (std::ranges::find(all, name) == all.end()) {
      return bad_value("views", name, fmt::format("any of {}", fmt::join(all, ", ")));
    }
    views.emplace_back(name);
  }
  options.views = std::move(views);
  return {};
}

/// Checks the options that depend on one another.
Result<void> check_together(const MountOptions& options) {
  const bool names_by_user =
      options.views && std::ranges::find(*options.views, "by-user") != options.views->end();
  if (names_by_user && !options.by_user) {
    return invalid(
        "option views=: by-user is there with by_user=GROUP alone, which names the group trusted "
        "to have authenticated the user");
  }
  if (options.audit_required && !options.audit) {
    return invalid("option audit_required: say by audit=PATH or audit=journal where the record is");
  }
  return {};
}

struct KnownOption {
  std::string_view name;
  std::string_view value;  ///< as --help shows it; empty: the option takes no value
  std::string_view meaning;
  std::function<Result<void>(std::string_view value, MountOptions&)> take;
};

const std::vector<KnownOption>& known_options() {
  static const std::vector<KnownOption> all{
      {"db", "PATH", "the policy database; default: the only one under /var/lib/grantfs",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         if (value.empty()) return bad_value("db", value, "the path of a policy database");
         options.database = std::filesystem::absolute(value);
         return {};
       }},
      {"source", "FILE", "how to ask the application's own SQLite database besides",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         if (value.empty()) return bad_value("source", value, "the path of a configuration");
         options.source = std::filesystem::absolute(value);
         return {};
       }},
      {"store", "follow|pinned",
       "whether what is at the store's path later counts (follow, the default), or what was there "
       "at the start",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         if (value != "follow" && value != "pinned") {
           return bad_value("store", value, "follow or pinned");
         }
         options.follows_store = value == "follow";
         return {};
       }},
      {"enforce", "lease|open",
       "lend decisions to the kernel (lease, the default), or decide every open besides",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         if (value != "lease" && value != "open") {
           return bad_value("enforce", value, "lease or open");
         }
         options.enforcement = value == "lease" ? Enforcement::kLease : Enforcement::kOpen;
         return {};
       }},
      {"lease", "SECONDS", "how long a decision is lent at most, 0 to 60; default: 1",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         constexpr unsigned kLongestSeconds = spans::kLongestLease.count();
         auto seconds = parse_number(value, kLongestSeconds);
         if (!seconds) return bad_value("lease", value, "a number of seconds from 0 to 60");
         options.lease = std::chrono::seconds(*seconds);
         return {};
       }},
      {"follow", "SECONDS",
       "the database is a copy that grantfs-follow keeps: refuse everything when it is not known "
       "to "
       "be as current as this, 2 to 3600",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         constexpr unsigned kLeastSeconds = 2;
         constexpr unsigned kLongestSeconds = 3600;
         auto seconds = parse_number(value, kLongestSeconds);
         if (!seconds || *seconds < kLeastSeconds) {
           return bad_value("follow", value, "a number of seconds from 2 to 3600");
         }
         options.follow = std::chrono::seconds(*seconds);
         return {};
       }},
      {"server_group", "GROUP", "only members of this system group may pass the doors for servers",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         auto gid = find_group("server_group", value);
         if (!gid) return gid.error();
         options.server_group = *gid;
         return {};
       }},
      {"by_user", "GROUP",
       "there is by-user, for members of this system group, who are trusted to know the user",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         auto gid = find_group("by_user", value);
         if (!gid) return gid.error();
         options.by_user = *gid;
         return {};
       }},
      {"views", "NAME[:NAME...]", "what there is at the root; default: all but by-user",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         return take_views(value, options);
       }},
      {"deny", "hide|forbid", "refuse a denied name as missing (hide, the default) or as forbidden",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         if (value != "hide" && value != "forbid")
           return bad_value("deny", value, "hide or forbid");
         options.denial = value == "hide" ? Denial::kHide : Denial::kForbid;
         return {};
       }},
      {"use_window", "SECONDS",
       "how long one use lasts of a link that has so many, 1 to 86400; default: 600",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         constexpr unsigned kLongestSeconds = 86400;
         auto seconds = parse_number(value, kLongestSeconds);
         if (!seconds || *seconds == 0) {
           return bad_value("use_window", value, "a number of seconds from 1 to 86400");
         }
         options.use_window = std::chrono::seconds(*seconds);
         return {};
       }},
      {"control", "PATH", "the control socket; default: one under /run/grantfs",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         if (value.empty() || value.size() >= sizeof(sockaddr_un::sun_path)) {
           return bad_value("control", value, "the path of a socket, at most 107 bytes (unix(7))");
         }
         options.control = std::filesystem::absolute(value);
         return {};
       }},
      {"handover", "",
       "take the place of the daemon that serves at MOUNTPOINT, which ends once all is closed that "
       "is "
       "open in it",
       [](std::string_view, MountOptions& options) -> Result<void> {
         options.handover = true;
         return {};
       }},
      {"audit", "PATH|journal",
       "record who opened what and who was refused, in a file or the journal",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         if (value.empty()) return bad_value("audit", value, "the path of a file, or journal");
         options.audit.emplace();
         if (value != "journal") options.audit->file = std::filesystem::absolute(value);
         return {};
       }},
      {"audit_required", "", "refuse what cannot be recorded",
       [](std::string_view, MountOptions& options) -> Result<void> {
         options.audit_required = true;
         return {};
       }},
      {"log", "stderr|syslog|journal", "where log lines go; default: stderr with -f, else syslog",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         if (value == "stderr") {
           options.log = LogSink::kStderr;
         } else if (value == "syslog") {
           options.log = LogSink::kSyslog;
         } else if (value == "journal") {
           options.log = LogSink::kJournal;
         } else {
           return bad_value("log", value, "stderr, syslog or journal");
         }
         return {};
       }},
      {"loglevel", "debug|info|warn|error", "the least important lines to log; default: info",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         if (value == "debug") {
           options.log_level = spdlog::level::debug;
         } else if (value == "info") {
           options.log_level = spdlog::level::info;
         } else if (value == "warn") {
           options.log_level = spdlog::level::warn;
         } else if (value == "error") {
           options.log_level = spdlog::level::err;
         } else {
           return bad_value("loglevel", value, "debug, info, warn or error");
         }
         return {};
       }},
      {"threads", "N", "most threads that answer, 1 to 256; for experts",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         constexpr unsigned kMostThreads = 256;
         auto threads = parse_number(value, kMostThreads);
         if (!threads || *threads == 0)
           return bad_value("threads", value, "a number from 1 to 256");
         options.threads = *threads;
         return {};
       }},
      {"passthrough", "auto|on|off",
       "whether the kernel reads the store itself, with enforce=open; for experts",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         return take_use("passthrough", value, "on", "off", options.passthrough);
       }},
      {"io", "auto|uring|dev", "how requests arrive: io_uring, or /dev/fuse; for experts",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         return take_use("io", value, "uring", "dev", options.io_uring);
       }},
      {"sandbox", "auto|on|off",
       "whether the daemon gives up, once mounted, the system calls that it never makes; for "
       "experts",
       [](std::string_view value, MountOptions& options) -> Result<void> {
         return take_use("sandbox", value, "on", "off", options.sandbox);
       }},
  };
  return all;
}

/// Options that every mount implies, or that only mount(8) and systemd use (mount(8), fstab(5)).
constexpr std::array<std::string_view, 22> kHarmless{
    "ro",       "nosuid",      "nodev",  "noexec", "allow_other", "default_permissions",
    "defaults", "auto",        "noauto", "nofail", "_netdev",     "user",
    "users",    "nouser",      "owner",  "group",  "noatime",     "nodiratime",
    "relatime", "strictatime", "async",  "comment"};
constexpr std::array<std::string_view, 4> kContradicting{"rw", "suid", "dev", "exec"};
/// Options with values that mount(8) hands on to the kernel (mount(8), "context=").
constexpr std::array<std::string_view, 4> kSecurityLabels{"context", "fscontext", "defcontext",
                                                          "rootcontext"};

template <class Range>
bool contains(const Range& range, std::string_view name) {
  return std::ranges::find(range, name) != std::ranges::end(range);
}

Error unknown_option(std::string_view name) {
  const auto nearest = std::ranges::min_element(
      known_options(), {},
      [&](const KnownOption& option) { return edit_distance(name, option.name); });
  return invalid(fmt::format("unknown option {}; did you mean {}? (grantfs --help lists them)",
                             quoted(name), nearest->name));
}

/// Splits the list at commas that no backslash precedes, and removes the backslashes.
std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> items(1);
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] == ',') {
      items.emplace_back();
    } else {
      if (list[i] == '\\' && i + 1 < list.size()) ++i;
      items.back() += list[i];
    }
  }
  std::erase(items, std::string());
  return items;
}

}  // namespace

Result<MountOptions> parse_mount_options(std::string_view list) {
  MountOptions options;
  for (const std::string& item : split(list)) {
    const std::string_view text = item;
    const auto equals = text.find('=');
    const bool has_value = equals != std::string_view::npos;
    const std::string_view name = text.substr(0, equals);
    const std::string_view value = has_value ? text.substr(equals + 1) : std::string_view();

    const auto known = std::ranges::find(known_options(), name, &KnownOption::name);
    if (known != known_options().end()) {
      if (known->value.empty() && has_value)
        return invalid(fmt::format("option {} takes no value", name));
      if (!known->value.empty() && !has_value)
        return invalid(fmt::format("option {0} needs a value: {0}={1}", name, known->value));
      if (auto taken = known->take(value, options); !taken) return taken.error();
    } else if (contains(kSecurityLabels, name) && has_value) {
      options.kernel_options.emplace_back(text);
    } else if (contains(kContradicting, name)) {
      return invalid(fmt::format(
          "option {}: a mount is always ro,nosuid,nodev,noexec; leave it out", quoted(name)));
    } else if (!contains(kHarmless, name) && !name.starts_with("x-") && !name.starts_with("X-")) {
      return unknown_option(name);
    }
  }
  if (auto together = check_together(options); !together) return together.error();
  return options;
}

std::string describe_mount_options() {
  std::string text;
  for (const KnownOption& option : known_options()) {
    text += fmt::format("  {:<30} {}\n",
                        option.value.empty() ? std::string(option.name)
                                             : fmt::format("{}={}", option.name, option.value),
                        option.meaning);
  }
  return text;
}

}  // namespace grantfs
