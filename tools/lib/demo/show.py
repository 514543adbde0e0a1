"""A request or a read, its row in the table, and whether the answer was right."""

import hashlib
import os
import subprocess
import urllib.parse

import places  # noqa: F401: where servers.py is

from servers import request


def digest(data):
    return hashlib.sha256(data).hexdigest()


def quoted(path):
    return urllib.parse.quote(str(path))


class Show:
    def __init__(self, site, table):
        self.site = site
        self.table = table

    def original(self, path):
        return (self.site.store / path).read_bytes()

    def pick(self, folder):
        """A file of the store to ask for: of moderate length and name."""
        paths = [path.relative_to(self.site.store) for path in sorted((self.site.store / folder).rglob("*")) if path.is_file()]
        return str(min(paths, key=lambda path: (len(str(path)), str(path))))

    def ask(self, who, url, why, status, body=None, shown=None, port=None, wanted=None, **arguments):
        """A request and its row."""
        return self.judge(who, shown or f"GET {url}", request(port or self.site.nginx.port, url, **arguments), why, status, body, wanted)

    def judge(self, who, shown, reply, why, status, body=None, wanted=None):
        """The row of an answer: right if the status and, if given, the body's hash are."""
        good = reply.status == status
        got = str(reply.status)
        if body is not None:
            same = digest(reply.body) == digest(body)
            good = good and same
            got += ("" if not body else ", same bytes") if same else ", OTHER BYTES"
        if wanted is not None:
            good = good and wanted(reply)
        self.table.row(who, shown, got, why, good)
        return reply

    def as_uid(self, uid, path, why, expected):
        """cat(1) by that uid: expected is the file's bytes, or the message of a refusal."""
        command = ["cat", str(path)]
        if uid:
            command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
        done = subprocess.run(command, capture_output=True, env={**os.environ, "LC_ALL": "C"})
        if isinstance(expected, bytes):
            good = done.returncode == 0 and digest(done.stdout) == digest(expected)
            got = "same bytes" if good else done.stderr.decode().strip().rpartition(": ")[2] or "OTHER BYTES"
        else:
            got = done.stderr.decode().strip().rpartition(": ")[2] or "served"
            good = done.returncode != 0 and got == expected
        shown = f"cat {path}".replace(str(self.site.mount), "MOUNT")
        self.table.row(f"uid {uid}" if uid else "root", shown, got, why, good)
