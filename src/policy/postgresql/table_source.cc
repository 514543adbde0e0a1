#include "grantfs/table_source.h"

#include <fmt/core.h>

#include <string_view>
#include <vector>

#include "base/quote.h"
#include "policy/postgresql/row_rule.h"
#include "policy/postgresql/row_trigger.h"
#include "policy/postgresql/source_names.h"
#include "policy/postgresql/sql_quoting.h"

namespace grantfs {
namespace {

std::string do_block(std::string_view body) {
  return fmt::format("DO {};\n\n", sql_body(body));
}

std::string head(const SourceNames& names, std::string_view give) {
  const TableSource& source = names.source();
  const std::string_view who =
      source.security_definer
          ? "-- as a superuser. The triggers run as the role grantfs_source, so that roles that "
            "write the table need\n-- no right on the schema grantfs.\n"
          : "-- as the owner of the table and a member of grantfs_application, as every role is "
            "that writes the table;\n-- these may read it, too.\n";
  return fmt::format(
      "-- Rows of {} {} {}. Run it in the database of the policy,\n"
      "--     psql -v ON_ERROR_STOP=1 -f THIS_FILE DATABASE\n"
      "{}"
      "--\n"
      "-- {}\n\n",
      escaped(source.schema + '.' + source.table), give, names.target().what, who,
      escaped(source.command));
}

/// Whoever changes the table waits until COMMIT, and those who began earlier are waited for.
std::string begin(const SourceNames& names, std::string_view lock) {
  return fmt::format(
      R"sql(BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SET LOCAL bytea_output = hex;
SET LOCAL lock_timeout = '5s';
LOCK TABLE ONLY {} IN {} MODE;

)sql",
      names.table(), lock);
}

std::string check_table(const SourceNames& names) {
  const TableSource& source = names.source();
  const std::string table = sql_text(names.table());
  std::string body = fmt::format(
      R"sql(DECLARE
  made constant regprocedure := to_regprocedure({function});
BEGIN
  IF EXISTS (SELECT FROM pg_class WHERE oid = {table}::regclass
             AND (relkind <> 'r' OR relpersistence <> 'p')) THEN
    RAISE EXCEPTION '% is no ordinary table', {shown}
      USING HINT = 'Rows of a partitioned, foreign, unlogged or temporary table, or of a view, can go without a trigger.';
  END IF;
  IF made IS NOT NULL AND obj_description(made, 'pg_proc') IS DISTINCT FROM {command} THEN
    RAISE EXCEPTION 'there are triggers of another command already: %', obj_description(made, 'pg_proc')
      USING HINT = 'Take them back first: that command with --drop.';
  END IF;
)sql",
      fmt::arg("function", sql_text(names.function() + "()")), fmt::arg("table", table),
      fmt::arg("shown", names.shown_table()), fmt::arg("command", sql_text(source.command)));
  if (!source.expires_column.empty() && !source.expires_is_number) {
    body += fmt::format(
        R"sql(  IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = {}::regclass AND attname = {}
             AND atttypid <> 'timestamptz'::regtype) THEN
    RAISE EXCEPTION 'the end of a row must be a timestamp with time zone'
      USING HINT = 'Change the type of the column; or, for a number of Unix seconds, give --unix-seconds.';
  END IF;
)sql",
        table, sql_text(source.expires_column));
  }
  return do_block(body + "END\n");
}

std::string make_functions(const SourceNames& names) {
  const RowRule rule = row_rule(names.source());
  return fmt::format(
      R"sql(-- What a row gives, if anything, and what is wrong with it.
CREATE OR REPLACE FUNCTION {signature}
  RETURNS TABLE ({columns}) LANGUAGE sql STABLE
AS {select};

CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql{definer}
  SET search_path = pg_catalog, pg_temp SET row_security = off SET bytea_output = hex
AS {body};
COMMENT ON FUNCTION {function}() IS {command};

)sql",
      fmt::arg("signature", names.rule_signature()), fmt::arg("columns", rule.columns),
      fmt::arg("select", sql_body(rule.select)), fmt::arg("function", names.function()),
      fmt::arg("definer", names.source().security_definer ? " SECURITY DEFINER" : ""),
      fmt::arg("body", sql_body(row_trigger_body(names))),
      fmt::arg("command", sql_text(names.source().command)));
}

