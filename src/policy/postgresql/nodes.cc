#include <fmt/core.h>

#include <array>

#include "grantfs/postgresql.h"
#include "policy/postgresql/postgresql_engine.h"
#include "policy/postgresql/schema.h"
#include "postgres/connection.h"

namespace grantfs {

bool is_postgresql(std::string_view where) {
  return postgres::is_uri(where);
}

Result<void> check_names_no_password(const std::string& where) {
  auto has = postgres::has_password(where);
  if (!has) return has.error();
  if (!*has) return {};
  return Error{ErrorKind::kInvalid,
               "a password is never an argument, since every process could read it there; put it "
               "into ~/.pgpass or a service file, and leave it out of the URI"};
}

Result<std::vector<Node>> nodes(const std::string& where) {
  auto connection = open_postgresql_policy(where);
  if (!connection) return connection.error();
  std::vector<Node> found;
  auto answer = connection->query(
      "SELECT known.name, known.follow_seconds, held.slot_name IS NOT NULL, sender.pid IS NOT NULL,"
      " coalesce(pg_current_wal_insert_lsn()"
      "   - coalesce(sender.replay_lsn, held.confirmed_flush_lsn), 0)::bigint"
      " FROM grantfs.nodes AS known"
      " LEFT JOIN pg_replication_slots AS held"
      "   ON held.slot_name = known.slot AND held.database = current_database()"
      " LEFT JOIN pg_stat_replication AS sender ON sender.pid = held.active_pid"
      " ORDER BY known.name");
  if (!answer) return in_our_words(answer.error(), *connection);
  found.reserve(static_cast<std::size_t>(answer->rows()));
  for (int row = 0; row < answer->rows(); ++row) {
    found.push_back({.name = std::string(answer->text(row, 0)),
                     .follow_seconds = answer->integer(row, 1),
                     .has_slot = answer->text(row, 2) == "t",
                     .connected = answer->text(row, 3) == "t",
                     .behind_bytes = answer->integer(row, 4)});
  }
  return found;
}

Result<bool> remove_node(const std::string& where, const std::string& name) {
  auto connection = open_postgresql_policy(where);
  if (!connection) return connection.error();
  const std::array parameters{postgres::Value(name)};
  auto answer = connection->query("SELECT grantfs.remove_node($1)", parameters);
  if (answer) return answer->text(0, 0) == "t";
  if (connection->failure().sqlstate != "55006") return in_our_words(answer.error(), *connection);
  return Error{ErrorKind::kConflict,
               fmt::format("{}: the follower of {} is connected; stop it first, on that machine: "
                           "systemctl disable --now grantfs-follow@NAME",
                           connection->name(), name)};
}

Result<std::vector<NodeRecall>> await_node_recall(const std::string& where) {
  auto connection = open_postgresql_policy(where);
  if (!connection) return connection.error();
  auto answer =
      connection->query("SELECT node, why = 'acknowledged', why FROM grantfs.await_recall()");
  if (!answer) return in_our_words(answer.error(), *connection);
  std::vector<NodeRecall> found;
  found.reserve(static_cast<std::size_t>(answer->rows()));
  for (int row = 0; row < answer->rows(); ++row) {
    found.push_back({.node = std::string(answer->text(row, 0)),
                     .acknowledged = answer->text(row, 1) == "t",
                     .why = std::string(answer->text(row, 2))});
  }
  return found;
}

}  // namespace grantfs
