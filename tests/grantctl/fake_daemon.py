"""Control sockets that answer as a daemon would."""

import contextlib
import fcntl
import json
import os
import pathlib
import secrets
import socket
import threading

PATIENCE_SECONDS = 30


class FakeControl:
    """A control socket: answer() says what to each command."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def answer(self, command):
        raise NotImplementedError

    def serve(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                command = json.loads(client.recv(65536))["command"]
                client.sendall(json.dumps(self.answer(command)).encode() + b"\n")

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


class FakeDaemon(FakeControl):
    """Known at the database by a record that it holds locked. Acknowledges a recall when `may_answer` is set."""

    def __init__(self, database, mountpoint="/srv/view", lease_seconds=30.0, answer=None):
        folder = pathlib.Path(f"{database}.daemons")
        folder.mkdir(mode=0o770, exist_ok=True)
        identity = secrets.token_hex(8)
        self.record = folder / f"{identity}.json"
        self.lock = open(self.record, "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.lock.write(json.dumps({"mountpoint": mountpoint, "control": "/run/x.sock", "pid": os.getpid(),
                                    "lease_seconds": lease_seconds}))
        self.lock.flush()
        self.says = answer or {"ok": True}
        self.may_answer = threading.Event()
        self.asked = threading.Event()
        self.requests = []
        super().__init__(folder / f"{identity}.sock")

    def answer(self, command):
        if command != "status":  # which says whether there is a source
            self.requests.append(command)
            self.asked.set()
            self.may_answer.wait(PATIENCE_SECONDS)
        return self.says

    def close(self):
        self.may_answer.set()
        super().close()
        self.path.unlink()
        self.record.unlink()
        self.lock.close()
