#include "postgres/replication_stream.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include "base/quote.h"
#include "postgres/byte_reader.h"

namespace grantfs::postgres {
namespace {

using ResultOfServer = std::unique_ptr<PGresult, decltype(&PQclear)>;

ResultOfServer run(Connection& connection, const std::string& command) {
  return {PQexec(connection.handle(), command.c_str()), &PQclear};
}

Error malformed(const Connection& connection, std::string_view what) {
  return {ErrorKind::kDatabase,
          fmt::format("{}: the server's {} is malformed", connection.name(), what)};
}

std::string field(const ResultOfServer& result, int column) {
  return {PQgetvalue(result.get(), 0, column),
          static_cast<std::size_t>(PQgetlength(result.get(), 0, column))};
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

bool is_slot_name(std::string_view name) {
  constexpr std::size_t kLongest = 63;
  return !name.empty() && name.size() <= kLongest && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

Result<ServerIdentity> identify_server(Connection& connection) {
  const ResultOfServer result = run(connection, "IDENTIFY_SYSTEM");
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) return connection.last_error();
  constexpr int kColumns = 4;
  constexpr int kDatabase = 3;
  if (PQntuples(result.get()) != 1 || PQnfields(result.get()) < kColumns) {
    return malformed(connection, "identity");
  }
  ServerIdentity identity;
  identity.system = field(result, 0);
  const std::string timeline = field(result, 1);
  const char* const end = timeline.data() + timeline.size();
  const auto parsed = std::from_chars(timeline.data(), end, identity.timeline);
  if (parsed.ec != std::errc() || parsed.ptr != end || identity.system.empty()) {
    return malformed(connection, "identity");
  }
  identity.database = field(result, kDatabase);
  return identity;
}

Result<NewSlot> create_slot(Connection& connection, const std::string& slot) {
  const ResultOfServer result =
      run(connection,
          fmt::format("CREATE_REPLICATION_SLOT \"{}\" LOGICAL pgoutput EXPORT_SNAPSHOT", slot));
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) return connection.last_error();
  constexpr int kLeastColumns = 3;
  if (PQntuples(result.get()) != 1 || PQnfields(result.get()) < kLeastColumns) {
    return malformed(connection, "answer about a slot");
  }
  const auto point = parse_lsn(field(result, 1));
  if (!point) return malformed(connection, "answer about a slot");
  return NewSlot{*point, field(result, 2)};
}

void ReplicationStream::Free::operator()(char* bytes) const {
  PQfreemem(bytes);
}

Result<ReplicationStream> ReplicationStream::start(Connection connection, const std::string& slot,
                                                   const std::string& publication, Lsn from) {
  const ResultOfServer begun =
      run(connection, fmt::format("START_REPLICATION SLOT \"{}\" LOGICAL {} (proto_version '1', "
                                  "publication_names '\"{}\"')",
                                  slot, lsn_text(from), publication));
  if (PQresultStatus(begun.get()) != PGRES_COPY_BOTH) return connection.last_error();
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
    const ResultOfServer why(PQgetResult(connection_.handle()), &PQclear);
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
