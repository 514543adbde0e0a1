#include "postgres/connection.h"

#include <fmt/core.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/quote.h"
#include "postgres/where.h"

namespace grantfs::postgres {

namespace {

constexpr const char* kConnectTimeoutSeconds = "10";
/// How long a peer may leave what we sent, or a probe, without an answer.
constexpr int kPeerTimeoutMilliseconds = 30'000;
constexpr int kKeepaliveIdleSeconds = 15;
constexpr int kKeepaliveIntervalSeconds = 5;
constexpr int kKeepaliveProbes = 3;

/// libpq's message in one line, without the white space at its ends.
std::string one_line(std::string_view message) {
  std::string line;
  for (const char c : message) {
    const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!space) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (line.ends_with(' ')) line.pop_back();
  return printable(line);
}

std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

std::string field(const pg_result* result, int code) {
  return text_or_empty(PQresultErrorField(result, code));
}

/// "postgresql://user@host:port/database" from what libpq made of string, service and environment.
std::string name_of(const pg_conn* connection) {
  const std::string user = text_or_empty(PQuser(connection));
  const std::string host = text_or_empty(PQhost(connection));
  const std::string port = text_or_empty(PQport(connection));
  const std::string database = text_or_empty(PQdb(connection));
  // A folder of sockets is a host, too, and an address with colons stands in brackets.
  const bool bracketed = host.find(':') != std::string::npos;
  return printable(fmt::format("postgresql://{}{}{}{}{}/{}", user, user.empty() ? "" : "@",
                               bracketed ? "[" + host + "]" : host, port.empty() ? "" : ":", port,
                               database));
}

/// Parameters as libpq takes them: texts that end with a zero byte, or null pointers.
class ParameterTexts {
 public:
  explicit ParameterTexts(std::span<const Value> parameters) {
    texts_.reserve(parameters.size());
    pointers_.reserve(parameters.size());
    for (const Value& parameter : parameters) {
      pointers_.push_back(parameter ? texts_.emplace_back(*parameter).c_str() : nullptr);
      has_zero_byte_ |= parameter && parameter->find('\0') != std::string_view::npos;
    }
  }

  int size() const { return static_cast<int>(pointers_.size()); }
  const char* const* pointers() const { return pointers_.data(); }
  /// Whether a text would end early.
  bool has_zero_byte() const { return has_zero_byte_; }

 private:
  std::vector<std::string> texts_;
  std::vector<const char*> pointers_;
  bool has_zero_byte_ = false;
};

Error zero_byte() {
  return {ErrorKind::kInvalid, "a text with a zero byte cannot be stored in PostgreSQL"};
}

/// Has the kernel notice a peer that is gone, where the connection string does not say how.
void watch_peer(pg_conn* connection) {
  const int socket = PQsocket(connection);
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (socket < 0 || ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
      (address.ss_family != AF_INET && address.ss_family != AF_INET6)) {
    return;
  }
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfo(connection),
                                                                             &PQconninfoFree);
  const auto unless_given = [&](std::string_view keyword, int option, int value) {
    for (const PQconninfoOption* one = options.get(); one != nullptr && one->keyword != nullptr;
         ++one) {
      if (keyword == one->keyword && one->val != nullptr && *one->val != '\0' &&
          std::string_view(one->val) != "0") {
        return;
      }
    }
    // A kernel that refuses leaves its own, longer times in force.
    (void)::setsockopt(socket, IPPROTO_TCP, option, &value, sizeof value);
  };
  unless_given("tcp_user_timeout", TCP_USER_TIMEOUT, kPeerTimeoutMilliseconds);
  unless_given("keepalives_idle", TCP_KEEPIDLE, kKeepaliveIdleSeconds);
  unless_given("keepalives_interval", TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
  unless_given("keepalives_count", TCP_KEEPCNT, kKeepaliveProbes);
}

}  // namespace

void Connection::Finish::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Result<Connection> Connection::open(const std::string& where, const Settings& settings) {
  auto parsed = Where::parse(where);
  if (!parsed) return parsed.error();

  // A later keyword wins over an earlier one, and a service's values over neither.
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  const auto add = [&](const char* keyword, const char* value) {
    keywords.push_back(keyword);
    values.push_back(value);
  };
  add("fallback_application_name", settings.application_name.c_str());
  if (parsed->value("service").empty() && std::getenv("PGSERVICE") == nullptr &&
      std::getenv("PGCONNECT_TIMEOUT") == nullptr) {
    add("connect_timeout", kConnectTimeoutSeconds);
  }
  add("dbname", where.c_str());
  add("client_encoding", "UTF8");
  if (settings.replication) add("replication", "database");
  add(nullptr, nullptr);
  pg_conn* handle = PQconnectdbParams(keywords.data(), values.data(), /*expand_dbname=*/1);
  if (handle == nullptr) return Error{ErrorKind::kDatabase, "no memory for a connection"};

  // Notices would go to standard error, beside what the program says.
  PQsetNoticeReceiver(
      handle, [](void*, const PGresult*) {}, nullptr);
  Connection connection(handle, name_of(handle));
  if (PQstatus(handle) != CONNECTION_OK) return connection.last_error();
  watch_peer(handle);
  if (auto prepared = connection.prepare_session(settings); !prepared) return prepared.error();
  return connection;
}

Result<void> Connection::prepare_session(const Settings& settings) {
  if (server_version() < kOldestServer) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{}: the server is PostgreSQL {}; grantfs needs {} or newer", name_,
                             server_version() / 10000, kOldestServer / 10000)};
  }
  return execute(
      fmt::format("SET search_path = grantfs, pg_temp; SET bytea_output = hex; "
                  "SET standard_conforming_strings = on; SET lock_timeout = {}",
                  settings.lock_timeout.count()));
}

