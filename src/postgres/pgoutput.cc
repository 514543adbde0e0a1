#include "postgres/pgoutput.h"

#include <fmt/core.h>

#include "base/quote.h"
#include "postgres/byte_reader.h"

namespace grantfs::postgres::pgoutput {
namespace {

constexpr std::uint8_t kIsKey = 1;

Begin read_begin(ByteReader& bytes) {
  Begin begin{.commit_lsn = bytes.number64()};
  (void)bytes.number64();  // when
  (void)bytes.number32();  // the transaction's number
  return begin;
}

Commit read_commit(ByteReader& bytes) {
  (void)bytes.byte();  // flags, of which there are none
  Commit commit{.commit_lsn = bytes.number64(), .end_lsn = bytes.number64()};
  (void)bytes.number64();  // when
  return commit;
}

Relation read_relation(ByteReader& bytes) {
  Relation relation;
  relation.id = bytes.number32();
  relation.schema = bytes.text();
  relation.name = bytes.text();
  (void)bytes.byte();  // the kind of replica identity: the columns say what it is
  const std::uint16_t count = bytes.number16();
  for (std::uint16_t i = 0; i < count && !bytes.failed(); ++i) {
    Column column;
    column.is_key = (bytes.byte() & kIsKey) != 0;
    column.name = bytes.text();
    column.type = bytes.number32();
    (void)bytes.number32();  // the type's modifier
    relation.columns.push_back(column);
  }
  return relation;
}

Field read_field(ByteReader& bytes) {
  switch (bytes.byte()) {
    case 'n':
      return {};
    case 'u':
      return {Field::Kind::kUnchanged, {}};
    case 't':
      return {Field::Kind::kText, bytes.bytes(bytes.number32())};
    default:
      bytes.fail();
      return {};
  }
}

Row read_row(ByteReader& bytes) {
  const std::uint16_t count = bytes.number16();
  Row row;
  for (std::uint16_t i = 0; i < count && !bytes.failed(); ++i) row.push_back(read_field(bytes));
  return row;
}

/// The row behind a byte that says of what kind it is.
Row read_row_of_kind(ByteReader& bytes, char kind) {
  if (bytes.byte() != static_cast<std::uint8_t>(kind)) bytes.fail();
  return read_row(bytes);
}

/// The row as it was, the kind of which has been read: 'K' the key, 'O' all of it.
Row read_row_before(ByteReader& bytes, std::uint8_t kind) {
  if (kind != 'K' && kind != 'O') bytes.fail();
  return read_row(bytes);
}

Insert read_insert(ByteReader& bytes) {
  Insert insert{.relation = bytes.number32(), .row = {}};
  insert.row = read_row_of_kind(bytes, 'N');
  return insert;
}

Update read_update(ByteReader& bytes) {
  Update update{.relation = bytes.number32(), .before = {}, .row = {}};
  const std::uint8_t kind = bytes.byte();
  if (kind == 'N') {
    update.row = read_row(bytes);
    return update;
  }
  update.before = read_row_before(bytes, kind);
  update.row = read_row_of_kind(bytes, 'N');
  return update;
}

Delete read_delete(ByteReader& bytes) {
  Delete deleted{.relation = bytes.number32(), .before = {}};
  deleted.before = read_row_before(bytes, bytes.byte());
  return deleted;
}

Truncate read_truncate(ByteReader& bytes) {
  const std::uint32_t count = bytes.number32();
  (void)bytes.byte();  // CASCADE, RESTART IDENTITY
  Truncate truncate;
  if (count != bytes.size() / sizeof(std::uint32_t)) bytes.fail();
  while (bytes.size() > 0) truncate.relations.push_back(bytes.number32());
  return truncate;
}

Ignored read_origin(ByteReader& bytes) {
  (void)bytes.number64();
  (void)bytes.text();
  return {};
}

Ignored read_type(ByteReader& bytes) {
  (void)bytes.number32();
  (void)bytes.text();
  (void)bytes.text();
  return {};
}

std::optional<Message> read(char kind, ByteReader& bytes) {
  switch (kind) {
    case 'B':
      return read_begin(bytes);
    case 'C':
      return read_commit(bytes);
    case 'R':
      return read_relation(bytes);
    case 'I':
      return read_insert(bytes);
    case 'U':
      return read_update(bytes);
    case 'D':
      return read_delete(bytes);
    case 'T':
      return read_truncate(bytes);
    case 'O':
      return read_origin(bytes);
    case 'Y':
      return read_type(bytes);
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<Message> decode(std::string_view bytes) {
  if (bytes.empty()) return Error{ErrorKind::kDatabase, "a replication message is empty"};
  ByteReader reader(bytes.substr(1));
  auto message = read(bytes.front(), reader);
  if (!message) {
    return Error{
        ErrorKind::kDatabase,
        fmt::format("a replication message is of the unknown kind {}", quoted(bytes.substr(0, 1)))};
  }
  if (!reader.is_done()) {
    return Error{
        ErrorKind::kDatabase,
        fmt::format("a replication message of the kind {} is damaged", quoted(bytes.substr(0, 1)))};
  }
  return std::move(*message);
}

}  // namespace grantfs::postgres::pgoutput
