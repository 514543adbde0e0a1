"""Somebody who changes a policy in PostgreSQL all the time."""

import contextlib
import random
import threading
import time


class Writer(threading.Thread):
    """Changes of every kind, in transactions of chance, on a psql of its own, and on another when the server has ended it."""

    def __init__(self, upstream, seed):
        super().__init__(daemon=True)
        self.upstream = upstream
        self.session = None
        self.random = random.Random(seed)
        self.ends = False

    def statement(self):
        n = self.random.randrange(200)
        return self.random.choice([
            f"INSERT INTO grantfs.owners (path, principal) VALUES ('o/{n}', 'user:u{n}') ON CONFLICT (path) DO UPDATE SET principal = 'user:v{n}';",
            f"INSERT INTO grantfs.grants (principal, path, expires) VALUES ('user:u{n}', 'g/{n}', {4 * 10**9 + n}) ON CONFLICT (principal, path) DO UPDATE SET expires = NULL;",
            f"DELETE FROM grantfs.grants WHERE path = 'g/{n}';",
            f"UPDATE grantfs.owners SET path = 'moved/{n}' WHERE path = 'o/{n}' AND NOT EXISTS (SELECT FROM grantfs.owners WHERE path = 'moved/{n}');",
            f"DELETE FROM grantfs.owners WHERE path IN ('o/{n}', 'moved/{n}');",
            f"INSERT INTO grantfs.members (member, parent) VALUES ('user:u{n}', 'group:g{n % 7}') ON CONFLICT DO NOTHING;",
            f"DELETE FROM grantfs.members WHERE parent = 'group:g{n % 7}' AND member = 'user:u{n}';",
            f"INSERT INTO grantfs.sessions (id, principal) VALUES (encode(sha256('{n}'), 'hex'), 'user:u{n}') ON CONFLICT (id) DO UPDATE SET expires = 4000000000;",
            f"DELETE FROM grantfs.sessions WHERE id = encode(sha256('{n}'), 'hex');",
            "TRUNCATE grantfs.members;" if n < 5 else "SELECT 1;",
        ])

    def run(self):
        while not self.ends:
            lines = [self.statement() for _ in range(self.random.randrange(1, 20))]
            end = "ROLLBACK;" if self.random.random() < 0.1 else "COMMIT;"
            self.write("BEGIN;\n" + "\n".join(lines) + f"\n{end}\n")
            time.sleep(0.01)
        if self.session:
            with contextlib.suppress(BrokenPipeError):
                self.session.communicate(timeout=60)

    def write(self, text):
        if self.session is None:
            self.session = self.upstream.cluster.psql(self.upstream.database)
        try:
            self.session.stdin.write(text)
            self.session.stdin.flush()
        except BrokenPipeError:
            with contextlib.suppress(BrokenPipeError):
                self.session.communicate(timeout=60)
            self.session = None

    def end(self):
        self.ends = True
        self.join()
