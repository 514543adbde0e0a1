"""Machines, but for their kernel: each has a network and mounts of its own, and a switch leads from one to the other.

    network = Network()
    self.addCleanup(network.close)
    db, web = network.machine("db"), network.machine("web")
    subprocess.run([*web.enter, "ping", db.address])
    web.seen("/srv/files/public")     # the path by which this process sees what is mounted there
    web.unplug()                      # or drop_packets(), of which nobody is told
    web.plug_in()

The namespaces of a machine are held by one process, which ends with this one, by SIGKILL too; with it go its interfaces,
and nothing of all this was ever to be seen in the network, the mounts or the folders of the machine that the tests run on.
"""

import ctypes
import os
import pathlib
import socket
import subprocess
import tempfile

from harness import end_with_parent

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
SUBNET = "10.99.99"  # nobody else's: each network is alone
SUBNET_WITH_BITS = f"{SUBNET}.0/24"
CONNECT_SECONDS = 20

#: Other tests' mounts would stay busy as long as this namespace has them too.
_ALONE = """\
awk '{print $5}' /proc/self/mountinfo | grep -E "$1" | tac | xargs -r -n 1 umount --lazy --no-canonicalize || true
mount -t tmpfs tmpfs /run
ip link set lo up
echo ready
exec cat
"""


class Namespaces:
    """A network and mounts that only `enter`, put before a command, leads to."""

    def __init__(self):
        temporary = "|".join({"/tmp", "/var/tmp", tempfile.gettempdir()})
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-euc", _ALONE, "sh", f"^({temporary})/"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=end_with_parent)
        self.pid = self._holder.pid
        self.enter = ["nsenter", f"--target={self.pid}", "--net", "--mount", "--"]
        if self._holder.stdout.readline() != "ready\n":
            self.close()
            raise AssertionError("no namespaces of network and mounts")

    def run(self, *words):
        subprocess.run([*self.enter, *words], check=True)

    def close(self):
        self._holder.kill()
        self._holder.communicate()


class Machine(Namespaces):
    """`name`, and `address` in the network."""

    def __init__(self, network, name, number):
        super().__init__()
        self.name = name
        self.address = f"{SUBNET}.{number}"
        self._switch = network.switch
        self._port = f"port{number}"
        self._switch.run("ip", "link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        self._switch.run("ip", "link", "set", self._port, "master", "switch", "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    # The cable.

    def unplug(self):
        """The interface is down, and the kernel knows it at both ends."""
        self.run("ip", "link", "set", "eth0", "down")

    def drop_packets(self):
        """Whatever comes and goes is lost on the way, and nobody is told."""
        self._switch.run("ip", "link", "set", self._port, "nomaster")

    def plug_in(self):
        """After either of these, or both."""
        self._switch.run("ip", "link", "set", self._port, "master", "switch")
        self.run("ip", "link", "set", "eth0", "up")

    # What this process sees of it.

    def seen(self, path):
        """A path of the machine, its mounts included, as a path that any process may use that /proc lets."""
        return pathlib.Path(f"/proc/{self.pid}/root{path}")

    def connect(self, port, address="127.0.0.1"):
        """A TCP connection from the machine: to itself, unless an address is named."""
        return self._within(lambda: socket.create_connection((address, port), CONNECT_SECONDS))

    def listen(self):
        """A socket that accepts connections of the machine itself, on a port that is free."""
        return self._within(lambda: socket.create_server(("127.0.0.1", 0)))

    def _within(self, make):
        """What `make` makes in the machine's network: a socket stays where it was made."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter_network(there)
            try:
                return make()
            finally:
                _enter_network(here)
        finally:
            os.close(here)
            os.close(there)


class Network:
    """A switch and the machines on it; close() takes them away."""

    def __init__(self):
        self.switch = Namespaces()
        self.machines = []
        try:
            self.switch.run("ip", "link", "add", "switch", "type", "bridge")
            self.switch.run("ip", "link", "set", "switch", "up")
        except BaseException:
            self.close()
            raise

    def machine(self, name):
        machine = Machine(self, name, len(self.machines) + 1)
        self.machines.append(machine)
        return machine

    def close(self):
        for each in (*self.machines, self.switch):
            each.close()


def _enter_network(namespace):
    """For the calling thread alone."""
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
