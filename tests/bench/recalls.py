"""Taking access away, as an application does: a commit, then one line to the control socket."""

import json
import os
import socket
import sqlite3


def recall(control):
    """Returns once the daemon has acknowledged; RuntimeError with its words if it refuses."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(control)
        connection.sendall(b'{"command":"recall"}\n')
        answer = b""
        while not answer.endswith(b"\n"):
            if not (more := connection.recv(4096)):
                break
            answer += more
    said = json.loads(answer)
    if not said.get("ok"):
        raise RuntimeError(f"recall: {said.get('error')}")


def connect(database):
    """Every statement a transaction of its own, safe on disk as by default: fsync is part of what is measured."""
    return sqlite3.connect(database, timeout=10, isolation_level=None)


def opens(path):
    try:
        os.close(os.open(path, os.O_RDONLY))
        return True
    except OSError:
        return False
