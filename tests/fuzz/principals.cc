// Principals: one spelling each, and both databases take the same.
#include "fuzz.h"
#include "grantfs/principal.h"
#include "policy/postgresql/checks.h"
#include "postgresql_text.h"
#include "schema_rows.h"

namespace grantfs::fuzz {

void try_input(std::string_view input) {
  static SchemaRows rows;
  static PostgresqlCheck postgresql(PG_IS_PRINCIPAL("v"));
  const auto principal = Principal::parse(input);
  require(
      rows.take("INSERT INTO owners (path, principal) VALUES ('a', ?)", input) == principal.ok(),
      "SQLite's CHECK takes the principals that the parser takes");
  if (const auto taken = postgresql.holds(input)) {
    require(*taken == principal.ok(),
            "PostgreSQL's CHECK takes the principals that the parser takes");
  }
  if (!principal) {
    require(is_one_line(principal.error().message), "a refusal is one line");
    return;
  }
  require(principal->text() == input, "a principal has one spelling");
  require(input.find_first_of(std::string_view("/\0\n", 3)) == std::string_view::npos,
          "a principal can be a name");
  require((principal->kind() == Principal::Kind::kPublic) == principal->name().empty(),
          "all but public have a name");
  require((principal->kind() == Principal::Kind::kGroup) ==
              rows.take("INSERT INTO members (member, parent) VALUES ('user:a', ?)", input),
          "the members of a group alone are kept");
}

}  // namespace grantfs::fuzz