std::string make_owner(const SourceNames& names) {
  if (!names.source().security_definer) return {};
  return fmt::format(
      R"sql(-- A role without login and members, with the rights that the triggers need, and no more.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grantfs_source') THEN
    CREATE ROLE grantfs_source NOLOGIN IN ROLE grantfs_application;
  END IF;
END $$;
GRANT USAGE ON SCHEMA {schema} TO grantfs_source;
GRANT SELECT ON TABLE {table} TO grantfs_source;
ALTER FUNCTION {signature} OWNER TO grantfs_source;
ALTER FUNCTION {function}() OWNER TO grantfs_source;
REVOKE ALL ON FUNCTION {function}() FROM PUBLIC;

)sql",
      fmt::arg("schema", sql_name(names.source().schema)), fmt::arg("table", names.table()),
      fmt::arg("signature", names.rule_signature()), fmt::arg("function", names.function()));
}

std::string make_triggers(const SourceNames& names) {
  return fmt::format(
      R"sql(-- Triggers fire in the order of their names: these before any that changes the row again.
CREATE OR REPLACE TRIGGER {row} AFTER INSERT OR UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION {function}();
CREATE OR REPLACE TRIGGER {statement} BEFORE TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION {function}();

)sql",
      fmt::arg("row", names.row_trigger()), fmt::arg("statement", names.truncate_trigger()),
      fmt::arg("table", names.table()), fmt::arg("function", names.function()));
}

/// Names rows that give nothing because something is wrong with them, and contradictions.
std::string check_rows(const SourceNames& names) {
  const bool skips = names.source().skip_invalid;
  std::string body = fmt::format(
      R"sql(DECLARE
  bad record;
BEGIN
  SELECT count(*) AS rows, string_agg(given.fault, '; ') FILTER (WHERE given.number <= 5) AS faults INTO bad
    FROM (SELECT given.fault, row_number() OVER () AS number
          FROM ONLY {table} AS each CROSS JOIN LATERAL {function}(each.*) AS given
          WHERE given.fault IS NOT NULL) AS given;
  IF bad.rows > 0 THEN
    RAISE {level} 'grantfs takes nothing from % row(s) of %: %', bad.rows, {shown}, bad.faults{hint};
  END IF;
)sql",
      fmt::arg("table", names.table()), fmt::arg("function", names.function()),
      fmt::arg("shown", names.shown_table()), fmt::arg("level", skips ? "WARNING" : "EXCEPTION"),
      fmt::arg("hint", skips ? ""
                             : "\n      USING ERRCODE = 'check_violation',"
                               " HINT = 'Mend them; or leave such rows out, now and later, by "
                               "--skip-invalid'"));
  if (names.principal_is_free()) {
    body += fmt::format(
        R"sql(  SELECT given.{key}, min(given.principal) AS one, max(given.principal) AS other INTO bad
    FROM ONLY {table} AS each CROSS JOIN LATERAL {function}(each.*) AS given
    WHERE given.fault IS NULL
    GROUP BY given.{key} HAVING min(given.principal) <> max(given.principal) LIMIT 1;
  IF FOUND THEN
    {raise}
  END IF;
)sql",
        fmt::arg("key", names.target().key.front()), fmt::arg("table", names.table()),
        fmt::arg("function", names.function()),
        fmt::arg("raise", names.raise_conflict("bad." + names.target().key.front(), "bad.one",
                                               "bad.other")));
  }
  return do_block(body + "END\n");
}

