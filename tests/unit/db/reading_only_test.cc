// What SQL that is not ours may do.
#include <gtest/gtest.h>

#include "db/connection.h"
#include "support/temporary_directory.h"

namespace grantfs::db {
namespace {

class ReadingOnlyTest : public testing::Test {
 protected:
  void SetUp() override {
    auto writer = Connection::open(path_, Mode::kCreate).value();
    const auto made = writer.execute(
        "CREATE TABLE t (x, y); INSERT INTO t VALUES (1, 'one'), (2, 'two');"
        "CREATE VIEW v AS SELECT x FROM t;"
        "CREATE VIEW of_pragma AS SELECT name FROM pragma_table_info('t')");
    ASSERT_TRUE(made) << made.error().message;
    // Where this SQLite has them.
    has_virtual_tables_ = writer.execute("CREATE VIRTUAL TABLE words USING fts5(word)").ok() &&
                          writer.execute("CREATE VIEW of_words AS SELECT word FROM words").ok();
    reader_ = std::make_unique<Connection>(Connection::open(path_, Mode::kRead).value());
    ASSERT_TRUE(reader_->allow_only_reading());
  }

  /// "" if the statement is prepared and runs to its end, else why not.
  std::string outcome(std::string_view sql) {
    auto statement = reader_->prepare(sql);
    if (!statement) return statement.error().message;
    Rows rows = statement->run();
    while (true) {
      auto row = rows.next();
      if (!row) return row.error().message;
      if (!*row) return "";
    }
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.path() / "database";
  bool has_virtual_tables_ = false;
  std::unique_ptr<Connection> reader_;
};

TEST_F(ReadingOnlyTest, TablesAndViewsAreReadByFunctionsOfTheList) {
  for (const char* sql :
       {"SELECT x FROM t", "SELECT count(*) FROM T", "SELECT 1 FROM v WHERE X = 1",
        "SELECT main.t.x FROM main.t JOIN v USING (x)", "SELECT s.x FROM (SELECT x FROM t) AS s",
        "WITH n AS (SELECT x FROM t) SELECT x FROM n",
        "WITH n AS (SELECT x FROM t) SELECT 1 FROM n",
        "WITH n(i) AS (VALUES (1), (2)) SELECT count(*) FROM n AS m",
        "SELECT EXISTS (WITH n AS (SELECT 1 FROM t) SELECT 1 FROM n)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9) SELECT i FROM n",
        "SELECT upper(y) || substr(y, 2), coalesce(x, 0), max(x, 1) FROM t WHERE y LIKE 'o%'",
        "SELECT unixepoch(), strftime('%s', 'now'), CURRENT_TIMESTAMP, iif(x, 1, 0) FROM t",
        "SELECT json_extract('{\"a\": 1}', '$.a'), '{\"a\": 1}' -> 'a', '[1]' ->> 0",
        "SELECT x, row_number() OVER (ORDER BY y) FROM t", "SELECT group_concat(y), avg(x) FROM t",
        "PRAGMA data_version"}) {
    EXPECT_EQ(outcome(sql), "") << sql;
  }
}

TEST_F(ReadingOnlyTest, EverythingElseIsRefusedWhateverTheVersionOfSqlite) {
  for (const char* sql : {"SELECT * FROM pragma_table_info('t')",
                          "SELECT 1 FROM pragma_table_info('t')",
                          "SELECT count(*) FROM pragma_database_list",
                          "SELECT 1 FROM PRAGMA_module_list",
                          "SELECT 1 FROM t, pragma_table_info(t.y)",
                          "SELECT (SELECT 1 FROM pragma_database_list)",
                          "SELECT file FROM pragma_database_list",
                          "SELECT name FROM of_pragma",
                          "SELECT 1 FROM of_pragma",
                          "WITH n AS (SELECT 1 FROM pragma_database_list) SELECT 1 FROM n",
                          "SELECT value FROM json_each('[1]')",
                          "SELECT 1 FROM json_each('[1]')",
                          "SELECT count(*) FROM json_tree('[1]')",
                          "SELECT 1 FROM dbstat",
                          "SELECT 1 FROM sqlite_dbpage",
                          "SELECT 1 FROM bytecode('SELECT 1')",
                          "SELECT 1 FROM sqlite_stmt",
                          "SELECT 1 FROM generate_series(1, 2)",
                          "SELECT 1 FROM fsdir('/')",
                          "SELECT sql FROM sqlite_schema",
                          "SELECT count(*) FROM sqlite_master",
                          "SELECT 1 FROM temp.sqlite_schema",
                          "SELECT load_extension('x')",
                          "SELECT readfile('/etc/passwd')",
                          "SELECT writefile('/tmp/x', 'x')",
                          "SELECT edit('x')",
                          "SELECT fts3_tokenizer('simple')",
                          "SELECT random()",
                          "SELECT randomblob(9)",
                          "SELECT zeroblob(9)",
                          "SELECT sqlite_version()",
                          "SELECT changes()",
                          "SELECT sqlite_compileoption_get(1)",
                          "ATTACH ':memory:' AS other",
                          "DETACH main",
                          "PRAGMA writable_schema = ON",
                          "PRAGMA database_list",
                          "PRAGMA data_version = 1",
                          "PRAGMA table_info(t)",
                          "BEGIN",
                          "SAVEPOINT s",
                          "ANALYZE",
                          "REINDEX",
                          "VACUUM",
                          "VACUUM INTO '/tmp/x'",
                          "CREATE TABLE u (x)",
                          "CREATE TEMP TABLE u AS SELECT 1",
                          "CREATE TEMP VIEW w AS SELECT 1",
                          "CREATE VIRTUAL TABLE u USING fts5(x)",
                          "DROP TABLE t",
                          "INSERT INTO t VALUES (1, 2)",
                          "UPDATE t SET x = 1",
                          "DELETE FROM t RETURNING x",
                          "ALTER TABLE t ADD COLUMN z"}) {
    EXPECT_NE(outcome(sql), "") << sql;
  }
}

TEST_F(ReadingOnlyTest, AVirtualTableOfTheDatabaseIsRefused) {
  if (!has_virtual_tables_) GTEST_SKIP() << "this SQLite has no fts5";
  for (const char* sql :
       {"SELECT word FROM words", "SELECT 1 FROM words", "SELECT word FROM of_words",
        "SELECT 1 FROM words WHERE words MATCH 'a'", "SELECT 1 FROM of_words"}) {
    EXPECT_NE(outcome(sql), "") << sql;
  }
  EXPECT_EQ(outcome("SELECT count(*) FROM words_content"), "");  // a table like any
}

TEST_F(ReadingOnlyTest, WhatASchemaBecomesLaterIsJudgedToo) {
  auto statement = reader_->prepare("SELECT x FROM v");
  ASSERT_TRUE(statement);
  const auto runs = [&] {
    Rows rows = statement->run();
    return rows.next().ok();
  };
  EXPECT_TRUE(runs());
  auto writer = Connection::open(path_, Mode::kWrite).value();
  ASSERT_TRUE(writer.execute("ALTER TABLE t ADD COLUMN z"));
  EXPECT_TRUE(runs());
  ASSERT_TRUE(
      writer.execute("DROP VIEW v; CREATE VIEW v AS SELECT 1 AS x FROM pragma_database_list"));
  EXPECT_FALSE(runs());
}

TEST_F(ReadingOnlyTest, ARecursionWithoutEndIsInterrupted) {
  reader_->limit_time(std::chrono::milliseconds{1});
  EXPECT_NE(outcome("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                    " SELECT i FROM n WHERE i < 0"),
            "");
}

}  // namespace
}  // namespace grantfs::db
