#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"

namespace grantctl {

using grantfs::DaemonStatus;
using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::RecallTimesStatus;
using grantfs::Result;

namespace {

using SteadyClock = std::chrono::steady_clock;

struct TopArguments {
  double interval = 2;                ///< seconds
  std::optional<std::int64_t> count;  ///< of tables; none: no end
};

Result<void> check(const TopArguments& arguments) {
  constexpr double kShortest = 0.1;
  constexpr double kLongest = 3600;
  constexpr std::int64_t kMost = 1'000'000;
  if (!(arguments.interval >= kShortest && arguments.interval <= kLongest)) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("--interval takes seconds, from {} to {}", kShortest, kLongest)};
  }
  if (arguments.count && (*arguments.count < 1 || *arguments.count > kMost)) {
    return Error{ErrorKind::kInvalid, fmt::format("--count takes a number from 1 to {}", kMost)};
  }
  return {};
}

/// What the daemons said at one moment.
struct Sample {
  SteadyClock::time_point at;
  std::vector<DaemonStatus> daemons;
  std::vector<std::filesystem::path> silent;  ///< mount points of those that did not answer
};

/// A daemon, in the table and in JSON. Rates are those of the time since the sample before.
struct Activity {
  const DaemonStatus* daemon;
  double lookups, opens, denials, errors, upcalls, recalls;  ///< a second
  std::optional<std::int64_t> slowest_recall;                ///< microseconds, at most
};

std::int64_t counter(const DaemonStatus& daemon, std::string_view name) {
  const auto found = std::ranges::find(
      daemon.counters, name, [](const auto& each) { return std::string_view(each.first); });
  return found == daemon.counters.end() ? 0 : found->second;
}

std::int64_t upcalls(const DaemonStatus& daemon) {
  std::int64_t sum = 0;
  for (const auto& [name, value] : daemon.counters) {
    if (name.starts_with("upcalls_")) sum += value;
  }
  return sum;
}

/// The bound of the highest class that has grown; none if none has, or the highest has no bound.
std::optional<std::int64_t> slowest(const RecallTimesStatus& now, const RecallTimesStatus* before) {
  for (std::size_t i = now.bounds_microseconds.size(); i-- > 0;) {
    const std::int64_t were =
        before != nullptr && i < before->counts.size() ? before->counts[i] : 0;
    if (now.counts[i] > were) return now.bounds_microseconds[i];
  }
  return std::nullopt;
}

/// The same daemon in the sample before: by its process, since another one counts from zero.
const DaemonStatus* in(const Sample& sample, const DaemonStatus& daemon) {
  const auto found = std::ranges::find_if(sample.daemons, [&](const DaemonStatus& other) {
    return other.pid == daemon.pid && other.started == daemon.started &&
           other.mountpoint == daemon.mountpoint;
  });
  return found == sample.daemons.end() ? nullptr : &*found;
}

Activity activity_of(const DaemonStatus& daemon, const Sample& before, const Sample& now) {
  const DaemonStatus* const old = in(before, daemon);
  const double seconds = std::chrono::duration<double>(now.at - before.at).count();
  const auto rate = [&](auto&& value) {
    return old == nullptr ? 0 : static_cast<double>(value(daemon) - value(*old)) / seconds;
  };
  const auto rate_of = [&](std::string_view name) {
    return rate([&](const DaemonStatus& each) { return counter(each, name); });
  };
  const RecallTimesStatus* const old_times =
      old != nullptr && old->recall_times ? &*old->recall_times : nullptr;
  return {&daemon,
          rate_of("lookups"),
          rate_of("opens"),
          rate_of("denials"),
          rate_of("errors"),
          rate(upcalls),
          rate_of("recalls"),
          old != nullptr && daemon.recall_times ? slowest(*daemon.recall_times, old_times)
                                                : std::nullopt};
}

Json activity_json(const Activity& line) {
  const DaemonStatus& daemon = *line.daemon;
  Json object;
  put_bytes(object, "mountpoint", daemon.mountpoint.native());
  object["state"] = daemon.healthy ? "healthy" : "trouble";
  object["lookups_per_second"] = line.lookups;
  object["opens_per_second"] = line.opens;
  object["denials_per_second"] = line.denials;
  object["errors_per_second"] = line.errors;
  object["upcalls_per_second"] = line.upcalls;
  object["recalls_per_second"] = line.recalls;
  object["slowest_recall_microseconds"] = nullptr;
  if (line.slowest_recall) object["slowest_recall_microseconds"] = *line.slowest_recall;
  object["nodes"] = counter(daemon, "nodes");
  object["open_files"] = counter(daemon, "open_files");
  object["resident_bytes"] = counter(daemon, "resident_bytes");
  return object;
}

