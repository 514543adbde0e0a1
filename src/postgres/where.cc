#include "postgres/where.h"

#include "postgres/connection.h"

namespace grantfs::postgres {

void Where::Free::operator()(PQconninfoOption* options) const {
  PQconninfoFree(options);
}

Result<Where> Where::parse(const std::string& text) {
  // libpq's words repeat pieces of the text, which may be of a password.
  char* message = nullptr;
  Where where(PQconninfoParse(text.c_str(), &message));
  PQfreemem(message);
  if (where.options_ == nullptr) {
    return Error{ErrorKind::kInvalid,
                 "this is no connection string of PostgreSQL; write "
                 "postgresql://USER@HOST:PORT/DATABASE, with % and two hexadecimal digits for "
                 "characters such as @, / and : in a name"};
  }
  if (where.value("host").find('@') != std::string_view::npos) {
    return Error{ErrorKind::kInvalid,
                 "the connection string has an @ in the place of a host; write %40 for an @ in a "
                 "password or a user's name"};
  }
  return where;
}

std::string_view Where::value(std::string_view keyword) const {
  for (const PQconninfoOption* option = options_.get(); option->keyword != nullptr; ++option) {
    if (keyword == option->keyword) return option->val == nullptr ? "" : option->val;
  }
  return {};
}

Result<bool> has_password(const std::string& where) {
  auto parsed = Where::parse(where);
  if (!parsed) return parsed.error();
  return !parsed->value("password").empty() || !parsed->value("sslpassword").empty();
}

}  // namespace grantfs::postgres