int Connection::server_version() const {
  return PQserverVersion(handle_.get());
}

bool Connection::is_alive() const {
  return PQstatus(handle_.get()) == CONNECTION_OK;
}

Error Connection::last_error() {
  failure_ = {};
  failure_.message = one_line(PQerrorMessage(handle_.get()));
  const char* password = PQpass(handle_.get());
  // No message of libpq is known to hold it; that of a library below might.
  if (password != nullptr && *password != '\0' &&
      failure_.message.find(password) != std::string::npos) {
    failure_.message = "the connection failed";
  }
  return {ErrorKind::kDatabase, fmt::format("{}: {}", name_, failure_.message)};
}

Error Connection::error_of(const Answer& answer) {
  const pg_result* const result = answer.get();
  const std::string state = field(result, PG_DIAG_SQLSTATE);
  if (state.empty()) return last_error();
  // Not PG_DIAG_MESSAGE_DETAIL: it shows rows, and so hashes of tokens and secrets of keys.
  failure_ = {.sqlstate = state,
              .message = one_line(field(result, PG_DIAG_MESSAGE_PRIMARY)),
              .constraint = field(result, PG_DIAG_CONSTRAINT_NAME),
              .table = field(result, PG_DIAG_TABLE_NAME),
              .column = field(result, PG_DIAG_COLUMN_NAME)};
  const std::string hint = one_line(field(result, PG_DIAG_MESSAGE_HINT));
  return {ErrorKind::kDatabase,
          fmt::format("{}: {}{}{}", name_, failure_.message, hint.empty() ? "" : "; ", hint)};
}

Result<Answer> Connection::query(const std::string& sql, std::span<const Value> parameters) {
  const ParameterTexts texts(parameters);
  if (texts.has_zero_byte()) return zero_byte();
  Answer answer(PQexecParams(handle_.get(), sql.c_str(), texts.size(), nullptr, texts.pointers(),
                             nullptr, nullptr, /*resultFormat=*/0));
  const ExecStatusType status = PQresultStatus(answer.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    return error_of(answer);
  }
  return answer;
}

Result<Answer> Connection::command(const std::string& sql) {
  Answer answer(PQexec(handle_.get(), sql.c_str()));
  const ExecStatusType status = PQresultStatus(answer.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
    return error_of(answer);
  }
  return answer;
}

Result<void> Connection::execute(const std::string& sql) {
  auto answer = command(sql);
  if (!answer) return answer.error();
  return {};
}

Result<void> Connection::for_each(const std::string& sql, std::span<const Value> parameters,
                                  const std::function<Result<void>(const Answer& row)>& take) {
  const ParameterTexts texts(parameters);
  if (texts.has_zero_byte()) return zero_byte();
  if (PQsendQueryParams(handle_.get(), sql.c_str(), texts.size(), nullptr, texts.pointers(),
                        nullptr, nullptr, /*resultFormat=*/0) != 1 ||
      PQsetSingleRowMode(handle_.get()) != 1) {
    return last_error();
  }
  while (true) {
    const Answer answer(PQgetResult(handle_.get()));
    if (answer.get() == nullptr) return {};
    const ExecStatusType status = PQresultStatus(answer.get());
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) continue;
    if (status != PGRES_SINGLE_TUPLE) {
      const Error error = error_of(answer);
      abandon();
      return error;
    }
    if (auto taken = take(answer); !taken) {
      abandon();
      return taken.error();
    }
  }
}

Result<void> Connection::copy_out(const std::string& sql,
                                  const std::function<Result<void>(std::string_view)>& take) {
  const Answer begun(PQexec(handle_.get(), sql.c_str()));
  if (PQresultStatus(begun.get()) != PGRES_COPY_OUT) {
    return error_of(begun);
  }
  while (true) {
    char* bytes = nullptr;
    const int length = PQgetCopyData(handle_.get(), &bytes, /*async=*/0);
    const std::unique_ptr<char, decltype(&PQfreemem)> row(bytes, &PQfreemem);
    if (length < 0) break;  // -1: the end; -2: an error, which drain() finds
    if (auto taken = take({row.get(), static_cast<std::size_t>(length)}); !taken) {
      abandon();
      return taken.error();
    }
  }
  if (auto rest = drain(); !rest) return rest.error();
  return {};
}

