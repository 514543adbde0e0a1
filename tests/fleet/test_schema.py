"""The schema in PostgreSQL takes the rows that SQLite's takes, and no others."""

import os
import random
import sqlite3
import tempfile
import unittest

from on_postgresql import PolicyCase, literal, query

SEED = int(os.environ.get("GRANTFS_SEED", random.randrange(2**32)))
SIXTY_FOUR = "0123456789abcdef" * 4
NEVER = 99_999_999_999

PATHS = [".", "", "a", "a/b", "/", "/a", "a/", "a//b", "a/./b", "a/../b", "..", "./a", "a/.", "a/..", "...", ".a", "a/.b", "a/..b", "é",
         "a\tb", "a\nb", "a'b", "a\\b", "a%b", " ", "x" * 256, "é" * 2047, "é" * 2048, "x/" * 2047 + "x", "x/" * 2047 + "xy", "\x01", "\x7f",
         "a:b", "😀"]
PRINCIPALS = ["public", "Public", "public ", "", "user:", "user:a", "user:a b", "user:a/b", "user:\x01", "user:\x1f", "user:\x7f", "user:\x80",
              "user:é", "user:" + "x" * 255, "user:" + "x" * 256, "user:" + "é" * 127, "user:" + "é" * 128, "User:a", "user", "users:a",
              "group:", "group:a", "group:a:b", "group:" + "x" * 255, "group:" + "x" * 256, "group:a\n", "uid:0", "uid:00", "uid:01", "uid:1",
              "uid:4294967294", "uid:4294967295", "uid:4294967300", "uid:9999999999", "uid:10000000000", "uid:", "uid:a", "uid:1a", "uid:-1",
              "uid: 1", "uid:1 ", "uid:1\n", "uid:٣", "gid:0", "gid:7", "gid:4294967294", "gid:4294967295", "gid:x", "gid:1e3", "user:😀", "user:\\",
              "user:'", "user:[", "user:*", "user:-"]
