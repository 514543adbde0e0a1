"""metrics: the counters of a daemon in the text exposition format of Prometheus."""

import json
import pathlib
import re
import shutil
import subprocess
import unittest

from grantctl_case import DONE, Case
from fake_daemon import FakeDaemon

STATUS = {"ok": True, "version": "9.9", "pid": 7, "store": "/srv/s", "enforce": "lease", "lease_seconds": 1,
          "transport": "io_uring", "passthrough": False, "libfuse": "3", "started": 1700000000, "uptime_seconds": 5}
RECALL_TIMES = {"bounds_microseconds": [500, 2500, 1000000], "counts": [4, 3, 2, 1], "total_microseconds": 3500000}
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples/prometheus"
COUNTERS = {"lookups": 12, "denials": 3, "nodes": 4, "upcalls_read": 5, "upcalls_open": 6, "novelties": 8,
            "recalls_of_everything": 9, "recalls_of_everything_trouble": 9, "redecisions_foreign_commit": 2}


class MetricsCase(Case):
    def daemon(self, mountpoint, **more):
        daemon = FakeDaemon(self.database, mountpoint, answer={
            **STATUS, "mountpoint": mountpoint, "database": str(self.database), "counters": COUNTERS, **more})
        daemon.may_answer.set()
        self.addCleanup(daemon.close)


class Metrics(MetricsCase):
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
            self.assertRegex(line, r'\A(# (HELP|TYPE) grantfs_\w+ .+|grantfs_\w+\{(\w+="[^"]*",?)+\} [\d.]+)\Z')
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

    def test_how_long_recalls_took_is_a_histogram(self):
        """https://prometheus.io/docs/instrumenting/exposition_formats/: buckets add up, and the last is +Inf."""
        self.daemon("/srv/view", recall_times=RECALL_TIMES)
        lines = [line.replace('mountpoint="/srv/view"', "") for line in self.ok("metrics").splitlines() if "grantfs_recall_seconds" in line]
        self.assertEqual(lines[1:], ["# TYPE grantfs_recall_seconds histogram", 'grantfs_recall_seconds_bucket{,le="0.0005"} 4',
                                     'grantfs_recall_seconds_bucket{,le="0.0025"} 7', 'grantfs_recall_seconds_bucket{,le="1"} 9',
                                     'grantfs_recall_seconds_bucket{,le="+Inf"} 10', "grantfs_recall_seconds_sum{} 3.500000",
                                     "grantfs_recall_seconds_count{} 10"])

    def test_a_histogram_that_makes_no_sense_is_left_out(self):
        self.daemon("/srv/view", recall_times={**RECALL_TIMES, "counts": [1]})
        self.assertNotIn("grantfs_recall_seconds", self.ok("metrics"))


class Examples(MetricsCase):
    """Of alerts and of a dashboard."""

    def names(self, text):
        return {re.sub(r"_bucket$", "", name) for name in re.findall(r"\bgrantfs_\w+", text)}

    def test_they_name_metrics_that_there_are(self):
        counters = {**COUNTERS, **dict.fromkeys(("opens", "opendirs", "errors", "recalled_entries", "steady_files", "open_files", "resident_bytes",
                                                 "refused_calls", "audit_records", "audit_lost"), 1)}
        follow = {"seconds": 10, "current": True, "upstream": "db", "age_milliseconds": 5, "left_milliseconds": 5, "behind_bytes": 0}
        self.daemon("/srv/view", recall_times=RECALL_TIMES, follow=follow, counters=counters)
        printed = set(re.findall(r"^# TYPE (\w+)", self.ok("metrics"), re.MULTILINE))
        dashboard = json.loads((EXAMPLES / "grantfs.dashboard.json").read_text())
        asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        for text in (*asked, *re.findall(r"expr: (.*)", (EXAMPLES / "grantfs.rules.yml").read_text())):
            with self.subTest(text):
                self.assertLessEqual(self.names(text), printed)

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_each_alert_comes_and_none_at_a_daemon_that_is_well(self):
        for words in (("check", "rules", "grantfs.rules.yml"), ("test", "rules", "grantfs.test.yml")):
            done = subprocess.run(["promtool", *words], cwd=EXAMPLES, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        alerts = set(re.findall(r"alert: (\w+)", (EXAMPLES / "grantfs.rules.yml").read_text()))
        self.assertEqual(set(re.findall(r'alertname="(\w+)"', (EXAMPLES / "grantfs.test.yml").read_text())), alerts)
