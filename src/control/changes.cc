#include "control/changes.h"

#include <utility>

#include "control/client.h"
#include "control/search.h"

namespace grantfs {

RecordedChange record_change(const std::filesystem::path& database, nlohmann::json change) {
  RecordedChange outcome;
  change["command"] = "change";
  const control::KnownDaemons known = control::known_daemons(database);
  for (const control::KnownDaemon& daemon : known.daemons) {
    if (!daemon.record || !daemon.record->keeps_record) continue;
    const auto answer = ask_daemon(daemon.socket, change, control::kAnswerTime, daemon.name());
    if (answer) {
      ++outcome.recorded;
    } else if (!daemon.has_gone()) {
      outcome.troubles.push_back(answer.error().message);
    }
  }
  return outcome;
}

}  // namespace grantfs