TIMES = [None, 0, 1, -1, 5, NEVER, NEVER + 1, -(2**63), 2**63 - 1]
HASHES = [SIXTY_FOUR, SIXTY_FOUR[:-1], SIXTY_FOUR + "0", SIXTY_FOUR.upper(), SIXTY_FOUR[:-1] + "g", SIXTY_FOUR[:-1] + "\n", "", "é" * 32, "é" * 64]
ADDRESSES = [None, "", "a", "::", "10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "2001:DB8::", "x" * 64, "f" * 64, "f" * 65, "é" * 64, "é" * 65, "1 2", "1\n2"]
FORMATS = ["hmac-sha256", "hmac-sha1", "md5:", "md5:x", "md5:$secret", "md5:" + "x" * 4092, "md5:" + "x" * 4093, "md5:é", "MD5:x", "", "md5"]
URI_PREFIXES = [None, "", "/", "/a/", "a", "/" + "x" * 4095, "/" + "x" * 4096, "/" + "é" * 2047, "/" + "é" * 2048]
KEY_IDS = ["", "a", "A9", "a" * 32, "a" * 33, "a-b", "é", "a\n", " "]
SECRETS = [bytes(size) for size in (0, 1, 31, 32, 33, 1024, 1025)]
LABELS = [None, "", "a", "for the press, till March", "x" * 200, "x" * 201, "é" * 100, "é" * 101, "a\tb", "a\n", "\x01", "\x7f", "\x80", "😀", " "]
RIGHTS = ["read", "write", "own", "", "Read", "delete"]

#: Of each table, a row that is taken, and what else its columns may be given.
TABLES = {
    "owners": ({"path": "a", "principal": "user:a", "created": 1}, {"path": PATHS, "principal": PRINCIPALS, "created": [0, -5, NEVER * 1000]}),
    "grants": ({"principal": "user:a", "path": "a", "rights": "read", "expires": None, "created": 1},
               {"principal": PRINCIPALS, "path": PATHS, "rights": RIGHTS, "expires": TIMES}),
    "members": ({"member": "user:a", "parent": "group:g", "expires": None}, {"member": PRINCIPALS, "parent": PRINCIPALS, "expires": TIMES}),
    "sessions": ({"id": SIXTY_FOUR, "principal": "user:a", "expires": None, "address": None, "created": 1},
                 {"id": HASHES, "principal": PRINCIPALS, "expires": TIMES, "address": ADDRESSES}),
    "links": ({"id": SIXTY_FOUR, "principal": "user:a", "path": "a", "expires": None, "address": None, "uses": None, "created": 1,
               "label": None},
              {"id": HASHES, "principal": PRINCIPALS, "path": PATHS, "expires": TIMES, "address": ADDRESSES,
               "uses": [None, 0, 1, -1, 1_000_000_000, 1_000_000_001], "label": LABELS}),
    "signing_keys": ({"id": "k", "format": "hmac-sha256", "uri_prefix": None, "path": "a", "secret": bytes(32), "created": 1, "retired": None},
                     {"id": KEY_IDS, "format": FORMATS, "uri_prefix": URI_PREFIXES, "path": PATHS, "secret": SECRETS, "retired": TIMES}),
}
#: Of PostgreSQL alone: its indexes take no more.
MOST_BYTES = 2400


def mutated(chooser, text):
    """A text near one that decides."""
    alphabet = ["/", ".", ":", "a", "0", "9", "é", "\x01", "\x1f", "\x7f", "\n", " ", "-", "'", "\\", "*", "[", "]", "%", "uid", "4294967294", "user:"]
    characters = list(text[:40])
    for _ in range(chooser.randint(1, 3)):
        at = chooser.randint(0, len(characters))
        characters[at:at + chooser.randint(0, 2)] = chooser.choices(alphabet, k=chooser.randint(0, 2))
    return "".join(characters)


def rows(chooser):
    for table, (good, others) in TABLES.items():
        yield table, good
        for column, values in others.items():
            for value in values:
                yield table, {**good, column: value}
            for value in [mutated(chooser, value) for value in values if isinstance(value, str) for _ in range(12)]:
                yield table, {**good, column: value}
        for column in good:
            yield table, {**good, column: None}
        for _ in range(150):
            changed = chooser.sample(sorted(others), min(2, len(others)))
            yield table, {**good, **{column: chooser.choice(others[column]) for column in changed}}


class EqualMeaning(PolicyCase):
    def test_both_take_the_same_rows(self):
        chooser = random.Random(SEED)
        print(f"seed {SEED} (repeat with GRANTFS_SEED={SEED})")
        cases = list(rows(chooser))
        self.assertGreater(len(cases), 3000)
        by_sqlite, by_postgresql = self.taken_by_sqlite(cases), self.taken_by_postgresql(cases)
        differ = [(table, row, by_sqlite[i], by_postgresql[i]) for i, (table, row) in enumerate(cases)
                  if by_sqlite[i] != (by_postgresql[i] == "taken") and len((row.get("path") or "").encode()) <= MOST_BYTES]
        self.assertEqual(differ[:5], [])
        # Neither is right by taking all, or nothing.
        for table in TABLES:
            self.assertEqual({taken for taken, case in zip(by_sqlite, cases) if case[0] == table}, {True, False}, table)

    def taken_by_sqlite(self, cases):
        with tempfile.TemporaryDirectory() as folder:
            database = os.path.join(folder, "policy.db")
            os.chmod(folder, 0o700)
            self.grantctl("--db", database, "init")
            connection = sqlite3.connect(database, isolation_level=None)
            taken = []
            for table, row in cases:
                connection.execute("BEGIN")
                try:
                    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
                    taken.append(True)
                except sqlite3.IntegrityError:
                    taken.append(False)
                connection.execute("ROLLBACK")
            connection.close()
        return taken

    def taken_by_postgresql(self, cases):
        """"taken", or the SQLSTATE that says why not."""
        def statement(table, row):
            values = [f"'\\x{value.hex()}'" if isinstance(value, bytes) else literal(value) for value in row.values()]
            return f"INSERT INTO grantfs.{table} ({', '.join(row)}) VALUES ({', '.join(values)})"

        script = ("CREATE FUNCTION pg_temp.attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE statement; "
                  "RAISE EXCEPTION USING ERRCODE = 'GRFS0'; EXCEPTION WHEN OTHERS THEN "
                  "RETURN CASE SQLSTATE WHEN 'GRFS0' THEN 'taken' ELSE SQLSTATE END; END $$;\n"
                  "CREATE TEMP TABLE attempts (number integer, statement text);\n"
                  "INSERT INTO attempts VALUES "
                  + ",".join(f"({i}, {literal(statement(*case))})" for i, case in enumerate(cases))
                  + ";\nSELECT pg_temp.attempt(statement) FROM attempts ORDER BY number")
        results = [result for (result,) in self.sql(script)]
        # A fault of the test's own is no refusal.
        self.assertLessEqual(set(results), {"taken", "23514", "23502"})
        return results

    def test_the_longest_path_fits_with_the_longest_principal_and_no_longer_one(self):
        """None of the bytes can be saved by compression."""
        chooser = random.Random(SEED)
        path = chooser.randbytes(MOST_BYTES // 2).hex()
        principal = "group:" + chooser.randbytes(127).hex() + "x"
        cases = [(table, {**good, "path": path, **({"principal": principal} if "principal" in good else {})})
                 for table, (good, _) in TABLES.items() if "path" in good]
        self.assertEqual(self.taken_by_postgresql(cases), ["taken"] * 4)
        cases = [(table, {**row, "path": row["path"] + "x"}) for table, row in cases]
        self.assertEqual(self.taken_by_postgresql(cases), ["23514"] * 4)

    def test_columns_and_their_order_are_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            database = os.path.join(folder, "policy.db")
            self.grantctl("--db", database, "init")
            connection = sqlite3.connect(database)
            for table in TABLES:
                with self.subTest(table):
                    types = {"TEXT": "text", "INTEGER": "bigint", "BLOB": "bytea"}
                    ours = connection.execute(f"SELECT name, type, \"notnull\" OR pk > 0 FROM pragma_table_info('{table}')").fetchall()
                    theirs = query(self.name, "SELECT column_name, data_type, is_nullable = 'NO' FROM information_schema.columns"
                                   " WHERE table_schema = 'grantfs' AND table_name = ? ORDER BY ordinal_position", table)
                    self.assertEqual([(name, types[kind], bool(needed)) for name, kind, needed in ours], theirs)
            connection.close()

    def test_ranges_and_orders_are_of_bytes(self):
        for path in ("a", "a/b", "a.b", "a-b", "B", "é", "aé", "_"):
            self.rows("INSERT INTO owners (path, principal) VALUES (?, 'user:a')", path)
        listed = [path for (path,) in self.rows("SELECT path FROM owners ORDER BY path")]
        self.assertEqual(listed, sorted(listed, key=str.encode))


if __name__ == "__main__":
    unittest.main()
