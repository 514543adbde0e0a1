"""An nginx of our own, with the configuration of examples/nginx as it stands, and raw requests to it."""

import http.client
import pathlib
import shutil
import socket
import subprocess
import sys
import time

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "nginx"
COOKIE = "__Host-files"
START_SECONDS = 20


class Reply:
    """What a server said: status, headers by lowercase name, and the whole body."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"


def request(port, path, *, method="GET", headers=(), token=None):
    """One request on a connection of its own; the path goes out byte for byte.

    `headers` is a mapping, or pairs where a name comes twice.
    """
    pairs = list(headers.items() if hasattr(headers, "items") else headers)
    if token is not None:
        pairs.append(("Cookie", f"{COOKIE}={token}"))
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in pairs]
    with socket.create_connection(("127.0.0.1", port), START_SECONDS) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        return Reply(response)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process):
    """Until the server accepts connections; raises if it ends first."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args[0]} ended with status {process.returncode}") from None
            if time.monotonic() > deadline:
                raise
        time.sleep(0.005)


class Nginx:
    """Debian's nginx in a folder of its own, workers as www-data; stop() ends it.

    detached: it outlives this process, and Ctrl-C does not reach it. more: for the server's block.
    """

    def __init__(self, folder, mountpoint, detached=False, more=""):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        self.port = free_port()
        shutil.copy(EXAMPLES / "nginx.conf", self.folder)
        text = (EXAMPLES / "grantfs.conf").read_text()
        for value, ours in (("127.0.0.1:8080;", f"127.0.0.1:{self.port};"), ("/srv/files/", f"{mountpoint}/")):
            if value not in text:
                raise RuntimeError(f"examples/nginx/grantfs.conf has no {value}")
            text = text.replace(value, ours)
        (self.folder / "grantfs.conf").write_text(text.rpartition("}")[0] + more + "}\n")
        self.process = subprocess.Popen(
            ["nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"),
             "-e", str(self.folder / "error.log"), "-g", "daemon off;"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=detached)
        try:
            wait_for_port(self.port, self.process)
        except BaseException:
            sys.stderr.write(self.logs().decode(errors="replace"))
            self.stop()
            raise

    def get(self, path, **arguments):
        return request(self.port, path, **arguments)

    def logs(self):
        """All it has logged, as bytes. Complete for every request answered after stop() alone."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.glob("*.log")))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