std::string shown_milliseconds(std::int64_t microseconds) {
  constexpr double kPerMillisecond = 1000;
  return fmt::format("<{:g} ms", static_cast<double>(microseconds) / kPerMillisecond);
}

void print_table(const std::vector<Activity>& lines,
                 const std::vector<std::filesystem::path>& silent) {
  constexpr std::int64_t kMebibyte = 1 << 20;
  Table table({"MOUNT", "STATE", "LOOKUPS/s", "OPENS/s", "DENIED/s", "ERRORS/s", "UPCALLS/s",
               "RECALLS/s", "RECALL", "NODES", "OPEN", "MEMORY"});
  const auto shown_rate = [](double rate) { return fmt::format("{:.1f}", rate); };
  for (const Activity& line : lines) {
    const DaemonStatus& daemon = *line.daemon;
    table.add({daemon.mountpoint.native(), daemon.healthy ? "healthy" : "trouble",
               shown_rate(line.lookups), shown_rate(line.opens), shown_rate(line.denials),
               shown_rate(line.errors), shown_rate(line.upcalls), shown_rate(line.recalls),
               line.slowest_recall ? shown_milliseconds(*line.slowest_recall) : "-",
               std::to_string(counter(daemon, "nodes")),
               std::to_string(counter(daemon, "open_files")),
               fmt::format("{} MiB", counter(daemon, "resident_bytes") / kMebibyte)});
  }
  for (const auto& mountpoint : silent) {
    table.add({mountpoint.native(), "silent", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-"});
  }
  table.print();
  for (const Activity& line : lines) {
    for (const std::string& trouble : line.daemon->troubles) {
      print_line(fmt::format("{}: {}", grantfs::escaped(line.daemon->mountpoint.native()),
                             grantfs::printable(trouble)));
    }
  }
}

/// Asks the daemons. None is no error: one may start.
Result<Sample> take_sample(Context& context) {
  Sample sample{SteadyClock::now(), {}, {}};
  if (const auto socket = context.control()) {
    auto status = grantfs::ask_status(*socket);
    if (status) sample.daemons.push_back(std::move(*status));
    if (!status && status.error().kind != ErrorKind::kNotFound) sample.silent.push_back(*socket);
    return sample;
  }
  const auto database = context.database();
  if (!database) return database.error();
  grantfs::DaemonSearch search = grantfs::find_daemons(*database);
  sample.daemons = std::move(search.found);
  sample.silent = std::move(search.silent);
  return sample;
}

void print_sample(const Context& context, const Sample& before, const Sample& now) {
  std::vector<Activity> lines;
  for (const DaemonStatus& daemon : now.daemons) lines.push_back(activity_of(daemon, before, now));
  if (context.json) {
    Json document;
    document["daemons"] = Json::array();
    for (const Activity& line : lines) document["daemons"].push_back(activity_json(line));
    document["silent"] = Json::array();
    for (const auto& mountpoint : now.silent) {
      document["silent"].push_back(grantfs::printable(mountpoint.native()));
    }
    print_json_line(document);
    return;
  }
  // ECMA-48: the cursor to the top left, and everything below it erased.
  if (::isatty(STDOUT_FILENO) != 0) print_text("\x1b[H\x1b[J");
  if (lines.empty() && now.silent.empty()) return print_line("no daemon runs");
  print_table(lines, now.silent);
}

Result<int> run_top(Context& context, const TopArguments& arguments) {
  if (auto valid = check(arguments); !valid) return valid.error();
  auto before = take_sample(context);
  if (!before) return before.error();
  for (std::int64_t printed = 0; !arguments.count || printed < *arguments.count; ++printed) {
    std::this_thread::sleep_for(std::chrono::duration<double>(arguments.interval));
    auto now = take_sample(context);
    if (!now) return now.error();
    print_sample(context, *before, *now);
    if (!std::cout.flush()) return Error{ErrorKind::kSystem, "standard output cannot be written"};
    before = std::move(now);
  }
  return kDone;
}

}  // namespace

void add_top(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "top",
      "What the running daemons do, every two seconds, until it is interrupted: requests,\n"
      "refusals, recalls and how long they took, memory",
      "  grantctl top\n"
      "  grantctl --json top --interval 10 --count 6");
  auto arguments = std::make_shared<TopArguments>();
  command
      .add_option("--interval", arguments->interval,
                  "how long to wait between two tables; default: 2")
      ->type_name("SECONDS");
  command.add_option("--count", arguments->count, "end after so many tables")->type_name("N");
  on_run(command, context, [arguments](Context& shared) { return run_top(shared, *arguments); });
}

}  // namespace grantctl
