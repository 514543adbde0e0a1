#include "postgres/replication_stream.h"

#include <fmt/core.h>
#include <libpq-fe.h>

#include <chrono>
#include <utility>

#include "base/parse_integer.h"
#include "postgres/byte_reader.h"

namespace grantfs::postgres {
namespace {

Error malformed(const Connection& connection, std::string_view what) {
  return {ErrorKind::kDatabase,
          fmt::format("{}: the server's {} is malformed", connection.name(), what)};
}

/// Microseconds since 2000, as a report has them.
std::uint64_t server_time() {
  constexpr std::chrono::seconds kFrom1970To2000{946'684'800};
  const auto now = std::chrono::system_clock::now().time_since_epoch() - kFrom1970To2000;
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

void append(std::string& bytes, std::uint64_t number) {
  constexpr int kHighestByte = 56;
  constexpr int kBitsOfAByte = 8;
  for (int shift = kHighestByte; shift >= 0; shift -= kBitsOfAByte) {
    bytes += static_cast<char>(number >> static_cast<unsigned>(shift) & 0xffU);
  }
}

}  // namespace

Result<ServerIdentity> identify_server(Connection& connection) {
  auto answer = connection.command("IDENTIFY_SYSTEM");
  if (!answer) return answer.error();
  constexpr int kLeastColumns = 2;
  if (answer->rows() != 1 || answer->columns() < kLeastColumns) {
    return malformed(connection, "identity");
  }
  const auto timeline = parse_integer<std::int64_t>(answer->text(0, 1));
  std::string system(answer->text(0, 0));
  if (!timeline || system.empty()) return malformed(connection, "identity");
  auto started = connection.command(fmt::format("SELECT {}", kServerStarted));
  if (!started) return started.error();
  if (started->rows() != 1) return malformed(connection, "time of its start");
  return ServerIdentity{std::move(system), *timeline, std::string(started->text(0, 0))};
}

Result<NewSlot> create_slot(Connection& connection, const std::string& slot) {
  auto answer = connection.command(
      fmt::format("CREATE_REPLICATION_SLOT \"{}\" LOGICAL pgoutput EXPORT_SNAPSHOT", slot));
  if (!answer) return answer.error();
  constexpr int kLeastColumns = 3;
  if (answer->rows() != 1 || answer->columns() < kLeastColumns) {
    return malformed(connection, "answer about a slot");
  }
  const auto point = parse_lsn(answer->text(0, 1));
  if (!point) return malformed(connection, "answer about a slot");
  return NewSlot{*point, std::string(answer->text(0, 2))};
}

void ReplicationStream::Free::operator()(char* bytes) const {
  PQfreemem(bytes);
}

Result<ReplicationStream> ReplicationStream::start(Connection connection, const std::string& slot,
                                                   const std::string& publication, Lsn from) {
  const std::string sql = fmt::format(
      R"(START_REPLICATION SLOT "{}" LOGICAL {} (proto_version '1', publication_names '"{}"'))",
      slot, lsn_text(from), publication);
  const Answer begun(PQexec(connection.handle(), sql.c_str()));
  if (PQresultStatus(begun.get()) != PGRES_COPY_BOTH) return connection.error_of(begun);
  if (PQsetnonblocking(connection.handle(), 1) != 0) return connection.last_error();
  return ReplicationStream(std::move(connection));
}

int ReplicationStream::fd() const {
  return PQsocket(connection_.handle());
}

Result<void> ReplicationStream::receive() {
  if (auto sent = flush(); !sent) return sent;
  if (PQconsumeInput(connection_.handle()) != 1) return connection_.last_error();
  return {};
}

Result<std::optional<ReplicationStream::Event>> ReplicationStream::next() {
  char* received = nullptr;
  const int size = PQgetCopyData(connection_.handle(), &received, /*async=*/1);
  message_.reset(received);
  if (size == 0) return std::optional<Event>();
  if (size == -1) {  // the server has ended the stream, and says why
    const Answer why(PQgetResult(connection_.handle()));
    Error error = connection_.last_error();
    if (PQresultStatus(why.get()) == PGRES_COMMAND_OK)
      error.message += "the server ended the stream";
    return error;
  }
  if (size < 0) return connection_.last_error();
  ByteReader bytes({received, static_cast<std::size_t>(size)});
  const std::uint8_t kind = bytes.byte();
  if (kind == 'w') {
    (void)bytes.number64();  // where the message is from
    (void)bytes.number64();  // how far the server's log reaches
    (void)bytes.number64();  // when
    const Data data{bytes.bytes(bytes.size())};
    if (bytes.failed()) return malformed(connection_, "message");
    return std::optional<Event>(data);
  }
  if (kind == 'k') {
    Keepalive alive{.end = bytes.number64(), .wants_reply = false};
    (void)bytes.number64();  // when
    alive.wants_reply = bytes.byte() != 0;
    if (!bytes.is_done()) return malformed(connection_, "keepalive");
    return std::optional<Event>(alive);
  }
  return malformed(connection_, "message");
}

Result<void> ReplicationStream::report(const Progress& progress, bool wants_reply) {
  if (auto sent = flush(); !sent || unsent_) return sent;
  std::string bytes(1, 'r');
  append(bytes, progress.written);
  append(bytes, progress.flushed);
  append(bytes, progress.applied);
  append(bytes, server_time());
  bytes += static_cast<char>(wants_reply ? 1 : 0);
  const int put = PQputCopyData(connection_.handle(), bytes.data(), static_cast<int>(bytes.size()));
  if (put < 0) return connection_.last_error();
  return flush();
}

Result<void> ReplicationStream::flush() {
  const int left = PQflush(connection_.handle());
  if (left < 0) return connection_.last_error();
  unsent_ = left > 0;
  return {};
}

}  // namespace grantfs::postgres
