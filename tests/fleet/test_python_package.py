"""The package grantfs for Python, python/, where the policy is in PostgreSQL: nodes, and transactions of an application's own."""

import pathlib
import sys
import threading
import time
import unittest

from cluster import server
from harness import module_of_debian, wait_for
from test_recall import MARGIN_SECONDS, RecallCase

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "python"))

import grantfs  # noqa: E402

psycopg = module_of_debian("psycopg")


@unittest.skipUnless(psycopg, "python3-psycopg is not installed")
class PackageCase(RecallCase):
    def setUp(self):
        super().setUp()
        self.policy = grantfs.Policy(self.uri)

    def own(self, path):
        with self.policy.transaction() as rules:
            rules.own("user:a", path)


class AwaitRecall(PackageCase):
    def test_it_says_what_each_node_has_done(self):
        self.assertEqual(self.policy.await_recall(), [])
        node = self.node("web1", acknowledges=False)
        self.own("a")
        ((name, forgotten, why),) = self.policy.await_recall(timeout_seconds=0.1)
        self.assertEqual((name, forgotten), ("web1", False))
        self.assertNotEqual(why, "acknowledged")
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(self.policy.await_recall()))
        waiting.start()
        node.acknowledges = True
        wait_for(lambda: node.report() or answers, what="await_recall() to return")
        waiting.join()
        self.assertEqual(answers, [[grantfs.Forgotten("web1", True, "acknowledged")]])

    def test_a_node_that_is_gone_has_forgotten_when_its_bound_has_passed(self):
        self.register("gone", 1)
        began = time.monotonic()
        ((name, forgotten, _),) = self.policy.await_recall()
        self.assertEqual((name, forgotten), ("gone", True))
        self.assertGreaterEqual(time.monotonic() - began, 1 + MARGIN_SECONDS)

    def test_it_needs_no_default_of_the_servers(self):
        self.sql(f"ALTER DATABASE {self.name} SET default_transaction_isolation = 'serializable'")
        self.assertEqual(self.policy.await_recall(), [])

    def test_before_the_commit_there_is_nothing_to_wait_for(self):
        with psycopg.connect(self.uri) as connection:
            grantfs.Rules(connection).own("user:a", "up")
            with self.assertRaisesRegex(psycopg.Error, "after COMMIT"):
                grantfs.await_recall(connection)
            connection.rollback()
            self.assertEqual(grantfs.await_recall(connection), [])


class OwnTransactions(PackageCase):
    def owners(self):
        return self.sql("SELECT path, principal FROM grantfs.owners ORDER BY path")

    def test_a_member_of_grantfs_application_commits_both_at_once(self):
        role = f"{self.name}_site"
        self.sql(f"CREATE ROLE {role} LOGIN IN ROLE grantfs_application; CREATE TABLE public.uploads (path text); "
                 f"GRANT ALL ON public.uploads TO {role}")
        self.addCleanup(server().sql, f"DROP ROLE {role}")
        self.addCleanup(self.sql, f"DROP OWNED BY {role}")
        uri = server().uri(self.name, role)
        with psycopg.connect(uri) as connection:
            connection.execute("INSERT INTO uploads VALUES ('up')")
            grantfs.Rules(connection).own("user:a", "up")
        with self.assertRaises(ZeroDivisionError), psycopg.connect(uri) as connection:
            connection.execute("DELETE FROM uploads")
            grantfs.Rules(connection).drop("up")
            raise ZeroDivisionError
        self.assertEqual((self.owners(), self.sql("SELECT * FROM uploads")), ([("up", "user:a")], [("up",)]))
        with grantfs.Policy(uri).transaction() as rules:
            rules.create_session("user:a", 1)
        self.assertEqual(grantfs.Policy(uri).await_recall(), [])

    def test_what_is_no_policy_is_refused(self):
        self.sql(f"CREATE ROLE {self.name}_nobody LOGIN")
        self.addCleanup(server().sql, f"DROP ROLE {self.name}_nobody")
        with self.assertRaisesRegex(psycopg.Error, "permission denied"), grantfs.Policy(server().uri(self.name, f"{self.name}_nobody")).transaction():
            self.fail("nobody may change it")
        with self.assertRaisesRegex(grantfs.PolicyError, "grantctl init"), grantfs.Policy(server().uri()).transaction():
            self.fail("this is none")

    def test_another_writer_is_waited_for_that_long(self):
        self.own("up")
        impatient = grantfs.Policy(self.uri, patience_seconds=0.01)
        with self.policy.transaction() as rules:
            rules.own("user:b", "up")
            with self.assertRaises(psycopg.errors.LockNotAvailable), impatient.transaction() as others:
                others.own("user:c", "up")
        self.assertEqual(self.owners(), [("up", "user:b")])

    def test_names_are_utf_8_there(self):
        with self.assertRaises(ValueError), self.policy.transaction() as rules:
            rules.own("user:a", "up/\udcff")
        self.assertEqual(self.owners(), [])


if __name__ == "__main__":
    unittest.main()
