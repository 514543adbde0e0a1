"""Control sockets that answer as a daemon would."""

import contextlib
import json
import os
import pathlib
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


class StatusDaemon(FakeControl):
    """Says where everything is."""

    def __init__(self, path, status):
        self.status = status
        super().__init__(path)

    def answer(self, command):
        return {"ok": True, **self.status}


class FakeDaemon(FakeControl):
    """With a record beside the socket. Acknowledges a recall when `may_answer` is set."""

    def __init__(self, path, database, mountpoint="/srv/view", lease_seconds=30.0, answer=None):
        self.record = pathlib.Path(path).with_suffix(".json")
        self.record.write_text(json.dumps({"database": str(database), "mountpoint": mountpoint, "pid": os.getpid(),
                                           "lease_seconds": lease_seconds}))
        self.says = answer or {"ok": True}
        self.may_answer = threading.Event()
        self.asked = threading.Event()
        self.requests = []
        super().__init__(path)

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
