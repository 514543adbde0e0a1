#include "grantfs/link_uses.h"
#include "policy/postgresql/postgresql_engine.h"
#include "policy/postgresql/schema.h"
#include "postgres/connection.h"

namespace grantfs {

Result<std::map<std::string, CountedUses>> uses_counted_upstream(const std::string& where) {
  auto connection = open_postgresql_policy(where);
  if (!connection) return connection.error();
  auto answer = connection->query(
      "SELECT link, count(*), sum(used)::bigint, max(began) FROM link_uses GROUP BY link");
  if (!answer) return in_our_words(answer.error(), *connection);
  std::map<std::string, CountedUses> found;
  for (int row = 0; row < answer->rows(); ++row) {
    const Timestamp last{std::chrono::seconds{answer->integer(row, 3)}};
    found[std::string(answer->text(row, 0))] = {answer->integer(row, 1), answer->integer(row, 2),
                                                last};
  }
  return found;
}

}  // namespace grantfs
