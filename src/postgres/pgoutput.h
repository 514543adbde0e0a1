#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "grantfs/result.h"
#include "postgres/lsn.h"

/// The messages of PostgreSQL's output plugin pgoutput, in version 1 of its protocol with values as
/// text (PostgreSQL's manual, "Logical Replication Message Formats"). Each message is one value.
/// What is text here is a view into the message's bytes.
namespace grantfs::postgres::pgoutput {

/// A transaction begins. It comes whole, once it is committed.
struct Begin {
  Lsn commit_lsn = 0;  ///< where the record of its commit begins
};

struct Commit {
  Lsn commit_lsn = 0;
  Lsn end_lsn = 0;  ///< where the record of the commit ends
};

struct Column {
  std::string_view name;
  std::uint32_t type = 0;  ///< the OID of its type
  bool is_key = false;     ///< part of the replica identity
};

/// The table that later messages of this connection call by this number.
struct Relation {
  std::uint32_t id = 0;
  std::string_view schema;
  std::string_view name;
  std::vector<Column> columns;
};

struct Field {
  enum class Kind : std::uint8_t {
    kNull,
    kUnchanged,  ///< a long value that an UPDATE left as it was, and that is not sent again
    kText,
  };
  Kind kind = Kind::kNull;
  std::string_view text;  ///< of kText
};
using Row = std::vector<Field>;

struct Insert {
  std::uint32_t relation = 0;
  Row row;
};

struct Update {
  std::uint32_t relation = 0;
  /// The row as it was; of columns that are no part of the replica identity, maybe NULL. None: the
  /// replica identity is unchanged.
  std::optional<Row> before;
  Row row;
};

struct Delete {
  std::uint32_t relation = 0;
  Row before;  ///< as in Update
};

struct Truncate {
  std::vector<std::uint32_t> relations;
};

/// A message that says nothing of use to us: an Origin or a Type.
struct Ignored {};

using Message = std::variant<Begin, Commit, Relation, Insert, Update, Delete, Truncate, Ignored>;

/// The message in these bytes. kDatabase if they are none of the above, too short or too long; no
/// error repeats a value. The memory that it takes is bounded by the bytes.
Result<Message> decode(std::string_view bytes);

}  // namespace grantfs::postgres::pgoutput
