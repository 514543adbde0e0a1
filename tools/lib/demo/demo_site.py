"""The site: a store, a database, a mount, web servers."""

import os
import pathlib
import subprocess
import tempfile

from places import BUILD
from processes import find_daemon, started
from trouble import Trouble

from servers import Nginx, free_port, wait_for_port

SERVER = "www-data"


class Site:
    def __init__(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="grantfs-demo."))
        self.root.chmod(0o711)
        self.store = self.folder("store", 0o700)
        self.mount = self.folder("files", 0o755)
        self.db = self.folder("policy", 0o700) / "policy.db"
        self.control = self.root / "control.sock"
        self.processes = []
        self.daemon = None

    def folder(self, name, mode):
        path = self.root / name
        path.mkdir()
        path.chmod(mode)
        return path

    def grantctl(self, *words, check=True, **options):
        done = subprocess.run([BUILD / "grantctl", "--db", self.db, *words], capture_output=True, text=True,
                              env={**os.environ, "GRANTFS_CONTROL": str(self.control)}, **options)
        if check and done.returncode:
            raise Trouble(f"grantctl {' '.join(words)}: {done.stderr.strip()}")
        return done

    def session(self, principal):
        return self.grantctl("session", "create", principal, "--expires", "8h").stdout.split()[-1]

    def start(self):
        self.grantctl("init")
        done = subprocess.run([BUILD / "grantfs", self.store, self.mount, "-o",
                               f"db={self.db},control={self.control},server_group={SERVER}"])
        if done.returncode:
            raise Trouble(f"grantfs did not start (status {done.returncode})")
        self.daemon = find_daemon(self.mount)
        self.nginx = Nginx(self.root / "nginx", self.mount, detached=True)
        self.processes.append(self.nginx.process)

    def serve(self, command, folder):
        """Another web server, as www-data, in that folder; its working directory, so that a token in
        the path shows on no command line. Returns its port."""
        port = free_port()
        process = subprocess.Popen(
            ["setpriv", f"--reuid={SERVER}", f"--regid={SERVER}", "--init-groups", *(word.format(port=port) for word in command)],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.processes.append(process)
        wait_for_port(port, process)
        return port

    def state(self):
        servers = [process.pid for process in self.processes if process.poll() is None]
        daemons = [self.daemon] if self.daemon else []
        return {"root": str(self.root), "mount": str(self.mount),
                "servers": [[pid, started(pid)] for pid in servers], "daemons": [[pid, started(pid)] for pid in daemons]}
