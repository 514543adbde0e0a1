#include <fmt/core.h>

#include <map>

#include "grantctl/commands/commands.h"
#include "grantctl/output.h"

namespace grantctl {

using grantfs::DaemonStatus;
using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Result;

namespace {

/// A metric in the text exposition format of Prometheus, version 0.0.4.
struct Metric {
  const char* type;
  std::string help;
  std::vector<std::string> samples;  ///< whole lines
};
using Metrics = std::map<std::string, Metric>;

/// A label with its value: backslashes, double quotes and line feeds are escaped, and nothing else.
std::string label(std::string_view name, std::string_view value) {
  std::string text = fmt::format("{}=\"", name);
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') text += '\\';
    text += c;
  }
  return text + '"';
}

/// A counter of the daemon: the daemon's name for it, and its name and help as a metric.
struct CounterName {
  std::string_view counter;
  const char* metric;
  const char* type;
  const char* help;
};
constexpr std::array kCounterNames{
    CounterName{"lookups", "grantfs_lookups_total", "counter", "Names that were decided."},
    CounterName{"opens", "grantfs_opens_total", "counter", "Opens of files that were decided."},
    CounterName{"opendirs", "grantfs_opendirs_total", "counter",
                "Opens of folders that were decided."},
    CounterName{"denials", "grantfs_denials_total", "counter", "What the policy refused."},
    CounterName{"errors", "grantfs_errors_total", "counter",
                "What was refused since deciding or looking failed."},
    CounterName{"recalls", "grantfs_recalls_total", "counter",
                "Times that something lent was recalled."},
    CounterName{"recalls_of_everything", "grantfs_recalls_of_everything_total", "counter",
                "Times that all that was lent was recalled."},
    CounterName{"recalled_entries", "grantfs_recalled_entries_total", "counter",
                "Names that the kernel was told to forget."},
    CounterName{"nodes", "grantfs_nodes", "gauge", "Files and folders that the kernel knows of."},
    CounterName{"steady_files", "grantfs_steady_files", "gauge",
                "Files that are lent for longer than a lease, and looked at in the store."},
    CounterName{"audit_records", "grantfs_audit_records_total", "counter",
                "Lines that were written to the record of accesses."},
    CounterName{"audit_lost", "grantfs_audit_lost_total", "counter",
                "Events that the record of accesses lacks, since they found no room."},
    CounterName{"audit_refusals_left_out", "grantfs_audit_refusals_left_out_total", "counter",
                "Refusals that the record of accesses counts and does not tell."},
    CounterName{"open_files", "grantfs_open_files", "gauge",
                "Files and folders that are held open and that the daemon was told of."},
    CounterName{"resident_bytes", "grantfs_resident_bytes", "gauge",
                "Memory of the daemon that is in RAM."}};

void add_sample(Metrics& metrics, const std::string& name, const char* type, std::string_view help,
                const std::string& labels, std::int64_t value) {
  Metric& metric = metrics.try_emplace(name, Metric{type, std::string(help), {}}).first->second;
  metric.samples.push_back(fmt::format("{}{{{}}} {}", name, labels, value));
}

void add_counter(Metrics& metrics, std::string_view counter, const std::string& labels,
                 std::int64_t value) {
  constexpr std::string_view kUpcalls = "upcalls_";
  constexpr std::string_view kRecallsOfEverything = "recalls_of_everything_";
  constexpr std::string_view kRedecisions = "redecisions_";
  const auto known = std::ranges::find(kCounterNames, counter, &CounterName::counter);
  if (known != kCounterNames.end()) {
    add_sample(metrics, known->metric, known->type, known->help, labels, value);
  } else if (counter.starts_with(kUpcalls)) {
    counter.remove_prefix(kUpcalls.size());
    add_sample(metrics, "grantfs_upcalls_total", "counter", "Requests that the kernel made.",
               labels + ',' + label("operation", counter), value);
  } else if (counter.starts_with(kRecallsOfEverything)) {
    counter.remove_prefix(kRecallsOfEverything.size());
    add_sample(metrics, "grantfs_recalls_of_everything_by_reason_total", "counter",
               "Times that all that was lent was recalled, by reason.",
               labels + ',' + label("reason", counter), value);
  } else if (counter.starts_with(kRedecisions)) {
    counter.remove_prefix(kRedecisions.size());
    add_sample(metrics, "grantfs_redecisions_total", "counter",
               "Times that what is lent was decided anew, by reason.",
               labels + ',' + label("reason", counter), value);
  } else {  // a counter of a newer daemon
    add_sample(metrics, fmt::format("grantfs_{}_total", counter), "counter", "See grantctl status.",
               labels, value);
  }
}

void add_up(Metrics& metrics, const std::string& labels, bool up) {
  add_sample(metrics, "grantfs_up", "gauge",
             "Whether the daemon answers; 0 with the database as a label: none runs on it.", labels,
             up ? 1 : 0);
}

/// What a daemon says of a database that is a copy.
void add_follow(Metrics& metrics, const grantfs::FollowStatus& follow, const std::string& labels) {
  add_sample(metrics, "grantfs_follow_seconds", "gauge",
             "How old the copy of the policy may be before everything is refused.", labels,
             follow.seconds);
  add_sample(metrics, "grantfs_copy_current", "gauge",
             "Whether the copy of the policy counts as current; 0: everything is refused.", labels,
             follow.current ? 1 : 0);
  add_sample(metrics, "grantfs_copy_age_milliseconds", "gauge",
             "Since when the copy is not known to be current any more; -1: it never was.", labels,
             follow.age_milliseconds);
  add_sample(metrics, "grantfs_copy_behind_bytes", "gauge",
             "Bytes of the upstream's log that the copy had not applied when it was last told.",
             labels, follow.behind_bytes);
}

/// The histogram of acknowledgements; buckets add up, as Prometheus wants them.
void add_recall_times(Metrics& metrics, const grantfs::RecallTimesStatus& times,
                      const std::string& labels) {
  constexpr double kPerSecond = 1e6;
  const std::string name = "grantfs_recall_seconds";
  Metric& metric =
      metrics
          .try_emplace(name, Metric{"histogram",
                                    "How long a command that takes access away waited for the "
                                    "kernel to have forgotten.",
                                    {}})
          .first->second;
  std::int64_t so_far = 0;
  for (std::size_t i = 0; i < times.counts.size(); ++i) {
    so_far += times.counts[i];
    const std::string bound =
        i < times.bounds_microseconds.size()
            ? fmt::format("{:g}", static_cast<double>(times.bounds_microseconds[i]) / kPerSecond)
            : "+Inf";
    metric.samples.push_back(
        fmt::format("{}_bucket{{{},le=\"{}\"}} {}", name, labels, bound, so_far));
  }
  metric.samples.push_back(fmt::format("{}_sum{{{}}} {:.6f}", name, labels,
                                       static_cast<double>(times.total_microseconds) / kPerSecond));
  metric.samples.push_back(fmt::format("{}_count{{{}}} {}", name, labels, so_far));
}

void add_daemon(Metrics& metrics, const DaemonStatus& daemon) {
  const std::string labels = label("mountpoint", daemon.mountpoint.native());
  add_sample(metrics, "grantfs_info", "gauge", "What the daemon is; always 1.",
             fmt::format("{},{},{},{}", labels, label("version", daemon.version),
                         label("enforce", daemon.enforce), label("transport", daemon.transport)),
             1);
  add_up(metrics, labels, true);
  add_sample(metrics, "grantfs_healthy", "gauge",
             "Whether the daemon serves what it should, as far as it knows.", labels,
             daemon.healthy ? 1 : 0);
  add_sample(metrics, "grantfs_start_time_seconds", "gauge",
             "When the daemon started, in Unix seconds.", labels, daemon.started);
  add_sample(metrics, "grantfs_lends_nothing", "gauge",
             "Whether trouble keeps the daemon from lending decisions to the kernel.", labels,
             daemon.lends_nothing_because.empty() ? 0 : 1);
  if (daemon.follow) add_follow(metrics, *daemon.follow, labels);
  if (daemon.recall_times) add_recall_times(metrics, *daemon.recall_times, labels);
  for (const auto& [counter, value] : daemon.counters) add_counter(metrics, counter, labels, value);
}

/// A daemon that does not answer becomes a sample too. Otherwise the file of metrics would not be
/// written any more, and its old samples would go on saying that all is well.
Result<Metrics> gather(Context& context) {
  Metrics metrics;
  if (context.control()) {
    auto daemons = context.running_daemons();
    if (!daemons) return daemons.error();
    for (const DaemonStatus& daemon : *daemons) add_daemon(metrics, daemon);
    return metrics;
  }
  auto database = context.database();
  if (!database) return database.error();
  auto search = context.daemons();
  if (!search) return search.error();
  for (const std::string& trouble : search->troubles) complain(trouble);
  for (const DaemonStatus& daemon : search->found) {
    // Another one may serve at the same mount point, and each sample has one value.
    if (daemon.stage == "serving") add_daemon(metrics, daemon);
  }
  for (const auto& mountpoint : search->silent) {
    add_up(metrics, label("mountpoint", mountpoint.native()), false);
  }
  if (metrics.empty()) {
    complain("no daemon runs on this database");
    add_up(metrics, label("database", database->native()), false);
  }
  return metrics;
}

Result<int> run_metrics(Context& context) {
  if (context.json) {
    return Error{
        ErrorKind::kInvalid,
        "metrics has no --json, but the form that Prometheus reads; grantctl --json status "
        "has the same counters"};
  }
  auto metrics = gather(context);
  if (!metrics) return metrics.error();
  for (const auto& [name, metric] : *metrics) {
    print_line(fmt::format("# HELP {} {}", name, metric.help));
    print_line(fmt::format("# TYPE {} {}", name, metric.type));
    for (const std::string& sample : metric.samples) print_line(sample);
  }
  return kDone;
}

}  // namespace

void add_metrics(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "metrics",
      "The running daemon's counters, as Prometheus reads them (for its node exporter's\n"
      "textfile collector)",
      "  grantctl metrics > /var/lib/prometheus/node-exporter/grantfs.prom.new &&\n"
      "    mv /var/lib/prometheus/node-exporter/grantfs.prom.new \\\n"
      "      /var/lib/prometheus/node-exporter/grantfs.prom");
  on_run(command, context, run_metrics);
}

}  // namespace grantctl
