"""The server fails over to its standby: machines end in the same state or refuse, and give nobody more access."""

import contextlib
import os
import signal
import socket
import threading
import time
import unittest

from fleet_case import ALICE, BOUND, FleetCase
from harness import outcome
from node import FOLLOWER


class Balancer:
    """On a machine: leads each connection to the next of the servers in turn, as a name with two addresses may."""

    def __init__(self, machine, servers):
        self._servers, self._made = servers, 0
        self._listening = machine.listen()
        self.port = self._listening.getsockname()[1]
        self._machine = machine
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = self._servers[self._made % len(self._servers)]
                self._made += 1
                threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client, server):
        with client, self._machine.connect(server.port, server.machine.address) as upstream:
            back = threading.Thread(target=self._pass_on, args=(upstream, client), daemon=True)
            back.start()
            self._pass_on(client, upstream)
            back.join()

    @staticmethod
    def _pass_on(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


class FailOver(FleetCase):
    ARGUMENTS = {"nodes": 2, "follow": BOUND, "standby": True}
    FOR_EACH_CASE = True  # a server that was failed over from is of no use any more

    def setUp(self):
        super().setUp()
        self.old, self.new = self.fleet.servers

    def promote(self):
        """The standby is the upstream from now on."""
        self.new.sql("SELECT pg_promote()")
        self.new.sql("ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()")
        self.fleet.upstream.cluster = self.new

    def test_what_was_revoked_stays_so_and_all_follow_the_new_one(self):
        openers = self.open_on_each("by-session", ALICE, "alice", "letter.txt")
        self.sql("DELETE FROM grantfs.owners WHERE path = 'alice'")
        answers, returned = self.await_recall()
        self.assertEqual(answers, {node.name: "acknowledged" for node in self.nodes})
        self.old.machine.drop_packets()  # a machine that loses its power says nothing any more
        self.old.kill()
        self.promote()
        failed_over = time.monotonic()
        self.sql("DELETE FROM grantfs.owners WHERE path = 'bob'")
        answers, _ = self.await_recall()
        self.assertEqual(set(answers), {node.name for node in self.nodes})
        for node in self.nodes:
            node.wait_until_current()
        print(f"a failover: all are current {time.monotonic() - failed_over:.1f} s after the promotion")
        self.assert_same(*self.nodes)
        for node in self.nodes:
            self.assertIn("the server has failed over", node.said())
        self.assert_none_began_after(returned, openers)
        self.sql("INSERT INTO grantfs.owners (path, principal) VALUES ('alice', 'user:alice')")
        openers.wait_until_open()
        self.sql("DELETE FROM grantfs.owners WHERE path = 'alice'")
        answers, returned = self.await_recall()
        self.assertEqual(answers, {node.name: "acknowledged" for node in self.nodes})
        self.assert_none_began_after(returned, openers)

    def test_a_server_that_was_failed_over_from_is_not_followed_again(self):
        """It comes back with all that was revoked since, and answers first."""
        node = self.nodes[0]
        self.old.kill()
        self.promote()
        node.wait_for(lambda: "the server has failed over" in node.said(), "the new server to be followed")
        node.wait_until_current()
        letter = node.site.path("by-session", ALICE, "alice", "letter.txt")
        self.assertEqual(outcome(os.stat, letter), "OK")
        self.sql("DELETE FROM grantfs.owners")
        self.await_recall()
        self.assertEqual(outcome(os.stat, letter), "ENOENT")
        self.old.start()
        node.stop()
        node.start(f"--follow={BOUND}")
        node.wait_for(lambda: "was left behind by a failover" in node.said() or outcome(os.stat, letter) == "OK", "a word about the old server")
        until = time.monotonic() + BOUND
        while time.monotonic() < until:
            self.assertIn(outcome(os.stat, letter), ("ENOENT", "EACCES"), node.said())
        self.assert_refuses_everything(node)
        self.old.stop()
        node.wait_until_current()
        self.assert_same(node)

    def test_one_server_does_not_say_how_current_another_is(self):
        """Behind a balancer, the stream may come from one server and the answers from another that was failed over from."""
        node = self.nodes[0]
        node.stop()
        self.promote()
        node.uri = f"postgresql://{FOLLOWER}@{self.new.machine.address}:{self.new.port}/site"
        node.start(f"--follow={BOUND}")
        node.wait_for(lambda: node.said().count("the copy is current") == 2, "the new server to be followed")
        node.stop()
        # The old server's log reaches further than the copy, and the new one's further than that.
        for server, size in ((self.old, 20_000), (self.new, 60_000)):
            server.sql(f"SET synchronous_commit = local; SELECT pg_logical_emit_message(true, 'longer', repeat('x', {size}))", "site")
        balancer = Balancer(node.machine, [self.old, self.new])
        self.addCleanup(balancer.close)
        node.uri = f"postgresql://{FOLLOWER}@127.0.0.1:{balancer.port}/site"
        node.start(f"--follow={BOUND}")
        letter = node.site.path("by-session", ALICE, "alice", "letter.txt")
        node.wait_for(lambda: "different servers" in node.said() or node.said().count("the copy is current") == 3, "the two servers to be told apart")
        # What the new server has committed does not arrive, and the old one knows nothing of it.
        senders = node.slots(active=True)
        for (sender,) in senders:
            os.kill(int(sender), signal.SIGSTOP)
        try:
            self.sql("DELETE FROM grantfs.owners")
            self.await_recall()
            self.assertEqual(outcome(os.stat, letter), "EACCES")
        finally:
            for (sender,) in senders:
                os.kill(int(sender), signal.SIGCONT)


if __name__ == "__main__":
    unittest.main()
