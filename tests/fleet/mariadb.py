"""A MariaDB server of a test's own: in a temporary folder, on a Unix socket alone, gone when the test ends."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from harness import end_process, end_with_parent, wait_for

DEFAULTS = "--no-defaults"


def can_start():
    return all(shutil.which(program) for program in ("mariadbd", "mariadb-install-db", "mariadb"))


class MariaDb:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="grantfs-mariadb."))
        self.socket = self.folder / "socket"
        self.log = self.folder / "log"
        data = f"--datadir={self.folder / 'data'}"
        self.process = None
        (self.folder / ".my.cnf").write_text(f"[client]\nsocket={self.socket}\n")
        try:
            subprocess.run(["mariadb-install-db", DEFAULTS, data, "--user=root", "--skip-test-db",
                            "--auth-root-authentication-method=normal"], check=True, capture_output=True)
            with open(self.log, "wb") as log:
                self.process = subprocess.Popen(
                    ["mariadbd", DEFAULTS, data, "--user=root", f"--socket={self.socket}", "--skip-networking",
                     f"--pid-file={self.folder / 'pid'}", "--innodb-buffer-pool-size=8M"],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent)
            wait_for(self.answers, 60, what="MariaDB to answer")
        except BaseException:
            self.close()
            raise

    @property
    def environment(self):
        return {**os.environ, "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}  # where .my.cnf is

    def client(self, text, database=""):
        return subprocess.run(["mariadb", "--default-character-set=utf8mb4", *([database] if database else [])], input=text,
                              env=self.environment, capture_output=True, text=True)

    def answers(self):
        return self.client("SELECT 1").returncode == 0

    def sql(self, text, database="site"):
        done = self.client(text, database)
        if done.returncode:
            raise AssertionError(done.stderr)

    def close(self):
        if self.process:
            end_process(self.process, 30)
            self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)