Result<void> Connection::begin_copy_in(const std::string& sql) {
  const Answer begun(PQexec(handle_.get(), sql.c_str()));
  if (PQresultStatus(begun.get()) != PGRES_COPY_IN) {
    return error_of(begun);
  }
  return {};
}

Result<void> Connection::put_copy_data(std::string_view bytes) {
  if (PQputCopyData(handle_.get(), bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return last_error();
  }
  return {};
}

Result<std::int64_t> Connection::end_copy_in() {
  if (PQputCopyEnd(handle_.get(), nullptr) != 1) return last_error();
  return drain();
}

void Connection::abort_copy_in() {
  const Failure failure = failure_;
  (void)PQputCopyEnd(handle_.get(), "given up by grantfs");
  (void)drain();
  failure_ = failure;
}

Result<std::int64_t> Connection::change_each(
    const std::string& sql, std::size_t count,
    const std::function<std::span<const Value>(std::size_t row)>& give) {
  // What the server answers to so many fits into the buffers of a socket: else both sides would
  // wait for each other to read.
  constexpr std::size_t kMostAtOnce = 100;
  if (count == 0) return std::int64_t{0};
  const Answer prepared(PQprepare(handle_.get(), "", sql.c_str(), 0, nullptr));
  if (PQresultStatus(prepared.get()) != PGRES_COMMAND_OK) {
    return error_of(prepared);
  }
  if (PQenterPipelineMode(handle_.get()) != 1) return last_error();
  std::int64_t changed = 0;
  Result<void> done;
  for (std::size_t begin = 0; begin < count && done; begin += kMostAtOnce) {
    done = change_some(begin, std::min(begin + kMostAtOnce, count), give, changed);
  }
  if (PQexitPipelineMode(handle_.get()) != 1 && done) return last_error();
  if (!done) return done.error();
  return changed;
}

Result<void> Connection::change_some(
    std::size_t begin, std::size_t end,
    const std::function<std::span<const Value>(std::size_t row)>& give, std::int64_t& changed) {
  std::optional<Error> failed;
  for (std::size_t row = begin; row < end && !failed; ++row) {
    const ParameterTexts texts(give(row));
    if (texts.has_zero_byte()) {
      failed = zero_byte();
    } else if (PQsendQueryPrepared(handle_.get(), "", texts.size(), texts.pointers(), nullptr,
                                   nullptr, /*resultFormat=*/0) != 1) {
      failed = last_error();
    }
  }
  if (PQpipelineSync(handle_.get()) != 1) return last_error();
  // Each statement has a result and an end, and behind them all comes that of the sync.
  while (is_alive()) {
    const Answer answer(PQgetResult(handle_.get()));
    if (answer.get() == nullptr) continue;
    const ExecStatusType status = PQresultStatus(answer.get());
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_COMMAND_OK) {
      changed += answer.changed();
    } else if (status != PGRES_PIPELINE_ABORTED && !failed) {
      failed = error_of(answer);
    }
  }
  if (failed) return *failed;
  if (!is_alive()) return last_error();
  return {};
}

Result<std::int64_t> Connection::drain() {
  std::int64_t changed = 0;
  std::optional<Error> failed;
  while (true) {
    const Answer answer(PQgetResult(handle_.get()));
    if (answer.get() == nullptr) break;
    const ExecStatusType status = PQresultStatus(answer.get());
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
      changed = answer.changed();
    } else if (!failed) {
      failed = error_of(answer);
    }
    // After the loss of a connection libpq would hand out one more result, and again.
    if (!is_alive()) break;
  }
  if (failed) return *failed;
  return changed;
}

void Connection::cancel() {
  const std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> request(PQgetCancel(handle_.get()),
                                                                   &PQfreeCancel);
  char trouble[256];  // NOLINT(modernize-avoid-c-arrays): libpq's interface
  if (request != nullptr) (void)PQcancel(request.get(), trouble, sizeof trouble);
}

void Connection::abandon() {
  const Failure failure = failure_;
  cancel();
  while (is_alive()) {
    const Answer answer(PQgetResult(handle_.get()));
    if (answer.get() == nullptr) break;
    if (PQresultStatus(answer.get()) != PGRES_COPY_OUT) continue;
    char* bytes = nullptr;
    while (PQgetCopyData(handle_.get(), &bytes, /*async=*/0) > 0) PQfreemem(bytes);
  }
  failure_ = failure;
}

}  // namespace grantfs::postgres
