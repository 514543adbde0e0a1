#include "follow/use_claims.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

#include "base/quiet_thread.h"
#include "control/listener.h"
#include "postgres/replication_stream.h"

namespace grantfs::follow {
namespace {

using postgres::Connection;

/// How often to look whether the socket and the connection are there.
constexpr std::chrono::seconds kLookEvery{1};
/// The pause after a connection that failed.
constexpr std::chrono::milliseconds kPause{500};

/// The inode of a name; 0 if there is none.
ino_t inode_of(const std::filesystem::path& name) {
  struct stat status = {};
  return ::lstat(name.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

UseClaims::UseClaims(const Options& options)
    : options_(options), thread_(start_quiet_thread("follow claims", [this] { run(); })) {}

UseClaims::~UseClaims() {
  {
    auto state = state_.lock();
    state->stops = true;
    state->changed.notify_all();
  }
  thread_.join();
}

void UseClaims::begin(std::string server_started) {
  auto state = state_.lock();
  state->server = std::move(server_started);
  state->is_new = true;
  state->changed.notify_all();
}

void UseClaims::end() {
  auto state = state_.lock();
  state->server.reset();
  state->is_new = true;
  state->changed.notify_all();
}

void UseClaims::take(const nlohmann::json& request, const ControlReply& reply) {
  if (request["command"] != "claim") {
    return reply(control_error("unknown command; a follower knows: claim"));
  }
  auto claim = control::read_claim(request);
  if (!claim) return reply(control_error(claim.error().message));
  auto state = state_.lock();
  state->waiting.push_back({std::move(*claim), SteadyClock::now() + control::kClaimTime, reply});
  state->changed.notify_all();
}

void UseClaims::run() {
  while (true) {
    std::deque<Waiting> waiting;
    std::optional<std::string> server;
    {
      auto state = state_.lock();
      state.wait_until(state->changed, SteadyClock::now() + kLookEvery,
                       [&] { return state->stops || state->is_new || !state->waiting.empty(); });
      if (state->stops) break;
      state->is_new = false;
      waiting.swap(state->waiting);
      server = state->server;
    }
    try {
      if (server) keep_listening();
      keep_connected(server);
      for (const Waiting& each : waiting) each.reply(answer_to(each));
    } catch (const std::exception&) {
      continue;  // out of memory: those who wait are told that there is no answer
    }
  }
  server_.reset();
}

void UseClaims::keep_listening() {
  if (listens()) return;
  auto listening = listen();
  if (listening) return;
  warning_.warn(
      fmt::format("links whose uses are limited are closed: {}", listening.error().message));
}

bool UseClaims::listens() const {
  return server_ != nullptr && inode_of(folder_->path() / control::kFollowerSocket) == socket_;
}

Result<void> UseClaims::listen() {
  server_.reset();
  const gid_t group = control::administrators(options_.database);
  auto folder = control::RecordFolder::make(options_.database, group);
  if (!folder) return folder.error();
  folder_ = std::move(*folder);
  const auto name = folder_->short_path(control::kFollowerSocket);
  ::unlink(name.c_str());  // of a follower that was killed: two never follow for one copy
  auto listener = control::Listener::bind_new(name, group);
  if (!listener) return listener.error();
  auto server = ControlServer::start(
      std::move(*listener),
      [this](const auto& request, const auto& /*peer*/, const auto& reply) {
        take(request, reply);
      },
      2 * control::kClaimTime);
  if (!server) return server.error();
  server_ = std::move(*server);
  socket_ = inode_of(name);
  return {};
}

void UseClaims::keep_connected(const std::optional<std::string>& server) {
  if (!server || *server != connected_to_) {
    connection_.reset();
    connected_to_.clear();
    trouble_ = "the upstream is not connected";
  }
  if (!server || connection_ || SteadyClock::now() < connect_again_at_) return;
  auto connected = connect(*server);
  if (connected) return;
  connect_again_at_ = SteadyClock::now() + kPause;
  trouble_ = connected.error().message;
  warning_.warn(fmt::format("no uses of links can be claimed: {}", trouble_));
}

Result<void> UseClaims::connect(const std::string& server) {
  auto connection = Connection::open(options_.upstream, {.application_name = options_.slot(),
                                                         .lock_timeout = control::kClaimTime});
  if (!connection) return connection.error();
  auto bounded = connection->execute(fmt::format(
      "SET statement_timeout = {}; SET default_transaction_isolation = 'read committed'",
      control::kClaimTime.count()));
  if (!bounded) return bounded;
  auto answer = connection->query(
      fmt::format("SELECT {}, to_regprocedure('grantfs.claim_use(text, text, integer)') IS NULL",
                  postgres::kServerStarted));
  if (!answer) return answer.error();
  if (answer->rows() != 1 || answer->text(0, 0) != server) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{}: this is not the server that is followed", connection->name())};
  }
  if (answer->text(0, 1) == "t") {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{} has no grantfs.claim_use(); bring it up to date: grantctl --db {} "
                             "init",
                             connection->name(), connection->name())};
  }
  connection_.emplace(std::move(*connection));
  connected_to_ = server;
  return {};
}

nlohmann::json UseClaims::answer_to(const Waiting& waiting) {
  auto claimed = claim(waiting);
  if (claimed) return control::claim_answer(*claimed);
  warning_.warn(fmt::format("a use of a link was not claimed: {}", claimed.error().message));
  return control_error(claimed.error().message);
}

Result<std::optional<control::ClaimedUse>> UseClaims::claim(const Waiting& waiting) {
  using Claimed = std::optional<control::ClaimedUse>;
  const Error late{ErrorKind::kDatabase, "the upstream does not answer a claim in time"};
  if (!connection_) return Error{ErrorKind::kDatabase, trouble_};
  if (SteadyClock::now() >= waiting.until) return late;
  // All three are of known characters (read_claim()).
  const auto& [link, client, window] = waiting.claim;
  auto sent = connection_->send(
      fmt::format("SELECT used, age_seconds FROM grantfs.claim_use('{}', '{}', {})", link.hex(),
                  client, window));
  Result<std::optional<postgres::Answer>> answer = std::optional<postgres::Answer>();
  while (sent && answer && !*answer) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(waiting.until - SteadyClock::now());
    pollfd polled{connection_->fd(), POLLIN, 0};
    const int ready = left.count() > 0 ? ::poll(&polled, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      connection_.reset();
      return late;
    }
    answer = connection_->receive();
  }
  if (!sent || !answer) {
    const Error failed = sent ? answer.error() : sent.error();
    if (!connection_->is_alive()) connection_.reset();
    return failed;
  }
  if ((*answer)->rows() == 0) return Claimed();
  return Claimed({(*answer)->integer(0, 0), (*answer)->integer(0, 1)});
}

}  // namespace grantfs::follow
