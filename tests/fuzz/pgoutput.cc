// Messages of pgoutput: what is read was there, and nothing of it is lost.
#include <string>
#include <variant>

#include "fuzz.h"
#include "postgres/pgoutput.h"

namespace grantfs::fuzz {
namespace {

namespace pgoutput = postgres::pgoutput;

void require_within(std::string_view text, std::string_view bytes) {
  require(text.empty() || (text.data() >= bytes.data() &&
                           text.data() + text.size() <= bytes.data() + bytes.size()),
          "a text lies in its message");
}

void try_row(const pgoutput::Row& row, std::string_view bytes) {
  for (const pgoutput::Field& field : row) {
    require_within(field.text, bytes);
    require(field.kind == pgoutput::Field::Kind::kText || field.text.empty(),
            "a text alone has one");
  }
  require(row.size() <= bytes.size(), "each field has a byte of its own");
}

struct Visitor {
  std::string_view bytes;

  void operator()(const pgoutput::Relation& relation) const {
    require_within(relation.schema, bytes);
    require_within(relation.name, bytes);
    for (const auto& column : relation.columns) require_within(column.name, bytes);
    require(relation.columns.size() <= bytes.size(), "each column has bytes of its own");
  }
  void operator()(const pgoutput::Insert& insert) const { try_row(insert.row, bytes); }
  void operator()(const pgoutput::Update& update) const {
    if (update.before) try_row(*update.before, bytes);
    try_row(update.row, bytes);
  }
  void operator()(const pgoutput::Delete& deleted) const { try_row(deleted.before, bytes); }
  void operator()(const pgoutput::Truncate& truncate) const {
    require(truncate.relations.size() * sizeof(std::uint32_t) < bytes.size(),
            "each relation has bytes of its own");
  }
  template <class Other>
  void operator()(const Other& /*other*/) const {}
};

}  // namespace

void try_input(std::string_view input) {
  const auto message = pgoutput::decode(input);
  if (!message) {
    require(message.error().kind == ErrorKind::kDatabase && is_one_line(message.error().message),
            "a refusal is one line");
    return;
  }
  std::visit(Visitor{input}, *message);
  require(!pgoutput::decode(input.substr(0, input.size() - 1)), "a message that was cut is none");
  const bool takes_all =
      input.front() == 'T';  // its length says how many relations there are, and so does a number
  require(takes_all || !pgoutput::decode(std::string(input) + '\0'),
          "a message with more behind it is none");
}

}  // namespace grantfs::fuzz
