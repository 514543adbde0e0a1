"""A follower that applies nothing: it takes what its slot sends, and acknowledges what a test lets it."""

import contextlib
import socket
import struct
import threading
import time

EPOCH_2000 = 946684800


class FakeNode:
    """Speaks PostgreSQL's replication protocol over the server's socket, as nobody else does here."""

    def __init__(self, cluster, database, name, slot=None, application=None, user="postgres", acknowledges=True):
        self.slot = slot or f"grantfs_{name}"
        self.acknowledges = acknowledges
        self.received = 0
        self.lock = threading.Lock()
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(f"{cluster.folder}/.s.PGSQL.{cluster.port}")
        parameters = {"user": user, "database": database, "replication": "database",
                      "application_name": application or self.slot}
        body = struct.pack("!I", 196608) + b"".join(f"{key}\0{value}\0".encode() for key, value in parameters.items()) + b"\0"
        self.connection.sendall(struct.pack("!I", len(body) + 4) + body)
        self._until(b"Z")
        self.command(f"CREATE_REPLICATION_SLOT {self.slot} LOGICAL pgoutput NOEXPORT_SNAPSHOT", may_fail=True)
        self._send(b"Q", f"START_REPLICATION SLOT {self.slot} LOGICAL 0/0 (proto_version '1', publication_names 'grantfs')\0".encode())
        self._until(b"W")
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def command(self, text, may_fail=False):
        self._send(b"Q", text.encode() + b"\0")
        self._until(b"Z", may_fail)

    def _send(self, kind, body):
        self.connection.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def _read(self, size):
        data = b""
        while len(data) < size:
            piece = self.connection.recv(size - len(data))
            if not piece:
                raise ConnectionError("the server has closed the connection")
            data += piece
        return data

    def _message(self):
        kind, size = struct.unpack("!cI", self._read(5))
        return kind, self._read(size - 4)

    def _until(self, wanted, may_fail=False):
        while True:
            kind, body = self._message()
            if kind == b"E" and not may_fail:
                raise AssertionError(body)
            if kind == wanted:
                return

    def _follow(self):
        with contextlib.suppress(OSError, ConnectionError):
            while True:
                kind, body = self._message()
                if kind != b"d":
                    return
                if body[:1] == b"w":
                    self.received = max(self.received, struct.unpack("!Q", body[9:17])[0])
                elif body[:1] == b"k":
                    self.received = max(self.received, struct.unpack("!Q", body[1:9])[0])
                if self.acknowledges:
                    self.report()

    def report(self, applied=None):
        """Written, flushed, applied: all that was received, or as much as is said."""
        applied = self.received if applied is None else applied
        now = int((time.time() - EPOCH_2000) * 1_000_000)
        with self.lock:
            self._send(b"d", b"r" + struct.pack("!QQQqB", self.received, applied, applied, now, 0))

    def close(self):
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()
