#!/usr/bin/env python3
"""Import, export and scan of many rows: seconds for each, on a database and a store of its own in a temporary folder."""

import argparse
import os
import pathlib
import sqlite3
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
GRANTCTL = TOP / "build" / "grantctl"
ROWS_PER_OWNER = 1000
FILES_PER_FOLDER = 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table; default: a million")
    parser.add_argument("--files", type=int, default=100_000, help="files of the store; default: a hundred thousand")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="grantfs-bulk-", dir="/var/tmp") as top:
        run(pathlib.Path(top), arguments)


def run(top, arguments):
    database, table, store = top / "data" / "policy.db", top / "app.db", top / "store"

    def timed(what, *words, statuses=(0,)):
        begun = time.monotonic()
        done = subprocess.run([GRANTCTL, "--db", database, *words], stdout=subprocess.DEVNULL)
        if done.returncode not in statuses:
            raise SystemExit(f"{what} failed")
        print(f"{what:<40}{time.monotonic() - begun:8.2f} s", flush=True)

    timed("init", "init")
    make_table(table, arguments.rows)
    uploads = ("import", table, "--table", "uploads", "--principal-column", "user_id", "--path-column", "file_path",
               "--principal-prefix", "user:", "--strip-prefix", "/srv/uploads")
    timed(f"import of {arguments.rows} rows", *uploads)
    timed("the same again", *uploads)
    timed("the same again, with --replace", *uploads, "--replace")
    timed("export", "export", top / "policy.csv")
    make_store(store, arguments.files, arguments.rows)
    timed(f"scan of {arguments.files} files", "scan", store, statuses=(0, 1))


def path_of(i):
    """In no order that a b-tree would like."""
    return f"{i // FILES_PER_FOLDER:04d}/{i * 2654435761 % 2**32:08x}.jpg"


def make_table(path, rows):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE uploads (id INTEGER PRIMARY KEY, user_id INTEGER, file_path TEXT)")
    connection.executemany("INSERT INTO uploads (user_id, file_path) VALUES (?, ?)",
                           ((i % ROWS_PER_OWNER, f"/srv/uploads/{path_of(i)}") for i in range(rows)))
    connection.commit()
    connection.close()


def make_store(store, files, rows):
    for i in range(files):
        path = os.path.join(store, path_of(i % rows))
        if i % FILES_PER_FOLDER == 0:
            os.makedirs(os.path.dirname(path))
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


if __name__ == "__main__":
    main()
