#include "control/client.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/quote.h"
#include "control/document.h"
#include "control/search.h"
#include "control/socket.h"

namespace grantfs {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
using nlohmann::json;

/// Makes an error that names the daemon: `name` is the daemon's name.
Error trouble(std::string_view name, std::string_view what) {
  return {ErrorKind::kSystem, fmt::format("{}: {}", name, what)};
}

Error trouble(std::string_view name, int error) {
  return trouble(name, error == EACCES ? "this user may not ask it; join the group that "
                                         "administers the database"
                                       : std::strerror(error));
}

/// Waits until the socket is ready. Returns false at the deadline.
bool wait_for(const UniqueFd& fd, short events, SteadyTime deadline) {
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd polled{fd.get(), events, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

Result<UniqueFd> connect_by(const std::filesystem::path& socket, std::string_view name,
                            SteadyTime deadline) {
  constexpr std::chrono::milliseconds kPause{20};
  auto address = control::socket_address(socket);
  if (!address) return address.error();
  UniqueFd fd = control::new_socket();
  if (!fd) return trouble(name, errno);
  while (true) {
    const int error = control::connect_to(fd, *address);
    if (error == 0) return fd;
    if (error == ECONNREFUSED || error == ENOENT || error == ENOTDIR) {
      return Error{ErrorKind::kNotFound,
                   fmt::format("no daemon answers at {}", quoted(socket.native()))};
    }
    // EAGAIN means that the listener's queue is full: unix(7) lets no client wait for a place in
    // the queue.
    if (error != EAGAIN && error != EINTR) return trouble(name, error);
    if (std::chrono::steady_clock::now() + kPause >= deadline) {
      return trouble(name, "it is too busy to answer");
    }
    std::this_thread::sleep_for(kPause);
  }
}

Result<void> send_line(const UniqueFd& fd, std::string_view line, std::string_view name,
                       SteadyTime deadline) {
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t size = ::send(fd.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (size >= 0) {
      sent += static_cast<std::size_t>(size);
    } else if (errno == EAGAIN) {
      if (!wait_for(fd, POLLOUT, deadline)) return trouble(name, "it does not answer");
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return {};  // the daemon has sent its whole answer
    } else if (errno != EINTR) {
      return trouble(name, errno);
    }
  }
  return {};
}

Result<std::string> receive_line(const UniqueFd& fd, std::string_view name, SteadyTime deadline) {
  std::string line;
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t size = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (size > 0) {
      line.append(buffer.data(), static_cast<std::size_t>(size));
      const auto newline = line.find('\n');
      if (newline != std::string::npos) return line.substr(0, newline);
      if (line.size() >= control::kMaxLineBytes) return trouble(name, "its answer has no end");
    } else if (size == 0) {
      return trouble(name, "it hung up before it had answered");
    } else if (errno == EAGAIN) {
      if (!wait_for(fd, POLLIN, deadline)) return trouble(name, "it does not answer");
    } else if (errno != EINTR) {
      return trouble(name, errno);
    }
  }
}

std::string text_field(const json& object, const char* key) {
  const auto field = object.find(key);
  return field != object.end() && field->is_string() ? field->get<std::string>() : std::string();
}

std::int64_t number_field(const json& object, const char* key) {
  const auto field = object.find(key);
  return field != object.end() && field->is_number_integer() ? field->get<std::int64_t>() : 0;
}

std::optional<FollowStatus> follow_field(const json& answer) {
  const auto follow = answer.find("follow");
  if (follow == answer.end() || !follow->is_object()) return std::nullopt;
  FollowStatus status;
  status.seconds = number_field(*follow, "seconds");
  const auto current = follow->find("current");
  status.current = current != follow->end() && *current == true;
  status.upstream = text_field(*follow, "upstream");
  status.age_milliseconds = number_field(*follow, "age_milliseconds");
  status.left_milliseconds = number_field(*follow, "left_milliseconds");
  status.behind_bytes = number_field(*follow, "behind_bytes");
  return status;
}

std::optional<AuditStatus> audit_field(const json& answer) {
  const auto audit = answer.find("audit");
  if (audit == answer.end() || !audit->is_object()) return std::nullopt;
  const auto required = audit->find("required");
  return AuditStatus{.place = text_field(*audit, "place"),
                     .required = required != audit->end() && *required == true,
                     .trouble = text_field(*audit, "trouble")};
}

std::vector<std::int64_t> numbers_field(const json& object, const char* key) {
  std::vector<std::int64_t> numbers;
  const auto field = object.find(key);
  if (field == object.end() || !field->is_array()) return numbers;
  for (const json& number : *field) {
    if (number.is_number_integer()) numbers.push_back(number.get<std::int64_t>());
  }
  return numbers;
}

std::optional<RecallTimesStatus> recall_times_field(const json& answer) {
  const auto times = answer.find("recall_times");
  if (times == answer.end() || !times->is_object()) return std::nullopt;
  RecallTimesStatus status{numbers_field(*times, "bounds_microseconds"),
                           numbers_field(*times, "counts"),
                           number_field(*times, "total_microseconds")};
  if (status.counts.size() != status.bounds_microseconds.size() + 1) return std::nullopt;
  return status;
}

}  // namespace

Result<json> ask_daemon(const std::filesystem::path& socket, const json& request,
                        std::chrono::milliseconds time, std::string_view name) {
  const std::string line = request.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
  return ask_daemon_by_line(socket, line, time, name);
}

Result<json> ask_daemon_by_line(const std::filesystem::path& socket, std::string_view line,
                                std::chrono::milliseconds time, std::string_view given_name) {
  const std::string name = given_name.empty()
                               ? fmt::format("the daemon at {}", quoted(socket.native()))
                               : std::string(given_name);
  const SteadyTime deadline = std::chrono::steady_clock::now() + time;
  auto fd = connect_by(socket, name, deadline);
  if (!fd && fd.error().kind == ErrorKind::kNotFound && !given_name.empty()) {
    return Error{ErrorKind::kNotFound, fmt::format("{}: nobody listens at its socket", name)};
  }
  if (!fd) return fd.error();
  if (auto sent = send_line(*fd, line, name, deadline); !sent) return sent.error();
  auto answer = receive_line(*fd, name, deadline);
  if (!answer) return answer.error();

  json parsed = json::parse(*answer, nullptr, /*allow_exceptions=*/false);
  const control::Emptied emptied(parsed);
  if (!parsed.is_object()) return trouble(name, "its answer is not a JSON object");
  const auto ok = parsed.find("ok");
  if (ok == parsed.end() || !ok->is_boolean() || !ok->get<bool>()) {
    Error refusal = trouble(name, quoted(text_field(parsed, "error")));
    const auto denied = parsed.find("denied");
    if (denied != parsed.end() && *denied == true) refusal.kind = ErrorKind::kConflict;
    return refusal;
  }
  return parsed;
}

Result<DaemonStatus> ask_status(const std::filesystem::path& socket, std::string_view name) {
  auto answer = ask_daemon(socket, {{"command", "status"}}, control::kAnswerTime, name);
  if (!answer) return answer.error();
  DaemonStatus status;
  status.control = text_field(*answer, "control");
  if (auto stage = text_field(*answer, "stage"); !stage.empty()) status.stage = std::move(stage);
  status.mount_id = static_cast<std::uint64_t>(number_field(*answer, "mount_id"));
  status.version = text_field(*answer, "version");
  status.pid = number_field(*answer, "pid");
  status.store = text_field(*answer, "store");
  status.mountpoint = text_field(*answer, "mountpoint");
  status.database = text_field(*answer, "database");
  status.source = text_field(*answer, "source");
  status.enforce = text_field(*answer, "enforce");
  status.enforce_because = text_field(*answer, "enforce_because");
  status.healthy = text_field(*answer, "state") != "trouble";
  const auto troubles = answer->find("troubles");
  if (troubles != answer->end() && troubles->is_array()) {
    for (const json& trouble : *troubles) {
      if (trouble.is_string()) status.troubles.push_back(trouble.get<std::string>());
    }
  }
  const auto last = answer->find("last_trouble");
  if (last != answer->end() && last->is_object()) {
    status.last_trouble = text_field(*last, "message");
    status.last_trouble_at = number_field(*last, "at");
  }
  status.lends_nothing_because = text_field(*answer, "lends_nothing_because");
  const auto lease = answer->find("lease_seconds");
  if (lease != answer->end() && lease->is_number()) status.lease_seconds = lease->get<double>();
  status.follow = follow_field(*answer);
  status.audit = audit_field(*answer);
  status.recall_times = recall_times_field(*answer);
  status.store_asked_because = text_field(*answer, "store_asked_because");
  status.transport = text_field(*answer, "transport");
  const auto passthrough = answer->find("passthrough");
  status.passthrough = passthrough != answer->end() && *passthrough == true;
  const auto handles = answer->find("handles_refused");
  if (handles != answer->end() && handles->is_boolean())
    status.handles_refused = handles->get<bool>();
  const auto stacking = answer->find("stacking_refused");
  if (stacking != answer->end() && stacking->is_boolean())
    status.stacking_refused = stacking->get<bool>();
  status.system_calls = text_field(*answer, "system_calls");
  status.writes = text_field(*answer, "writes");
  status.started = number_field(*answer, "started");
  status.uptime_seconds = number_field(*answer, "uptime_seconds");
  const auto counters = answer->find("counters");
  if (counters != answer->end() && counters->is_object()) {
    for (const auto& [counter, value] : counters->items()) {
      if (value.is_number_integer())
        status.counters.emplace_back(counter, value.get<std::int64_t>());
    }
  }
  return status;
}

DaemonSearch find_daemons(const std::filesystem::path& database) {
  DaemonSearch search;
  const control::KnownDaemons known = control::known_daemons(database);
  if (known.trouble) search.troubles.push_back(known.trouble->message);
  for (const control::KnownDaemon& daemon : known.daemons) {
    auto status = ask_status(daemon.socket, daemon.name());
    if (status) {
      search.found.push_back(std::move(*status));
    } else if (!daemon.has_gone()) {
      search.troubles.push_back(status.error().message);
      search.silent.push_back(daemon.record ? daemon.record->mountpoint : std::filesystem::path());
    }
  }
  return search;
}

}  // namespace grantfs
