#include "policy/postgresql/schema.h"

#include <fmt/core.h>

#include <optional>

#include "base/parse_integer.h"
#include "db/connection.h"
#include "grantfs/postgresql.h"
#include "policy/postgresql/tables.h"
#include "policy/schema/database_file.h"
#include "policy/schema/schema.h"

namespace grantfs {
namespace {

/// Two inits at a time take turns. The number is nobody else's: "GrFS" in ASCII.
constexpr const char* kTakeTurns = "SELECT pg_advisory_xact_lock(1198671443)";

postgres::Settings settings() {
  return {.application_name = "grantctl", .lock_timeout = db::kBusyTimeout};
}

Error about(const postgres::Connection& connection, const std::string& what) {
  return {ErrorKind::kDatabase, fmt::format("{}: {}", connection.name(), what)};
}

/// The first column of the only row.
Result<std::string> query_text(postgres::Connection& connection, const std::string& sql) {
  auto answer = connection.query(sql);
  if (!answer) return answer.error();
  if (answer->rows() != 1) return about(connection, "a question has no answer: " + sql);
  return std::string(answer->text(0, 0));
}

/// The version of the schema there; none if there is no schema grantfs at all.
Result<std::optional<std::int64_t>> find_version(postgres::Connection& connection) {
  using Version = std::optional<std::int64_t>;
  auto there = query_text(connection,
                          "SELECT (to_regnamespace('grantfs') IS NOT NULL)::int"
                          " + (to_regclass('grantfs.meta') IS NOT NULL)::int");
  if (!there) return there.error();
  if (*there == "0") return Version();
  const Error foreign = about(connection,
                              "its schema grantfs is not of this program; use another database, or "
                              "have that schema renamed");
  if (*there == "1") return foreign;
  auto answer = connection.query("SELECT value FROM grantfs.meta WHERE key = 'schema'");
  if (!answer) return answer.error();
  if (answer->rows() != 1) return foreign;
  const auto version = parse_integer<std::int64_t>(answer->text(0, 0));
  if (!version) return foreign;
  return version;
}

Error newer(const postgres::Connection& connection, std::int64_t version) {
  return about(connection, fmt::format("its schema is version {}, newer than this program, which "
                                       "knows {}; upgrade grantfs",
                                       version, current_schema_version()));
}

Result<void> check_server(postgres::Connection& connection) {
  auto standby = query_text(connection, "SELECT pg_is_in_recovery()");
  if (!standby) return standby.error();
  if (*standby != "f") {
    return about(connection, "this server is a standby, which takes no changes; name the primary");
  }
  auto encoding = query_text(connection, "SHOW server_encoding");
  if (!encoding) return encoding.error();
  if (*encoding == "UTF8") return {};
  return about(connection, fmt::format("the database's encoding is {}, and names of files need "
                                       "UTF8; make one with: CREATE DATABASE ... ENCODING 'UTF8' "
                                       "TEMPLATE template0",
                                       *encoding));
}

/// What is missing for followers alone, each with what to do.
Result<std::vector<std::string>> notes(postgres::Connection& connection) {
  std::vector<std::string> found;
  auto level = query_text(connection, "SHOW wal_level");
  if (!level) return level.error();
  if (*level != "logical") {
    found.push_back(
        fmt::format("note: wal_level is {}, and followers need logical; set wal_level = logical in "
                    "postgresql.conf and restart the server",
                    *level));
  }
  auto sees = query_text(connection,
                         "SELECT pg_has_role(proowner, 'pg_read_all_stats', 'USAGE') FROM pg_proc"
                         " WHERE oid = 'grantfs.await_recall(pg_lsn, interval)'::regprocedure");
  if (!sees) return sees.error();
  if (*sees != "t") {
    found.emplace_back(
        "note: who owns the schema cannot see how far nodes are, so every recall waits for as long "
        "as they may serve; a superuser can change that: GRANT pg_read_all_stats TO CURRENT_USER "
        "of this connection");
  }
  return found;
}

/// Brings the tables from this version to the current one, and notes that. In a transaction of the
/// caller's.
Result<void> migrate(postgres::Connection& connection, std::int64_t version) {
  for (std::int64_t step = version; step < current_schema_version(); ++step) {
    auto done = connection.execute(
        kPostgresqlMigrations.at(static_cast<std::size_t>(step - kOldestPostgresqlVersion)));
    if (!done) return done;
  }
  return connection.execute(
      fmt::format("INSERT INTO grantfs.meta VALUES ('schema', '{}') ON CONFLICT (key) DO UPDATE"
                  " SET value = excluded.value",
                  current_schema_version()));
}

/// In a transaction of the caller's.
Result<InitOutcome> make_schema(postgres::Connection& connection) {
  if (auto turn = connection.execute(kTakeTurns); !turn) return turn.error();
  auto version = find_version(connection);
  if (!version) return version.error();
  if (*version && **version > current_schema_version()) return newer(connection, **version);
  if (*version && **version < kOldestPostgresqlVersion) {
    return about(connection,
                 fmt::format("its schema is version {}, which was never released", **version));
  }
  if (!*version) {
    if (auto made = connection.execute("CREATE SCHEMA grantfs"); !made) return made.error();
    if (auto made = connection.execute(kPostgresqlTables); !made) return made.error();
  }
  Result<void> done;
  if (*version != current_schema_version()) {
    done = migrate(connection, version->value_or(kOldestPostgresqlVersion));
  }
  if (done) done = connection.execute(kPostgresqlSurroundings);
  if (!done) {
    if (connection.failure().sqlstate != "42501") return done.error();
    return Error{ErrorKind::kDatabase,
                 done.error().message +
                     "; run init as a superuser, or as who ran it first and may create roles "
                     "(CREATEROLE)"};
  }
  if (!*version) return InitOutcome::kCreated;
  return **version == current_schema_version() ? InitOutcome::kAlreadyCurrent
                                               : InitOutcome::kMigrated;
}

}  // namespace

Result<PostgresqlInitialized> init_postgresql(const std::string& where) {
  auto connection = postgres::Connection::open(where, settings());
  if (!connection) return connection.error();
  if (auto fit = check_server(*connection); !fit) return fit.error();
  if (auto begun = connection->execute("BEGIN"); !begun) return begun.error();
  auto outcome = make_schema(*connection);
  if (!outcome) return outcome.error();  // the transaction ends with the connection
  if (auto committed = connection->execute("COMMIT"); !committed) return committed.error();
  auto lacking = notes(*connection);
  if (!lacking) return lacking.error();
  return PostgresqlInitialized{*outcome, connection->name(), std::move(*lacking)};
}

Result<postgres::Connection> open_postgresql_policy(const std::string& where) {
  auto connection = postgres::Connection::open(where, settings());
  if (!connection) return connection;
  auto version = find_version(*connection);
  if (!version) {
    if (connection->failure().sqlstate != "42501") return version.error();
    return about(*connection,
                 "this role may not use the policy; have an administrator run, for who changes it: "
                 "GRANT grantfs_admin TO CURRENT_USER of this connection");
  }
  if (!*version) {
    return about(*connection, "there is no policy in this database; make it with: grantctl init");
  }
  if (**version > current_schema_version()) return newer(*connection, **version);
  if (**version < current_schema_version()) {
    return about(*connection,
                 fmt::format("its schema is version {}, and this program needs {}; run: grantctl "
                             "init",
                             **version, current_schema_version()));
  }
  return connection;
}

}  // namespace grantfs