std::string fill(const SourceNames& names) {
  std::vector<std::string> chosen{all_of("given", names.target().key)};
  for (std::string& value : names.together("given")) chosen.push_back(std::move(value));
  std::vector<std::string> set;
  std::vector<std::string> differ;
  for (const std::string& value : names.values()) {
    set.push_back(fmt::format("{} = excluded.{}", value, value));
    differ.push_back(fmt::format("rule.{} IS DISTINCT FROM excluded.{}", value, value));
  }
  return fmt::format(
      R"sql(INSERT INTO grantfs.{target} AS rule ({columns})
  SELECT {chosen}
  FROM ONLY {table} AS each CROSS JOIN LATERAL {function}(each.*) AS given
  WHERE given.fault IS NULL GROUP BY {keys_of_given}
  ON CONFLICT ({keys}) DO UPDATE SET {set} WHERE {differ};

)sql",
      fmt::arg("target", names.target().table), fmt::arg("columns", joined(names.columns(), ", ")),
      fmt::arg("chosen", joined(chosen, ", ")), fmt::arg("table", names.table()),
      fmt::arg("function", names.function()),
      fmt::arg("keys_of_given", all_of("given", names.target().key)),
      fmt::arg("keys", joined(names.target().key, ", ")), fmt::arg("set", joined(set, ", ")),
      fmt::arg("differ", joined(differ, " OR ")));
}

std::string check_index(const SourceNames& names) {
  std::vector<std::string> columns;
  for (const std::string& column : names.key_columns()) columns.push_back(sql_text(column));
  const std::string remedy =
      fmt::format("CREATE INDEX ON {} ({});", names.table(), sql_name(names.key_columns().back()));
  return do_block(fmt::format(
      R"sql(BEGIN
  IF NOT EXISTS (SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
                 WHERE indrelid = {}::regclass AND indisvalid AND indpred IS NULL AND attname IN ({})) THEN
    RAISE WARNING 'for each row that is deleted or changed, all of % is read', {}
      USING HINT = {};
  END IF;
END
)sql",
      sql_text(names.table()), joined(columns, ", "), names.shown_table(), sql_text(remedy)));
}

std::string take_back(const SourceNames& names) {
  return do_block(fmt::format(
      R"sql(BEGIN
  IF to_regprocedure({}) IS NULL THEN
    RAISE NOTICE 'there are no triggers to take back';
  ELSE
    {}
  END IF;
END
)sql",
      sql_text(names.rule_signature()), names.delete_given()));
}

std::string drop_all(const SourceNames& names) {
  return fmt::format(
      R"sql(DROP TRIGGER IF EXISTS {row} ON {table};
DROP TRIGGER IF EXISTS {statement} ON {table};
DROP FUNCTION IF EXISTS {function}();
DROP FUNCTION IF EXISTS {signature};

)sql",
      fmt::arg("row", names.row_trigger()), fmt::arg("statement", names.truncate_trigger()),
      fmt::arg("table", names.table()), fmt::arg("function", names.function()),
      fmt::arg("signature", names.rule_signature()));
}

/// Unless other triggers on the table need it.
std::string revoke_from_owner(const SourceNames& names) {
  if (!names.source().security_definer) return {};
  return do_block(fmt::format(
      R"sql(BEGIN
  IF to_regrole('grantfs_source') IS NOT NULL
     AND NOT EXISTS (SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
                     WHERE tgrelid = {}::regclass AND proowner = to_regrole('grantfs_source')) THEN
    REVOKE SELECT ON TABLE {} FROM grantfs_source;
  END IF;
END
)sql",
      sql_text(names.table()), names.table()));
}

}  // namespace

std::string table_source_sql(const TableSource& source) {
  const SourceNames names(source);
  return head(names, "give") + begin(names, "SHARE ROW EXCLUSIVE") + check_table(names) +
         make_functions(names) + make_owner(names) + make_triggers(names) + check_rows(names) +
         fill(names) + check_index(names) + "COMMIT;\n";
}

std::string table_source_drop_sql(const TableSource& source) {
  const SourceNames names(source);
  return head(names, "no longer give") + begin(names, "ACCESS EXCLUSIVE") + take_back(names) +
         drop_all(names) + revoke_from_owner(names) + "COMMIT;\n";
}

}  // namespace grantfs
