"""metrics: the counters of a daemon in the text exposition format of Prometheus."""

import re

from grantctl_case import DONE, Case
from fake_daemon import FakeDaemon

STATUS = {"ok": True, "version": "9.9", "pid": 7, "store": "/srv/s", "enforce": "lease", "lease_seconds": 1,
          "transport": "io_uring", "passthrough": False, "libfuse": "3", "started": 1700000000, "uptime_seconds": 5}
COUNTERS = {"lookups": 12, "denials": 3, "nodes": 4, "upcalls_read": 5, "upcalls_open": 6, "novelties": 8,
            "recalls_of_everything": 9, "recalls_of_everything_trouble": 9, "redecisions_foreign_commit": 2}


class Metrics(Case):
    def daemon(self, mountpoint):
        daemon = FakeDaemon(self.database, mountpoint, answer={
            **STATUS, "mountpoint": mountpoint, "database": str(self.database), "counters": COUNTERS})
        daemon.may_answer.set()
        self.addCleanup(daemon.close)

    def test_every_counter_with_its_type_and_help(self):
        self.daemon("/srv/view")
        out = self.ok("metrics")
        self.assertIn('# HELP grantfs_lookups_total Names that were decided.\n# TYPE grantfs_lookups_total counter\n'
                      'grantfs_lookups_total{mountpoint="/srv/view"} 12\n', out)
        self.assertIn('# TYPE grantfs_nodes gauge\ngrantfs_nodes{mountpoint="/srv/view"} 4\n', out)
        self.assertIn('# TYPE grantfs_upcalls_total counter\n'
                      'grantfs_upcalls_total{mountpoint="/srv/view",operation="open"} 6\n'
                      'grantfs_upcalls_total{mountpoint="/srv/view",operation="read"} 5\n', out)
        self.assertIn('grantfs_recalls_of_everything_total{mountpoint="/srv/view"} 9\n', out)
        self.assertIn('grantfs_recalls_of_everything_by_reason_total{mountpoint="/srv/view",reason="trouble"} 9\n', out)
        self.assertIn('grantfs_redecisions_total{mountpoint="/srv/view",reason="foreign_commit"} 2\n', out)
        self.assertIn('grantfs_novelties_total{mountpoint="/srv/view"} 8\n', out)
        self.assertIn('grantfs_info{mountpoint="/srv/view",version="9.9",enforce="lease",transport="io_uring"} 1\n', out)
        self.assertIn('grantfs_start_time_seconds{mountpoint="/srv/view"} 1700000000\n', out)
        for line in out.splitlines():
            self.assertRegex(line, r'\A(# (HELP|TYPE) grantfs_\w+ .+|grantfs_\w+\{(\w+="[^"]*",?)+\} \d+)\Z')
        named = re.findall(r"^# TYPE (\w+)", out, re.MULTILINE)
        self.assertEqual(len(named), len(set(named)))

    def test_a_label_cannot_forge_a_line(self):
        self.daemon('/a"} 1\nforged{x="\\')
        self.assertIn(r'grantfs_nodes{mountpoint="/a\"} 1\nforged{x=\"\\"} 4', self.ok("metrics"))

    def test_no_daemon(self):
        done = self.exits(DONE, "metrics")
        self.assertIn("no daemon runs on", done.stderr)
        self.assertIn(f'grantfs_up{{database="{self.database}"}} 0\n', done.stdout)

    def test_health(self):
        self.daemon("/srv/view")
        self.assertIn('grantfs_up{mountpoint="/srv/view"} 1\n', self.ok("metrics"))
        self.assertIn('grantfs_healthy{mountpoint="/srv/view"} 1\n', self.ok("metrics"))
