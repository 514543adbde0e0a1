#include "postgres/connection.h"

// In place of the other sources of this folder where grantfs is built without libpq: no connection
// is ever opened, so nothing but open() is called.
namespace grantfs::postgres {

namespace {

Error absent() {
  return {ErrorKind::kDatabase,
          "this grantfs was built without libpq, and cannot use PostgreSQL; build it with "
          "-Dpostgresql=enabled"};
}

}  // namespace

Result<bool> has_password(const std::string& /*where*/) {
  return absent();
}
Secret bytea_text(std::string_view /*bytes*/) {
  return {};
}
std::optional<Secret> bytea_bytes(std::string_view /*text*/) {
  return std::nullopt;
}

void Answer::Clear::operator()(pg_result* /*result*/) const {}
int Answer::rows() const {
  return 0;
}
int Answer::columns() const {
  return 0;
}
bool Answer::is_null(int /*row*/, int /*column*/) const {
  return true;
}
std::string_view Answer::text(int /*row*/, int /*column*/) const {
  return {};
}
std::int64_t Answer::integer(int /*row*/, int /*column*/) const {
  return 0;
}
std::int64_t Answer::changed() const {
  return 0;
}

void Connection::Finish::operator()(pg_conn* /*connection*/) const {}
Result<Connection> Connection::open(const std::string& /*where*/, const Settings& /*settings*/) {
  return absent();
}
int Connection::server_version() const {
  return 0;
}
Result<Answer> Connection::query(const std::string& /*sql*/,
                                 std::span<const Value> /*parameters*/) {
  return absent();
}
Result<Answer> Connection::command(const std::string& /*sql*/) {
  return absent();
}
Result<void> Connection::execute(const std::string& /*sql*/) {
  return absent();
}
Result<void> Connection::for_each(const std::string& /*sql*/, std::span<const Value> /*parameters*/,
                                  const std::function<Result<void>(const Answer& row)>& /*take*/) {
  return absent();
}
Result<void> Connection::copy_out(const std::string& /*sql*/,
                                  const std::function<Result<void>(std::string_view)>& /*take*/) {
  return absent();
}
Result<void> Connection::begin_copy_in(const std::string& /*sql*/) {
  return absent();
}
Result<void> Connection::put_copy_data(std::string_view /*bytes*/) {
  return absent();
}
Result<std::int64_t> Connection::end_copy_in() {
  return absent();
}
void Connection::abort_copy_in() {}
Result<std::int64_t> Connection::change_each(
    const std::string& /*sql*/, std::size_t /*count*/,
    const std::function<std::span<const Value>(std::size_t row)>& /*give*/) {
  return absent();
}
bool Connection::is_alive() const {
  return false;
}
void Connection::cancel() {}
Error Connection::last_error() {
  return absent();
}
Error Connection::error_of(const Answer& /*answer*/) {
  return absent();
}

}  // namespace grantfs::postgres
