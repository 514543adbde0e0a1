"""A kernel NFS server and its clients in one machine: each client has a network namespace, a name and a link of its own."""

import functools
import os
import pathlib
import subprocess

#: What the server exports: an ext4 file system of its own, so that it can be made anew.
EXPORT = pathlib.Path("/srv/export")
IMAGE = pathlib.Path("/var/tmp/export.ext4")
#: Whether the client asks for delegations of folders, which grantfs does not serve from: newer kernels alone have it.
DELEGATIONS = pathlib.Path("/sys/module/nfsv4/parameters/directory_delegations")


def run(*words, check=True):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}")
    return done


class Server:
    """In the machine's own network namespace. It is started once, and ends with the machine."""

    OPTIONS = "rw,async,no_subtree_check,no_root_squash,fsid=1"

    def __init__(self):
        if not os.path.ismount("/proc/fs/nfsd"):
            self.start()

    def start(self):
        for folder in ("/var/lib/nfs/rpc_pipefs", "/var/lib/nfs/v4recovery", "/run/rpcbind", "/run/netns", EXPORT):
            os.makedirs(folder, exist_ok=True)
        for file in ("/etc/exports", "/var/lib/nfs/etab", "/var/lib/nfs/rmtab"):
            pathlib.Path(file).touch()
        run("mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd")
        if DELEGATIONS.exists():
            DELEGATIONS.write_text("N\n")
        # Nobody has state from before the server's start.
        for name in ("nfsv4gracetime", "nfsv4leasetime"):
            pathlib.Path("/proc/fs/nfsd", name).write_text("10\n")
        self.make_anew()
        run("rpcbind")
        self.export()
        self.answer()
        run("rpc.mountd", "--no-udp")

    @staticmethod
    def answer(threads=8):
        """With no threads it has ended, and holds nothing any more."""
        run("rpc.nfsd", "--no-udp", threads)

    @staticmethod
    def make_anew():
        """A new, empty file system to export."""
        with open(IMAGE, "wb") as image:
            image.truncate(64 << 20)
        run("mkfs.ext4", "-q", IMAGE)
        run("mount", "-o", "loop", IMAGE, EXPORT)

    def export(self, options=OPTIONS):
        run("exportfs", "-o", options, f"*:{EXPORT}")

    @staticmethod
    def withdraw():
        """Nobody is served any more."""
        run("exportfs", "-ua")
        run("exportfs", "-f")


class Client:
    """A machine of its own as far as NFS can see."""

    def __init__(self, name, number):
        self.name, self.link = name, f"to-{name}"
        self.server = f"10.0.{number}.1"
        if os.path.exists(f"/run/netns/{name}"):
            return
        run("ip", "netns", "add", name)
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "address", "add", f"{self.server}/24", "dev", self.link)
        run("ip", "link", "set", self.link, "up")
        for words in (("address", "add", f"10.0.{number}.2/24", "dev", "eth0"), ("link", "set", "eth0", "up"), ("link", "set", "lo", "up")):
            run("ip", "-n", name, *words)

    def mount(self, folder, at, options):
        """A folder below the export."""
        # By its host's name the server tells a client that was started anew from another.
        run("nsenter", f"--net=/run/netns/{self.name}", "unshare", "--uts", "sh", "-euc", 'hostname "$1"; shift; exec "$@"', "sh", self.name,
            "mount.nfs", f"{self.server}:{EXPORT / folder}", at, "-o", options)

    def cut(self):
        """Neither side hears of the other any more."""
        run("ip", "link", "set", self.link, "down")

    def join(self):
        run("ip", "link", "set", self.link, "up")


@functools.cache
def machines():
    """The server, the machine that grantfs runs on, and another."""
    return Server(), Client("web", 1), Client("other", 2)
