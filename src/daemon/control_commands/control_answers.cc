#include "daemon/control_commands/control_answers.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "audit/record_text.h"
#include "base/quote.h"
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

/// A text of a request; empty if there is none.
std::string_view text(const nlohmann::json& request, const char* key) {
  const auto found = request.find(key);
  return found != request.end() && found->is_string()
             ? std::string_view(found->get_ref<const std::string&>())
             : std::string_view();
}

/// The uid that a process had when its user logged in (proc_pid_loginuid(5)); none if it is not
/// known.
std::optional<uid_t> login_uid(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/loginuid", pid));
  uid_t uid = kNobodyAtAll;
  if (!(file >> uid) || uid == kNobodyAtAll) return std::nullopt;
  return uid;
}

nlohmann::json change(const Serving& serving, const nlohmann::json& request,
                      const ControlPeer& peer) {
  if (serving.audit == nullptr) return control_error("this daemon keeps no record (audit=)");
  const auto arguments = request.find("arguments");
  if (arguments == request.end() || !arguments->is_array()) {
    return control_error(R"(the request has no "arguments")");
  }
  AuditEvent event{.what = AuditEvent::What::kChange, .time = audit_now()};
  if (const auto uid = peer.uid()) event.uid = *uid;
  std::string details = R"("command":)" + arguments->dump(-1, ' ', /*ensure_ascii=*/true,
                                                          nlohmann::json::error_handler_t::replace);
  for (const char* key : {"by", "note", "made"}) {
    if (const auto value = text(request, key); !value.empty()) append_member(details, key, value);
  }
  if (const auto process = peer.process()) {
    event.pid = process->pid;
    if (const auto uid = login_uid(process->pid)) {
      details += fmt::format(R"(,"login_uid":{})", *uid);
    }
  }
  event.details = details;
  if (!serving.audit->note(event)) return control_error("the record cannot be written");
  return nlohmann::json::object();
}

/// Whether the peer may say that the database is current: whoever may change the database's file
/// at will, or the daemon itself, could have it decided as he likes anyway.
bool may_say_current(const ControlPeer& peer, const std::filesystem::path& database) {
  const auto uid = peer.uid();
  if (!uid) return false;
  if (*uid == 0 || *uid == ::geteuid()) return true;
  struct stat status = {};
  return ::stat(database.c_str(), &status) == 0 && status.st_uid == *uid;
}

std::optional<std::int64_t> number(const nlohmann::json& request, const char* key) {
  const auto found = request.find(key);
  if (found == request.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

/// Takes a report, and answers; on the recalling thread.
nlohmann::json take_report(const Serving& serving, Freshness::Report report) {
  Freshness& freshness = serving.freshness;
  if (freshness.is_bounded()) {
    auto resumed = freshness.take(std::move(report));
    if (!resumed) return control_error(resumed.error().message);
    if (*resumed) {
      spdlog::info("{} is current, as a copy of {}: this daemon decides by it",
                   quoted(serving.plan.database.native()), quoted(freshness.last().upstream));
    }
  }
  nlohmann::json answer = nlohmann::json::object();
  answer["follow_seconds"] = freshness.bound().count();
  return answer;
}

void current(const Serving& serving, const nlohmann::json& request, const ControlPeer& peer,
             const ControlReply& reply) {
  if (!may_say_current(peer, serving.plan.database)) {
    return reply(control_error(
        "only root, the daemon's own user and the owner of the database may say that it is "
        "current"));
  }
  const auto as_of = number(request, "as_of");
  const auto follow_at_most = number(request, "follow_at_most");
  const auto upstream = request.find("upstream");
  if (!as_of || !follow_at_most || upstream == request.end() || !upstream->is_string()) {
    return reply(control_error(R"(the request lacks "as_of", "follow_at_most" or "upstream")"));
  }
  const std::int64_t bound = serving.freshness.bound().count();
  if (bound > *follow_at_most) {
    return reply(
        control_error(fmt::format("the upstream has been told of follow={} at most, and "
                                  "this mount has follow={}",
                                  *follow_at_most, bound)));
  }
  // What was taken away until then is recalled first.
  const Freshness::Report report{.as_of = std::chrono::nanoseconds(*as_of),
                                 .behind_bytes = number(request, "behind_bytes").value_or(0),
                                 .upstream = upstream->get<std::string>()};
  serving.recaller.catch_up([&serving, report, reply] { reply(take_report(serving, report)); });
}

}  // namespace

void ControlAnswers::answer(const nlohmann::json& request, const ControlPeer& peer,
                            const ControlReply& reply) const {
  const Serving* const serving = serving_;
  const std::string command = request["command"];
  constexpr std::array<std::string_view, 6> kCommands{"bind",    "bindings", "change",
                                                      "current", "recall",   "status"};
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
  } else if (command == "change") {
    reply(change(*serving, request, peer));
  } else if (command == "bindings") {
    reply(bindings(serving->tree));
  } else if (command == "current") {
    current(*serving, request, peer, reply);
  } else {
    serving->recaller.catch_up([reply] { reply(nlohmann::json::object()); });
  }
}

}  // namespace grantfs
