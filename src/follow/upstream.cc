#include "follow/upstream.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/quote.h"
#include "follow/tables.h"
#include "policy/schema/schema.h"
#include "postgres/replication_stream.h"

namespace grantfs::follow {

using postgres::Connection;
using postgres::Value;

namespace {

/// The columns of all tables, as columns_sql() has the server say them.
std::string columns_wanted() {
  std::vector<std::string> columns;
  for (const Table& table : tables()) {
    for (const Column& column : table.columns) {
      columns.push_back(fmt::format("{}.{}:{}", table.name, column.name,
                                    static_cast<std::uint32_t>(column.type)));
    }
  }
  std::ranges::sort(columns);
  return fmt::format("{}", fmt::join(columns, ","));
}

std::string quoted_names() {
  std::string names;
  for (const Table& table : tables()) {
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", table.name);
  }
  return names;
}

std::string columns_sql() {
  return fmt::format(
      "(SELECT string_agg(one, ',' ORDER BY one COLLATE \"C\") FROM (SELECT c.relname || '.' || "
      "a.attname || ':' || a.atttypid FROM pg_catalog.pg_attribute a "
      "JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
      "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
      "WHERE a.attnum > 0 AND NOT a.attisdropped AND n.nspname = '{}' AND c.relname IN ({})) "
      "AS all_of_them (one))",
      kUpstreamSchema, quoted_names());
}

}  // namespace

std::string publication_sql() {
  // Each row of a catalog says by its xmin in which transaction it was written.
  return fmt::format(
      "(SELECT CASE WHEN count(*) = {} AND bool_and(p.pubinsert AND p.pubupdate AND p.pubdelete "
      "AND "
      "p.pubtruncate) THEN min(p.oid::text || '.' || p.xmin::text) || ':' || "
      "string_agg(r.oid::text || '.' || r.xmin::text, ',' ORDER BY r.oid) END "
      "FROM pg_catalog.pg_publication p "
      "JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid "
      "JOIN pg_catalog.pg_class c ON c.oid = r.prrelid "
      "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
      "WHERE p.pubname = '{}' AND n.nspname = '{}' AND c.relname IN ({}))",
      tables().size(), kPublication, kUpstreamSchema, quoted_names());
}

Result<UpstreamState> look_at_upstream(Connection& ordinary, Connection& replication) {
  auto identity = postgres::identify_server(replication);
  if (!identity) return identity.error();
  auto answer = ordinary.query(
      fmt::format("SELECT (SELECT value FROM grantfs.meta WHERE key = 'schema'), {}, "
                  "pg_current_wal_insert_lsn(), current_setting('wal_block_size')::bigint, "
                  "pg_size_bytes(current_setting('wal_segment_size')), {}, {}",
                  publication_sql(), columns_sql(), postgres::kServerStarted));
  if (!answer) return answer.error();
  constexpr int kStarted = 6;
  if (answer->rows() != 1 || answer->text(0, kStarted) != identity->started) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{}: two connections have led to different servers, of which one does "
                             "not know what the other sends; name the primary alone",
                             ordinary.name())};
  }
  const auto schema = std::to_string(current_schema_version());
  if (answer->text(0, 0) != schema) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{} has the policy's schema {}, and this version follows schema {}; "
                             "bring both to the same version (grantctl --db {} init)",
                             ordinary.name(), quoted(answer->text(0, 0)), schema, ordinary.name())};
  }
  if (answer->is_null(0, 1)) {
    return Error{
        ErrorKind::kDatabase,
        fmt::format("{} does not publish all of the policy; mend it: grantctl --db {} init",
                    ordinary.name(), ordinary.name())};
  }
  constexpr int kEnd = 2;
  constexpr int kBlock = 3;
  constexpr int kSegment = 4;
  constexpr int kColumns = 5;
  if (answer->text(0, kColumns) != columns_wanted()) {
    return Error{
        ErrorKind::kDatabase,
        fmt::format("{} has tables with other columns than this version knows", ordinary.name())};
  }
  UpstreamState state;
  state.system = identity->system;
  state.timeline = identity->timeline;
  state.started = identity->started;
  state.publication = answer->text(0, 1);
  const auto end = postgres::parse_lsn(answer->text(0, kEnd));
  state.log.block = static_cast<std::uint64_t>(answer->integer(0, kBlock));
  state.log.segment = static_cast<std::uint64_t>(answer->integer(0, kSegment));
  if (!end || state.log.block == 0 || state.log.segment < state.log.block) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{} has a log that is not understood", ordinary.name())};
  }
  state.end = *end;
  return state;
}

Result<std::optional<SlotState>> look_at_slot(Connection& ordinary, const std::string& slot) {
  const std::array<Value, 1> parameters{slot};
  auto answer = ordinary.query(
      "SELECT active, wal_status = 'lost', confirmed_flush_lsn, "
      "plugin = 'pgoutput' AND database = current_database() "
      "FROM pg_catalog.pg_replication_slots WHERE slot_name = $1",
      parameters);
  if (!answer) return answer.error();
  if (answer->rows() == 0) return std::optional<SlotState>();
  constexpr int kConfirmed = 2;
  constexpr int kOurs = 3;
  if (answer->text(0, kOurs) != "t") {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{}: the replication slot {} is of another database or for another "
                             "purpose; name another node",
                             ordinary.name(), slot)};
  }
  SlotState state;
  state.active = answer->text(0, 0) == "t";
  // A slot that has never said where it is has lost its way, too.
  const auto confirmed = postgres::parse_lsn(answer->text(0, kConfirmed));
  state.lost = answer->text(0, 1) == "t" || !confirmed;
  state.confirmed = confirmed.value_or(0);
  return std::optional(state);
}

Result<void> drop_slot(Connection& ordinary, const std::string& slot) {
  const std::array<Value, 1> parameters{slot};
  auto dropped = ordinary.query("SELECT pg_drop_replication_slot($1)", parameters);
  if (!dropped) return dropped.error();
  return {};
}

Result<void> register_node(Connection& ordinary, const std::string& node,
                           std::int64_t follow_seconds) {
  const std::string seconds = std::to_string(follow_seconds);
  const std::array<Value, 2> parameters{node, seconds};
  auto registered = ordinary.query("SELECT grantfs.register_node($1, $2::integer)", parameters);
  if (!registered) return registered.error();
  return {};
}

}  // namespace grantfs::follow
