"""What is served: files of random bytes on disk, sessions, and who may read what.

The store has one folder a size, STORE/1k/00000 and so on. In every policy database the user `hot` and a
thousand others each hold one grant on each of those folders, and beside them lie grants of people who
never come. So the many sessions read the same files, as a company's people read its documents: every
(session, file) pair is new to the kernel, while a file's bytes are not. One of those who never come has a
session, and one file is granted to nobody: load.py sees that both are refused.
"""

import hashlib
import os
import sqlite3

SESSIONS = 1000
STRANGERS_GRANTS = 100_000
HOT_USER = "user:hot"


def token_of(name):
    return hashlib.sha256(b"bench " + name.encode()).hexdigest()[:32]


class Corpus:
    def __init__(self, work, sizes, quick):
        self.store = work / "store"
        self.store.mkdir(mode=0o755)
        self.quick = quick
        self.files = {}
        for name, size in sizes.items():
            self.files[name] = self._write(name, size, self._count(size))
        self._write("private", 1 << 10, 1)
        self.hot_token, self.strangers_token = token_of("hot"), token_of("stranger")
        self.tokens = [token_of(f"cold {number}") for number in range(SESSIONS)]
        self.hot_tokens_file = self._lines(work / "hot.tokens", [self.hot_token])
        self.tokens_file = self._lines(work / "cold.tokens", self.tokens)
        self.work = work

    def _count(self, size):
        """2,000 of each size; of the large ones what a short run can read once, and one of the largest."""
        if size >= 64 << 20:
            return 1
        return 200 if self.quick and size >= 1 << 20 else 2000

    def _write(self, name, size, count):
        folder = self.store / name
        folder.mkdir(mode=0o755)
        names = [f"{number:05}" for number in range(count)]
        for file in names:
            with open(folder / file, "wb") as out:
                left = size
                while left:
                    left -= out.write(os.urandom(min(left, 1 << 20)))
        return names

    @staticmethod
    def _lines(path, lines):
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def urls(self, size):
        return [f"/f/{size}/{name}" for name in self.files[size]]

    def paths_file(self, name, urls):
        return self._lines(self.work / f"{name}.paths", urls)

    def fill_policy(self, database):
        """By plain SQL, as an application writes it."""
        connection = sqlite3.connect(database)
        users = [(HOT_USER, self.hot_token)] + [(f"user:cold{n}", token) for n, token in enumerate(self.tokens)]
        sessions = [*users, ("user:stranger0", self.strangers_token)]
        with connection:
            connection.executemany("INSERT INTO sessions (id, principal) VALUES (?, ?)",
                                   [(hashlib.sha256(token.encode()).hexdigest(), user) for user, token in sessions])
            connection.executemany("INSERT INTO grants (principal, path) VALUES (?, ?)",
                                   [(user, size) for user, _ in users for size in self.files])
            connection.executemany("INSERT INTO grants (principal, path) VALUES (?, ?)",
                                   ((f"user:stranger{n // 100}", f"elsewhere/{n:06}") for n in range(STRANGERS_GRANTS)))
        connection.close()
