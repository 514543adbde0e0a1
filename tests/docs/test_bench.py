"""What tools/bench makes of its measurements, on numbers that were not measured."""

import pathlib
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ElementTree

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(TOP / "tests" / "bench"))
import chart  # noqa: E402
import floors  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402

LABELS = {row.name: row.label for row in rows.ROWS} | {"odd": "<odd> & \"quoted\""}


def cell(*rates):
    fields = ("megabytes_per_second", "p50_ms", "p99_ms", "server_us", "daemon_us")
    rounds = [{"requests_per_second": rate, **dict.fromkeys(fields, 1.0)} for rate in rates]
    return {"rounds": rounds, "summary": report.summary(rounds)}


def results():
    """raw at 100, lease at 96 in the median though its mean is far below, secure_link broken."""
    return {
        "settings": {"files": {"1k": 2000, "64k": 1}},
        "unavailable": {"open": "no io_uring here"},
        "cells": {"hot": {"1k": {"raw": cell(100, 90, 110), "secure_link": {"error": "403 answers"},
                                 "lease": cell(96, 10, 97), "xaccel": cell(4, 4, 4), "odd": cell(400, 400, 400)},
                          "64k": {"raw": cell(50), "lease": cell(40)}}},
        "descriptors": {"lease": 16, "open_dev": 1001},
    }


def floor(judged, name):
    (found,) = [each for each in judged if each["name"] == name]
    return found


