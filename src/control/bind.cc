#include "control/bind.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/quote.h"
#include "control/client.h"
#include "control/search.h"
#include "grantfs/secret.h"

namespace grantfs {
namespace {

using nlohmann::json;

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

/// This builds the request's bytes by hand, since a document of nlohmann's would keep copies of the
/// token. The token must therefore need no escaping in JSON, which holds for every valid token.
Result<Secret> bind_request(std::string_view token) {
  const bool plain = std::ranges::all_of(token, [](char c) {
    return c > ' ' && c <= '~' && c != '"' && c != '\\';  // RFC 8259, section 7
  });
  if (!plain) {
    return Error{ErrorKind::kConflict, "the token has characters that no token has"};
  }
  return Secret::joined({R"({"command":"bind","token":")", token, "\"}\n"});
}

}  // namespace

Result<std::size_t> bind_session(const std::filesystem::path& database, std::string_view token) {
  auto request = bind_request(token);
  if (!request) return request.error();
  const control::KnownDaemons known = control::known_daemons(database);
  if (known.trouble) return *known.trouble;
  std::size_t bound = 0;
  for (const control::KnownDaemon& daemon : known.daemons) {
    const auto answer =
        ask_daemon_by_line(daemon.socket, request->view(), control::kAnswerTime, daemon.name());
    if (answer) {
      ++bound;
    } else if (!daemon.has_gone()) {
      Error error = answer.error();
      // A daemon of this name lives, yet no process listens at its socket. The daemon is starting
      // or ending, or its socket was removed.
      if (error.kind == ErrorKind::kNotFound) error.kind = ErrorKind::kSystem;
      return error;
    }
  }
  if (bound > 0) return bound;
  return Error{ErrorKind::kSystem,
               fmt::format("no daemon runs on {}; start it with: grantfs STORE MOUNTPOINT "
                           "-o db={}",
                           quoted(database.native()), quoted(database.native()))};
}

Result<std::vector<SessionBinding>> ask_bindings(const std::filesystem::path& socket) {
  const auto answer = ask_daemon(socket, {{"command", "bindings"}});
  if (!answer) return answer.error();
  return to_bindings(*answer);
}

std::optional<std::vector<SessionBinding>> find_bindings(const std::filesystem::path& database) {
  bool answered = false;
  std::set<SessionBinding> bindings;
  const control::KnownDaemons known = control::known_daemons(database);
  for (const control::KnownDaemon& daemon : known.daemons) {
    const auto answer =
        ask_daemon(daemon.socket, {{"command", "bindings"}}, control::kAnswerTime, daemon.name());
    if (!answer) continue;
    answered = true;
    std::ranges::move(to_bindings(*answer), std::inserter(bindings, bindings.end()));
  }
  if (!answered) return std::nullopt;
  return std::vector(bindings.begin(), bindings.end());
}

}  // namespace grantfs
