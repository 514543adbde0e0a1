#include "policy/postgresql/row_trigger.h"

#include <fmt/core.h>

#include "policy/postgresql/sql_quoting.h"

namespace grantfs {
namespace {

/// Without the row, the transaction has to fail; or the row gives nothing.
std::string refusal(const SourceNames& names) {
  if (names.source().skip_invalid) return {};
  return fmt::format(
      R"sql(  IF becomes.fault IS NOT NULL THEN
    RAISE EXCEPTION 'grantfs takes nothing from this row of %: %', {}, becomes.fault
      USING ERRCODE = 'check_violation';
  END IF;
)sql",
      names.shown_table());
}

std::string conflict(const SourceNames& names) {
  if (!names.principal_is_free()) return {};
  return fmt::format(
      R"sql(    IF rest.principal <> rest.other_principal THEN
      {}
    END IF;
)sql",
      names.raise_conflict("it." + names.target().key.front(), "rest.principal",
                           "rest.other_principal"));
}

/// What other rows of the same key say, this one included, as columns of `rest`.
std::string rest_columns(const SourceNames& names) {
  std::vector<std::string> columns{"count(*) AS rows"};
  const auto values = names.values();
  const auto together = names.together("its");
  for (std::size_t i = 0; i < values.size(); ++i) {
    columns.push_back(fmt::format("{} AS {}", together[i], values[i]));
  }
  if (names.principal_is_free()) columns.emplace_back("max(its.principal) AS other_principal");
  return joined(columns, ", ");
}

std::string values_of_rest(const SourceNames& names) {
  std::vector<std::string> set;
  for (const std::string& value : names.values()) {
    set.push_back(fmt::format("{} = rest.{}", value, value));
  }
  return joined(set, ", ");
}

// An INSERT writes the row's rule if there is none of its key, without a look at the table. All
// else comes down to one question: what do all rows of a key say together? Whoever asks it claims
// the rule of that key first, and writes it afterwards even if it stays the same. So a transaction
// that changed other rows of the key meanwhile is seen; or, where isolation hides it, PostgreSQL
// finds that the rule was written since, and has this transaction fail.
constexpr const char* kBody = R"sql(DECLARE
  was     record;  -- what the row gave
  becomes record;  -- what it gives
  one     {table};
  it      record;  -- what `one` gives
  rest    record;  -- what all rows of its key say together
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE EXCEPTION 'TRUNCATE of % needs the isolation level read committed', {table_shown}
        USING ERRCODE = 'active_sql_transaction',
              HINT = 'Another one does not see all rows that it takes away. Use DELETE.';
    END IF;
    {delete_given}
    RETURN NULL;
  END IF;

  SELECT * INTO was FROM {function}(OLD) AS given{but_faulty};
  SELECT * INTO becomes FROM {function}(NEW) AS given{but_faulty};
{refusal}  IF TG_OP = 'UPDATE' AND was IS NOT DISTINCT FROM becomes THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'INSERT' THEN
    INSERT INTO grantfs.{target} ({columns})
      SELECT {becomes} WHERE becomes.{key} IS NOT NULL
      ON CONFLICT ({keys}) DO NOTHING;
    IF FOUND THEN
      RETURN NULL;
    END IF;
  END IF;

  FOR side IN 1 .. 2 LOOP
    IF side = 1 THEN
      one := OLD; it := was;
    ELSE
      one := NEW; it := becomes;
    END IF;
    CONTINUE WHEN it.{key} IS NULL;
    -- Who changes what other rows of this key give waits here.
    PERFORM FROM grantfs.{target} AS rule WHERE {rule_is_its} FOR UPDATE;
    IF NOT FOUND THEN
      INSERT INTO grantfs.{target} AS rule ({columns}) VALUES ({it})
        ON CONFLICT ({keys}) DO UPDATE SET {key} = rule.{key};
    END IF;
    SELECT {rest} INTO rest
      FROM ONLY {table} AS other CROSS JOIN LATERAL {function}(other.*) AS its
      WHERE {other_is_one} AND {its_is_it}
        AND its.fault IS NULL;
{conflict}    IF rest.rows = 0 THEN
      DELETE FROM grantfs.{target} AS rule WHERE {rule_is_it};
    ELSE
      UPDATE grantfs.{target} AS rule SET {values} WHERE {rule_is_its};
    END IF;
    EXIT WHEN {was_is_becomes};
  END LOOP;
  RETURN NULL;
END
)sql";

}  // namespace

std::string row_trigger_body(const SourceNames& names) {
  const SourceTarget& target = names.target();
  return fmt::format(
      kBody, fmt::arg("table", names.table()), fmt::arg("table_shown", names.shown_table()),
      fmt::arg("function", names.function()), fmt::arg("target", target.table),
      fmt::arg("delete_given", names.delete_given()),
      fmt::arg("but_faulty", names.source().skip_invalid ? " WHERE given.fault IS NULL" : ""),
      fmt::arg("refusal", refusal(names)), fmt::arg("columns", joined(names.columns(), ", ")),
      fmt::arg("becomes", all_of("becomes", names.columns())),
      fmt::arg("it", all_of("it", names.columns())), fmt::arg("key", target.key.front()),
      fmt::arg("keys", joined(target.key, ", ")),
      fmt::arg("rule_is_its", names.same_key("rule", "it")),
      fmt::arg("rule_is_it", names.same_rule("rule", "it")), fmt::arg("rest", rest_columns(names)),
      fmt::arg("other_is_one", names.same_key_columns("other", "one")),
      fmt::arg("its_is_it", names.same_key("its", "it")), fmt::arg("conflict", conflict(names)),
      fmt::arg("values", values_of_rest(names)),
      fmt::arg("was_is_becomes", names.same_key("was", "becomes")));
}

}  // namespace grantfs
