#include "grantctl/recall.h"

#include "grantfs/recall.h"

#include <fmt/core.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "grantfs/postgresql.h"

namespace grantctl {

using grantfs::RecallOutcome;
using grantfs::UnacknowledgedRecall;

namespace {

using Seconds = std::chrono::duration<double>;

/// The span in seconds as shown to users: to the millisecond.
double rounded(Seconds span) {
  return std::round(span.count() * 1000) / 1000;
}

void complain_of(const UnacknowledgedRecall& daemon, Seconds left) {
  const std::string wait = left > Seconds{0}
                               ? fmt::format("waiting {:.1f} s until it has run out", left.count())
                               : std::string("it has run out meanwhile");
  complain(fmt::format(
      "the change is committed, but {} has not acknowledged it, and may have lent access for {:g} "
      "s: {} ({}); see whether it hangs or is stopped, and if so restart it",
      daemon.name, daemon.lease.count(), wait, daemon.trouble));
}

/// recall_leases() for a policy in PostgreSQL: its nodes recall, each for itself.
Json await_nodes(Context& context, const std::string& uri, WithoutDaemon without_daemon,
                 std::chrono::steady_clock::time_point committed) {
  auto nodes = grantfs::await_node_recall(uri);
  if (!nodes) {
    complain(fmt::format(
        "the change is committed, but the nodes could not be asked whether they have forgotten: {}",
        nodes.error().message));
    context.recall_failed = true;
    return {{"acknowledged", 0}, {"waited_seconds", nullptr}};
  }
  if (nodes->empty() && without_daemon == WithoutDaemon::kSaySo) {
    complain("note: no node follows this policy; nothing to recall");
  }
  std::int64_t acknowledged = 0;
  for (const grantfs::NodeRecall& node : *nodes) {
    if (node.acknowledged) {
      ++acknowledged;
      continue;
    }
    complain(
        fmt::format("the change is committed, but the node {} has not acknowledged it: {}; look at "
                    "grantfs-follow "
                    "there, or remove a node that will not come back: grantctl node rm {}",
                    node.node, node.why, node.node));
  }
  const bool all = acknowledged == static_cast<std::int64_t>(nodes->size());
  const Seconds waited = std::chrono::steady_clock::now() - committed;
  return {{"acknowledged", acknowledged}, {"waited_seconds", all ? 0.0 : rounded(waited)}};
}

}  // namespace

Json recall_leases(Context& context, WithoutDaemon without_daemon) {
  const auto committed = std::chrono::steady_clock::now();
  if (const auto uri = context.postgresql(); uri && *uri) {
    return await_nodes(context, **uri, without_daemon, committed);
  }
  RecallOutcome outcome;
  // The change was made through this database, so its path is known. If the path is gone by now, no
  // daemon can be asked.
  if (const auto database = context.database()) {
    outcome = grantfs::recall(*database, committed);
  } else {
    complain(database.error().message);
  }
  if (!outcome.any() && without_daemon == WithoutDaemon::kSaySo) {
    complain("note: no daemon runs on this database that lends anything; nothing to recall");
  }
  Seconds waited{0};
  if (!outcome.unacknowledged.empty()) {
    const auto end = outcome.leases_end(committed);
    const Seconds left = end - std::chrono::steady_clock::now();
    for (const UnacknowledgedRecall& daemon : outcome.unacknowledged) complain_of(daemon, left);
    std::this_thread::sleep_until(end);
    waited = std::chrono::steady_clock::now() - committed;
  }
  return {{"acknowledged", outcome.acknowledged}, {"waited_seconds", rounded(waited)}};
}

int recall_and_report(Context& context, const grantfs::RowCounts& counts, const std::string& none) {
  Json document = to_json(counts);
  document["recall"] = nullptr;
  if (context.dry_run) document["dry_run"] = true;
  if (counts.total() > 0 && context.dry_run) {
    if (!context.json) complain("note: --dry-run: nothing was changed");
  } else if (counts.total() > 0) {
    document["recall"] = recall_leases(context);
  } else {
    put_error(document, {grantfs::ErrorKind::kNotFound, none});
    complain(none);
  }
  if (context.json) print(document);
  return counts.total() > 0 ? kDone : kDenied;
}

}  // namespace grantctl
