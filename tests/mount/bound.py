"""Processes that `grantctl run` has bound to a session, and what they do for the cases about them."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

from fixture import TwoUsersTest
from harness import GRANTCTL, PATIENCE_SECONDS, Actor, outcome

HERE = pathlib.Path(__file__).resolve().parent


class Bound(Actor):
    """An Actor that `grantctl run` has started: it leads a session that is bound to the token."""

    def __init__(self, site, token, uid=0):
        serve = f"import harness, bound, test_isolation; harness.become({uid}); harness.Actor._serve(0, 1)"
        self.uid = uid
        self.run = subprocess.Popen(
            [GRANTCTL, "--db", site.db, "run", "--session", "-", "--", sys.executable, "-B", "-c", serve],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=site.environment | {"PYTHONPATH": f"{HERE.parent}:{HERE}"})
        self._requests, self._answers = self.run.stdin, self.run.stdout
        self._requests.write(token.encode() + b"\n")
        self.pid = self.call(os.getpid)

    def close(self):
        for end in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                end.close()
        self.run.wait(PATIENCE_SECONDS)


class Remote(Actor):
    """An Actor at the other end of a Unix socket."""

    def __init__(self, connection):
        self._requests, self._answers = connection.makefile("wb"), connection.makefile("rb")
        connection.close()
        self.pid = self.call(os.getpid)

    def close(self):
        for end in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                end.close()


# --- what the processes of a session do, called there by name -----------------------------------------------------------------


def leave_another(address, own_session=False):
    """Forks a process that serves as an Actor at the address, whatever becomes of its parent."""
    if os.fork():
        return
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            if own_session:
                os.setsid()
            connection.connect(address)
            Actor._serve(os.dup(connection.fileno()), os.dup(connection.fileno()))
    finally:
        os._exit(0)


def send_folder(address, path, flags):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        folder = os.open(path, flags)
        socket.send_fds(connection, [b"x"], [folder])
        os.close(folder)


def in_a_thread(function, *args):
    results = []
    thread = threading.Thread(target=lambda: results.append((threading.get_native_id(), outcome(function, *args))))
    thread.start()
    thread.join()
    return results[0]


def ask(control, request):
    """What the daemon answers to this process."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(control)
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile() as answer:
            return json.loads(answer.readline())


def bind(control, token):
    return ask(control, {"command": "bind", "token": token})


def hold(path):
    """Opens a folder and keeps it."""
    return os.open(path, os.O_RDONLY)


class ProcessTest(TwoUsersTest):
    """With sessions of carol, who may read alice's folder, and dave, who may read bob's."""

    def setUp(self):
        super().setUp()
        self.grant("user:carol", "alice")
        self.grant("user:dave", "bob")
        self.carol_token = self.site.sql_session("user:carol")
        self.dave_token = self.site.sql_session("user:dave")
        self.me = self.site.path("me")
        self.report = self.site.path("me", "alice/report.txt")

    def bound(self, token=None, **kwargs):
        bound = Bound(self.site, token or self.carol_token, **kwargs)
        self.addCleanup(bound.close)
        return bound

    def by_process(self, sid, *parts):
        return self.site.path("by-process", sid, *parts)

    def accept(self, start):
        """The connection that start(address) makes."""
        with socket.socket(socket.AF_UNIX) as listener:
            address = str(self.site.root / "meet.sock")
            listener.settimeout(PATIENCE_SECONDS)
            listener.bind(address)
            try:
                listener.listen()
                start(address)
                return listener.accept()[0]
            finally:
                os.unlink(address)

    def another(self, bound, **kwargs):
        """Another process of that session, which survives its leader."""
        remote = Remote(self.accept(lambda address: bound.call(leave_another, address, **kwargs)))
        self.addCleanup(remote.close)
        return remote