class Bench(unittest.TestCase):
    def test_the_middle_is_the_median_and_the_ends_are_told(self):
        said = report.summary([{"x": 3}, {"x": 100}, {"x": 1}])
        self.assertEqual(said, {"x": {"median": 3, "min": 1, "max": 100}})

    def test_a_percentile_is_a_value_that_occurred(self):
        self.assertEqual(report.spread(range(1, 101)), {"count": 100, "p50": 50, "p99": 99, "max": 100})
        self.assertEqual(report.spread([7]), {"count": 1, "p50": 7, "p99": 7, "max": 7})

    def test_a_ratio_is_of_medians_and_none_of_what_is_missing(self):
        self.assertEqual(report.ratio(results(), "hot", "1k", "lease"), .96)
        self.assertIsNone(report.ratio(results(), "hot", "1k", "secure_link"))
        self.assertIsNone(report.ratio(results(), "hot", "1k", "open"))
        self.assertIsNone(report.ratio(results(), "cold", "1k", "lease"))

    def test_a_floor_passes_fails_or_was_not_measured(self):
        judged = floors.judge(results())
        self.assertIs(floor(judged, "lease, hot, 1 KiB, x raw")["passed"], True)
        self.assertIs(floor(judged, "lease, hot, 64 KiB, x raw")["passed"], False)
        self.assertIs(floor(judged, "lease, hot, 1 KiB, x secure_link")["passed"], None)
        self.assertIs(floor(judged, "lease, hot, 1 KiB, x xaccel")["passed"], False)  # 24, not 25
        self.assertIs(floor(judged, "open, hot, 1 KiB, x bindfs")["passed"], None)
        self.assertIs(floor(judged, "late opens")["passed"], None)
        self.assertIs(floor(judged, "descriptors held, ever")["passed"], False)

    def test_what_was_measured_apart_is_held_to_its_floor(self):
        ways = {"control": {"ack_ms": {"p50": .5, "p99": 21}, "late_opens": 0}, "grantctl": {"late_opens": 1}}
        full = results() | {
            "disturbed": {"lease": {"100": {"share": .90}}},
            "recall": {"lease": {"idle": ways | {"sql": {"refused_ms": {"max": 50}}}, "loaded": ways}},
            "policy": {"decide_us": {"10000": 2.0, "10000000": 6.1}, "list_10_policy_us": {"10": 5.0, "100000": 10.0}},
            "memory": {"nodes": 999_999, "bytes_per_node": 1, "kept_megabytes": 20.5},
            "forgetting": {"others_open_ms": {"p99": 19.0}, "kept_megabytes": 10.5},
            "losses": {"10": {"own_grant_ms": {"p50": .3}}, "10000": {
                "own_grant_ms": {"p50": 1.0}, "path_of_all_ms": {"p50": 49}, "others_open_meanwhile_ms": {"p99": 11}}}}
        judged = {each["name"]: each["passed"] for each in floors.judge(full)}
        expected = {
            "lease at 100 revocations a second, x undisturbed": True,
            "acknowledgement of a recall, idle, p50": True, "acknowledgement of a recall, loaded, p99": False,
            "plain SQL until refused, idle, max": True, "late opens": False,
            "a decision at 10 million grants, x 10 thousand": False, "a decision at 10 million grants": False,
            "10 names among 100,000, x among 10 (policy)": True, "10 names among 100,000, x among 10 (mount)": None,
            "heap of a node at a million": None, "heap after the kernel forgot, above the start": False,
            "others' open while 800 sessions' names are forgotten, p99": True, "heap after shared names were forgotten, above the start": False,
            "a session's own grant is taken away: 10,000 live sessions, x 10": False,
            "a path that 10,000 live sessions see is taken away, p50": True, "others' open meanwhile, p99": False}
        self.assertEqual({name: judged[name] for name in expected}, expected)

    def test_the_table_tells_failures_and_what_was_not_there(self):
        text = report.everything(results() | {"floors": floors.judge(results())}, LABELS)
        self.assertIn("secure_link: FAILED: 403 answers", text)
        self.assertIn("grantfs open: no io_uring here", text)
        self.assertRegex(text, r"grantfs lease +96 +10 +97 +0\.96 ")
        self.assertRegex(text, r"descriptors held, ever +<= 1,000 +1,001 +FAIL")

    def test_what_two_equal_things_differ_by_is_told(self):
        measured = results()
        self.assertEqual(report.noise(measured), "")
        measured["cells"]["hot"]["1k"][rows.AGAIN] = cell(99, 99, 121)
        self.assertRegex(report.everything(measured, LABELS), r"\n  1 KiB +0\.990 +0\.990 +1\.100\n")

    def test_load_goes_on_until_the_daemon_is_hardly_asked_for_names(self):
        probe = '''
from types import SimpleNamespace as Fake
from measure import Bench
asked, runs = iter(%s), []
total = 0
def run(server, size, workload, seconds, seed):
    global total
    runs.append(seed)
    total += next(asked)
    return Fake(requests_per_second=%d)
bench = Bench(Fake(), Fake(files={"1k": range(2000)}), None, {}, print)
bench.load = Fake(run=run)
server = Fake(row=Fake(name="lease"), site=Fake(counters=lambda: {"upcalls_lookup": total}))
bench._until_steady(server, "1k", 1)
bench._until_steady(server, "1k", 1)
print(len(runs), len(set(runs)))
'''
        for asked, rate, said in (("[2000, 2000, 2000, 200, 20, 20]", 40000, "6 4"), ("[2000] * 12", 40000, "12 10"),
                                  ("[150] * 12", 200, "12 10"), ("[30] * 12", 200, "4 2")):
            done = subprocess.run([sys.executable, "-B", "-c", probe % (asked, rate)], cwd=TOP / "tests" / "bench",
                                  capture_output=True, text=True)
            self.assertEqual(done.stdout.strip(), said, done.stderr)

    def test_the_chart_is_xml_small_and_to_scale(self):
        svg = chart.chart(results(), LABELS)
        self.assertLess(len(svg.encode()), 20_000)
        root = ElementTree.fromstring(svg)
        space = "{http://www.w3.org/2000/svg}"
        self.assertIn(LABELS["odd"], [text.text for text in root.iter(f"{space}text")])
        bars = [float(bar.get("width")) for bar in root.iter(f"{space}rect") if bar.get("height") == str(chart.LINE - 2)]
        one = bars[0]  # raw
        for bar, share in zip(bars, (1, 1, .04, .96, .8, 1.15), strict=True):  # the last, of 4, is cut
            self.assertAlmostEqual(bar, one * share, delta=.2)

    def test_a_mount_that_does_otherwise_is_not_measured_under_that_name(self):
        probe = ("import backends; print(backends.contradiction({'enforce': 'open', 'transport': 'uring', 'passthrough': True}, %s))")
        for status, said in (("{}", "None"), ("{'enforce': 'open', 'transport': 'io_uring', 'passthrough': True}", "None"),
                             ("{'transport': '/dev/fuse'}", "transport"), ("{'passthrough': False}", "passthrough")):
            done = subprocess.run([sys.executable, "-B", "-c", probe % status], cwd=TOP / "tests" / "bench",
                                  capture_output=True, text=True)
            self.assertIn(said, done.stdout, done.stderr)

    def test_scripts_have_no_syntax_errors(self):
        for script in ("tools/bench", "tools/lib/bench.sh"):
            self.assertEqual(subprocess.run(["bash", "-n", TOP / script], capture_output=True, text=True).stderr, "")
