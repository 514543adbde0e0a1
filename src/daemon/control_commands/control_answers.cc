#include "daemon/control_commands/control_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "control/document.h"
#include "daemon/status/status.h"

namespace grantfs {
namespace {

// control/document.h explains how the documents below are built.

nlohmann::json bind(Tree& tree, const nlohmann::json& request, const ControlPeer& peer) {
  const auto token = request.find("token");
  if (token == request.end() || !token->is_string()) {
    return control_error("the request has no \"token\"");
  }
  auto process = peer.process();
  if (!process) return control_error(process.error().message);
  const auto bound =
      tree.bind(process->pid, std::move(process->pidfd), token->get_ref<const std::string&>());
  if (bound) {
    nlohmann::json answer = nlohmann::json::object();
    answer["session"] = process->pid;
    return answer;
  }
  nlohmann::json refusal = control_error(bound.error().message);
  if (bound.error().kind == ErrorKind::kNotFound) refusal["denied"] = true;
  return refusal;
}

nlohmann::json bindings(Tree& tree) {
  nlohmann::json bound = nlohmann::json::array();
  const control::Emptied emptied(bound);
  for (const auto& binding : tree.bindings()) {
    nlohmann::json& one = bound.emplace_back(nlohmann::json::object());
    one["session"] = binding.posix_session;
    one["id"] = binding.token.hex();
  }
  nlohmann::json answer = nlohmann::json::object();
  answer["bindings"] = std::move(bound);
  return answer;
}

}  // namespace

void ControlAnswers::answer(const nlohmann::json& request, const ControlPeer& peer,
                            const ControlReply& reply) const {
  const Serving* const serving = serving_;
  const std::string command = request["command"];
  constexpr std::array<std::string_view, 4> kCommands{"bind", "bindings", "recall", "status"};
  if (std::ranges::find(kCommands, command) == kCommands.end()) {
    reply(control_error(
        fmt::format("unknown command; this daemon knows: {}", fmt::join(kCommands, ", "))));
  } else if (serving == nullptr) {
    // A recall needs no work now: whatever this daemon will lend is decided after this moment, and
    // so after the commit that the command has made.
    reply(command == "recall" ? nlohmann::json::object() : control_error("the daemon is starting"));
  } else if (command == "status") {
    nlohmann::json told = nlohmann::json::object();
    const control::Emptied emptied(told);
    write_status(*serving, told);
    reply(std::move(told));
  } else if (command == "bind") {
    reply(bind(serving->tree, request, peer));
  } else if (command == "bindings") {
    reply(bindings(serving->tree));
  } else {
    serving->recaller.catch_up([reply] { reply(nlohmann::json::object()); });
  }
}

}  // namespace grantfs
