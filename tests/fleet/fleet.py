"""A server, machines that follow it, and one store that all of them serve; each in namespaces of its own (network.py).

    fleet = Fleet(nodes=3, follow=3)
    self.addCleanup(fleet.close)
    fleet.upstream.sql("INSERT INTO grantfs.grants ...")
    for node in fleet.nodes:
        open(node.site.path("public", "shared", "report.txt"))
        node.get("/public/shared/report.txt").status      # of its nginx
    fleet.nodes[0].machine.unplug()
"""

import os
import pathlib
import secrets
import shutil
import sys
import tempfile

from cluster import Cluster
from harness import Site, wait_for
from network import SUBNET_WITH_BITS, Network
from node import FOLLOWER, Node, Upstream

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "web"))
from servers import Nginx, Reply, ask  # noqa: E402

DATABASE = "site"


class MachineSite(Site):
    """A site whose programs run on a machine. `mountpoint` and path() are as this process sees them."""

    def __init__(self, machine, store):
        super().__init__(init=False)
        self.machine, self.enter = machine, machine.enter
        self.store = store
        self.mounted_on = self.mountpoint  # as the machine sees it
        self.mountpoint = machine.seen(self.mounted_on)

    def command(self, options="", foreground=False):
        words = super().command(options, foreground)
        return [str(self.mounted_on) if word == str(self.mountpoint) else word for word in words]

    def close(self):
        if self.alive():
            self.terminate()  # nobody here can unmount it
        super().close()


class FleetNode(Node):
    """A node on a machine of its own."""

    def __init__(self, fleet, machine):
        self.machine, self.nginx = machine, None
        site = MachineSite(machine, fleet.store)
        super().__init__(fleet.upstream, machine.name, site, fleet.uri(), {**os.environ, "PGPASSFILE": str(fleet.passwords)})

    def serve(self):
        """Starts an nginx, as webconf configures it."""
        self.nginx = Nginx(self.site.root / "nginx", self.site.mounted_on, machine=self.machine)

    def get(self, path, token=None):
        """What its nginx answers to a request from the machine itself."""
        with self.machine.connect(self.nginx.port) as connection:
            return Reply(ask(connection, self.nginx.port, path, token=token))

    def close(self):
        if self.nginx is not None:
            self.nginx.stop()
        self.stop()
        self.site.close()


class Fleet:
    """`nodes`, the `upstream` that they follow, and the `store` that they serve. `servers` has the upstream's server and, with
    `standby`, another one, which has each commit before the client hears of it."""

    def __init__(self, nodes, follow, options="enforce=lease,lease=60", nginx=False, standby=False, **settings):
        self.nodes, self.servers = [], []
        self.follow = follow
        self.mount_options = f"{options},follow={follow},server_group=www-data"
        self.password = secrets.token_hex(16)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="grantfs-fleet."))
        self.network = Network()
        # Of a connection that was cut the server knows nothing; until it does, its slot is taken.
        settings = {"wal_sender_timeout": "5s", **settings}
        try:
            self.folder.chmod(0o711)
            self.store = self.folder / "store"
            self.store.mkdir(mode=0o700)
            self.passwords = self.folder / "passwords"
            self.passwords.touch(mode=0o600)
            self.passwords.write_text(f"*:*:*:*:{self.password}\n")
            self.servers.append(Cluster(machine=self.network.machine("db1"), **settings))
            self.upstream = Upstream(self.servers[0], DATABASE)
            self.upstream.sql(f"ALTER ROLE {FOLLOWER} PASSWORD '{self.password}'")
            if standby:
                self._add_standby(settings)
            for number in range(1, nodes + 1):
                self.add_node(f"web{number}")
            for node in self.nodes:
                node.mount(self.mount_options)
                if nginx:
                    node.serve()
        except BaseException:
            self.close()
            raise

    def uri(self):
        """How a follower finds whichever server is the primary."""
        hosts = ",".join(f"{server.machine.address}:{server.port}" for server in self.servers)
        return f"postgresql://{FOLLOWER}@{hosts}/{DATABASE}?target_session_attrs=primary&connect_timeout=2&tcp_user_timeout=4000"

    def _add_standby(self, settings):
        """As docs/fleet.md has it: by pg_basebackup, with a slot of its own, and synchronous."""
        primary = self.servers[0]
        primary.sql(f"CREATE ROLE standby LOGIN REPLICATION PASSWORD '{self.password}'")
        standby = Cluster(start=False, initialise=False, machine=self.network.machine("db2"), **settings)
        self.servers.append(standby)
        where = f"host={primary.machine.address} port={primary.port} user=standby password={self.password} application_name=db2"
        standby.run("pg_basebackup", "-D", standby.data, "-d", where, "-R", "-C", "-S", "db2", "--checkpoint=fast", "--no-sync")
        standby.start()
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'db2'")
        primary.sql("SELECT pg_reload_conf()")
        wait_for(lambda: primary.sql("SELECT 1 FROM pg_stat_replication WHERE application_name = 'db2' AND sync_state = 'sync'"),
                 what="the standby to be synchronous")

    def add_node(self, name):
        node = FleetNode(self, self.network.machine(name))
        self.nodes.append(node)
        node.start(f"--follow={self.follow}")
        return node

    def sql(self, text):
        return self.upstream.sql(text)

    def write(self, path, data):
        """Puts a file into the store."""
        file = self.store / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def close(self):
        for each in (*self.nodes, *self.servers):
            each.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.network.close()
