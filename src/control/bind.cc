#include "control/bind.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/quote.h"
#include "control/client.h"
#include "control/search.h"

namespace grantfs {
namespace {

using nlohmann::json;

/// The sockets of the daemons on a database, and why it cannot be told of others whether they are.
struct Sockets {
  std::vector<std::filesystem::path> found;
  std::vector<Error> troubles;
};

Sockets sockets_of(const std::filesystem::path& database,
                   const std::optional<std::filesystem::path>& socket,
                   const std::filesystem::path& directory) {
  Sockets sockets;
  for (const control::Candidate& candidate : control::candidates(database, socket, directory)) {
    if (candidate.record) {
      sockets.found.push_back(candidate.socket);
    } else if (candidate.closed) {
      if (control::may_be_for(candidate.socket, database)) {
        sockets.troubles.push_back(control::may_not_ask(candidate.socket));
      }
    } else if (auto status = ask_status(candidate.socket)) {
      if (control::is_same_file(status->database, database)) {
        sockets.found.push_back(candidate.socket);
      }
    } else if (status.error().kind != ErrorKind::kNotFound) {
      sockets.troubles.push_back(status.error());
    }
  }
  return sockets;
}

std::vector<SessionBinding> to_bindings(const json& answer) {
  std::vector<SessionBinding> bindings;
  const auto listed = answer.find("bindings");
  if (listed == answer.end() || !listed->is_array()) return bindings;
  for (const json& item : *listed) {
    const bool is_one = item.is_object() && item.contains("session") && item.contains("id") &&
                        item["session"].is_number_integer() && item["id"].is_string();
    if (is_one) bindings.push_back({item["session"].get<pid_t>(), item["id"].get<std::string>()});
  }
  return bindings;
}

}  // namespace

Result<std::size_t> bind_session(const std::filesystem::path& database,
                                 const std::optional<std::filesystem::path>& socket,
                                 std::string_view token, const std::filesystem::path& directory) {
  const Sockets sockets = sockets_of(database, socket, directory);
  if (!sockets.troubles.empty()) return sockets.troubles.front();
  std::size_t bound = 0;
  for (const std::filesystem::path& daemon : sockets.found) {
    const auto answer = ask_daemon(daemon, {{"command", "bind"}, {"token", token}});
    if (answer) {
      ++bound;
    } else if (answer.error().kind != ErrorKind::kNotFound) {
      return answer.error();
    }
  }
  if (bound > 0) return bound;
  return Error{ErrorKind::kSystem,
               fmt::format("no daemon answers for {}; start it with: grantfs STORE MOUNTPOINT "
                           "-o db={}",
                           quoted(database.native()), quoted(database.native()))};
}

std::optional<std::vector<SessionBinding>> find_bindings(
    const std::filesystem::path& database, const std::optional<std::filesystem::path>& socket,
    const std::filesystem::path& directory) {
  bool answered = false;
  std::set<SessionBinding> bindings;
  for (const std::filesystem::path& daemon : sockets_of(database, socket, directory).found) {
    const auto answer = ask_daemon(daemon, {{"command", "bindings"}});
    if (!answer) continue;
    answered = true;
    std::ranges::move(to_bindings(*answer), std::inserter(bindings, bindings.end()));
  }
  if (!answered) return std::nullopt;
  return std::vector(bindings.begin(), bindings.end());
}

}  // namespace grantfs
