#include <fmt/format.h>

#include <algorithm>

#include "base/quote.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"

namespace grantctl {

using grantfs::DaemonStatus;
using grantfs::escaped;
using grantfs::printable;
using grantfs::Result;

namespace {

Json daemon_json(const DaemonStatus& daemon) {
  Json object;
  object["state"] = daemon.healthy ? "healthy" : "trouble";
  object["troubles"] = daemon.troubles;
  object["last_trouble"] = nullptr;
  if (!daemon.last_trouble.empty()) {
    object["last_trouble"] = {{"message", daemon.last_trouble}, {"at", daemon.last_trouble_at}};
  }
  if (!daemon.lends_nothing_because.empty()) {
    object["lends_nothing_because"] = daemon.lends_nothing_because;
  }
  object["stage"] = daemon.stage;
  object["version"] = daemon.version;
  object["pid"] = daemon.pid;
  put_bytes(object, "store", daemon.store.native());
  if (!daemon.store_asked_because.empty()) {
    object["store_asked_because"] = daemon.store_asked_because;
  }
  put_bytes(object, "mountpoint", daemon.mountpoint.native());
  put_bytes(object, "database", daemon.database.native());
  if (!daemon.source.empty()) put_bytes(object, "source", daemon.source.native());
  put_bytes(object, "control", daemon.control.native());
  object["enforce"] = daemon.enforce;
  if (!daemon.enforce_because.empty()) object["enforce_because"] = daemon.enforce_because;
  object["lease_seconds"] = nullptr;
  if (daemon.lease_seconds) object["lease_seconds"] = *daemon.lease_seconds;
  object["follow"] = nullptr;
  if (daemon.follow) {
    object["follow"] = {{"seconds", daemon.follow->seconds},
                        {"current", daemon.follow->current},
                        {"upstream", daemon.follow->upstream},
                        {"age_milliseconds", daemon.follow->age_milliseconds},
                        {"left_milliseconds", daemon.follow->left_milliseconds},
                        {"behind_bytes", daemon.follow->behind_bytes}};
  }
  object["audit"] = nullptr;
  if (daemon.audit) {
    put_bytes(object["audit"], "place", daemon.audit->place);
    object["audit"]["required"] = daemon.audit->required;
    object["audit"]["trouble"] = daemon.audit->trouble;
  }
  object["recall_times"] = nullptr;
  if (daemon.recall_times) {
    object["recall_times"] = {{"bounds_microseconds", daemon.recall_times->bounds_microseconds},
                              {"counts", daemon.recall_times->counts},
                              {"total_microseconds", daemon.recall_times->total_microseconds}};
  }
  object["transport"] = daemon.transport;
  object["passthrough"] = daemon.passthrough;
  object["handles_refused"] = nullptr;
  if (daemon.handles_refused) object["handles_refused"] = *daemon.handles_refused;
  object["stacking_refused"] = nullptr;
  if (daemon.stacking_refused) object["stacking_refused"] = *daemon.stacking_refused;
  if (!daemon.system_calls.empty()) object["system_calls"] = daemon.system_calls;
  if (!daemon.writes.empty()) object["writes"] = daemon.writes;
  object["started"] = daemon.started;
  object["uptime_seconds"] = daemon.uptime_seconds;
  object["counters"] = Json::object();
  for (const auto& [name, value] : daemon.counters) object["counters"][name] = value;
  return object;
}

std::string shown_span(std::int64_t seconds) {
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  std::string text;
  if (seconds >= kDay) text += fmt::format("{}d ", seconds / kDay);
  if (seconds >= kHour) text += fmt::format("{}h ", seconds % kDay / kHour);
  if (seconds >= kMinute) text += fmt::format("{}m ", seconds % kHour / kMinute);
  return text + fmt::format("{}s", seconds % kMinute);
}

/// A time, and how long ago it was by the daemon's own clock.
std::string shown_time(std::int64_t seconds) {
  return grantfs::format_timestamp(grantfs::Timestamp{std::chrono::seconds{seconds}});
}

/// A line about a copy: "current 0.4 s ago, as 'db1', 0 bytes behind (follow=10)".
std::string shown_follow(const grantfs::FollowStatus& follow) {
  constexpr double kThousand = 1000;
  if (follow.age_milliseconds < 0) {
    return fmt::format("not known to be current yet; everything is refused (follow={})",
                       follow.seconds);
  }
  return fmt::format("{}current {:.1f} s ago, as a copy of {}, {} bytes behind (follow={})",
                     follow.current ? "" : "everything is refused; ",
                     static_cast<double>(follow.age_milliseconds) / kThousand,
                     printable(follow.upstream), follow.behind_bytes, follow.seconds);
}

void print_status(const DaemonStatus& daemon) {
  constexpr std::size_t kLeastWidth = 12;
  std::size_t width = kLeastWidth;
  for (const auto& [name, value] : daemon.counters) width = std::max(width, escaped(name).size());
  const auto line = [&](std::string_view name, std::string_view value) {
    print_line(fmt::format("{:<{}}  {}", name, width, value));
  };
  line("state", daemon.healthy
                    ? "healthy"
                    : fmt::format("trouble: {}",
                                  printable(fmt::format("{}", fmt::join(daemon.troubles, "; ")))));
  if (!daemon.last_trouble.empty()) {
    line("last_trouble",
         fmt::format("{}: {}", shown_time(daemon.last_trouble_at), printable(daemon.last_trouble)));
  }
  if (daemon.is_leaving()) {
    line("stage", "leaving: the mount was taken away, and serves what is open in it");
  } else if (daemon.stage != "serving") {
    line("stage", printable(daemon.stage));
  }
  line("mountpoint", escaped(daemon.mountpoint.native()));
  line("store",
       daemon.store_asked_because.empty()
           ? escaped(daemon.store.native())
           : fmt::format("{} (asked anew at each look: {})", escaped(daemon.store.native()),
                         printable(daemon.store_asked_because)));
  line("database", escaped(daemon.database.native()));
  if (!daemon.source.empty()) line("source", escaped(daemon.source.native()));
  line("control", escaped(daemon.control.native()));
  line("version", escaped(daemon.version));
  line("pid", std::to_string(daemon.pid));
  const bool as_asked = daemon.enforce_because.empty();
  line("enforce",
       printable(as_asked ? daemon.enforce
                          : fmt::format("{} ({})", daemon.enforce, daemon.enforce_because)));
  if (!daemon.lends_nothing_because.empty()) {
    line("lease", "nothing is lent: " + printable(daemon.lends_nothing_because));
  } else if (daemon.lease_seconds) {
    line("lease", fmt::format("{:g} s", *daemon.lease_seconds));
  }
  if (daemon.follow) line("follow", shown_follow(*daemon.follow));
  if (daemon.audit) {
    line("audit", fmt::format("{}{}", escaped(daemon.audit->place),
                              daemon.audit->required ? " (required)" : ""));
  }
  line("transport", printable(daemon.transport));
  line("passthrough", daemon.passthrough ? "yes" : "no");
  if (daemon.handles_refused) {
    line("handles", *daemon.handles_refused ? "refused" : "not refused by this kernel");
  }
  if (daemon.stacking_refused) {
    const bool by_us = daemon.enforce == "lease";
    line("stacking", *daemon.stacking_refused ? "refused"
                     : by_us                  ? "refused to all but root"
                                              : "not refused by this kernel");
  }
  if (!daemon.system_calls.empty()) line("system_calls", printable(daemon.system_calls));
  if (!daemon.writes.empty()) line("writes", printable(daemon.writes));
  line("started", fmt::format("{} ({} ago)",
                              grantfs::format_timestamp(
                                  grantfs::Timestamp{std::chrono::seconds{daemon.started}}),
                              shown_span(daemon.uptime_seconds)));
  for (const auto& [name, value] : daemon.counters) line(escaped(name), std::to_string(value));
}

Result<int> run_status(Context& context) {
  auto daemons = context.running_daemons();
  if (!daemons) return daemons.error();
  const bool well =
      !context.some_are_silent() && std::ranges::all_of(*daemons, &DaemonStatus::healthy);
  if (context.json) {
    Json document;
    document["daemons"] = Json::array();
    for (const DaemonStatus& daemon : *daemons) document["daemons"].push_back(daemon_json(daemon));
    print(document);
    return well ? kDone : kTrouble;
  }
  for (std::size_t i = 0; i < daemons->size(); ++i) {
    if (i > 0) print_line({});
    print_status(daemons->at(i));
  }
  return well ? kDone : kTrouble;
}

}  // namespace

void add_status(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "status",
      "What the running daemon is and does: whether it serves, version, mount, store, counters;\n"
      "exit 0 if every daemon on the database is healthy, 3 if one is not, or none runs",
      "  grantctl status\n"
      "  grantctl --control /run/grantfs/photos.sock status --json");
  on_run(command, context, run_status);
}

}  // namespace grantctl
