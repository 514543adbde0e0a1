"""Each hardening line of the units is there for a reason: without it, systemd counts the service as more exposed; or the line is
one that systemd does not count, and what it is for is said here."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
UNITS = REPOSITORY / "examples/systemd"
PAGE = REPOSITORY / "docs/threat-model.md"

#: Settings that limit a service. Others in [Service] say how it starts and ends.
HARDENING = re.compile(r"(CapabilityBoundingSet|NoNewPrivileges|Protect\w+|Private\w+|Restrict(?!art)\w+|Lock\w+|Memory\w+|SystemCall\w+"
                       r"|IPAddress\w+|Device\w+|UMask|LimitCORE|ReadWritePaths|User)=")

#: Lines that systemd does not count for these units.
UNCOUNTED = {
    "SystemCallErrorNumber=EPERM": "a refused call fails, as in grantfs's own filter; the default ends the service",
    "LimitCORE=0": "a core would hold tokens, or secrets of keys",
    "DeviceAllow=/dev/fuse rw": "DevicePolicy=closed leaves no other way to mount",
    "ReadWritePaths=/var/lib/grantfs/%i": "ProtectSystem=strict leaves nothing else that can be written",
    "UMask=0007": "what SQLite makes beside the database must be the group's",
    "SystemCallFilter=~@keyring @memlock @setuid chroot pivot_root userfaultfd": "in @system-service and @mount, and never made",
}


def lines_of(unit):
    return [line for line in unit.read_text().splitlines() if HARDENING.match(line)]


@unittest.skipIf(shutil.which("systemd-analyze") is None, "no systemd-analyze")
class Units(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def analysed(self, unit, without, *options):
        """What systemd says of a unit with one line left out."""
        copy = self.folder / unit.name.replace("@", "@case")
        copy.write_text("".join(line for line in unit.read_text().splitlines(keepends=True) if line.rstrip("\n") != without))
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", *options, copy], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    @staticmethod
    def version():
        return int(subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout.split()[1])

    def exposure(self, unit):
        """From 0 (none) to 10."""
        return float(re.search(r"Overall exposure level for \S+: ([\d.]+)", self.analysed(unit, None))[1])

    def exposures(self, unit, without):
        """What counts against the service, by its name in systemd's table."""
        return {row["name"]: float(row["exposure"] or 0) for row in json.loads(self.analysed(unit, without, "--json=short"))}

    def test_the_figures_are_those_of_the_page(self):
        figures = dict(re.findall(r"`(grantfs(?:-follow)?@\.service)` (\d\.\d)", PAGE.read_text()))
        self.assertEqual(len(figures), 2)
        for name, figure in figures.items():
            # Another systemd than that of the page, Debian 12's, weighs a few things more.
            self.assertAlmostEqual(self.exposure(UNITS / name), float(figure), delta=0 if self.version() == 252 else 0.5)

    def test_each_line_is_there_for_a_reason(self):
        for name in ("grantfs@.service", "grantfs-follow@.service"):
            unit = UNITS / name
            whole = self.exposures(unit, None)
            for line in lines_of(unit):
                with self.subTest(unit=name, line=line):
                    less = self.exposures(unit, line)
                    self.assertTrue(any(less[what] > whole[what] for what in whole) != (line in UNCOUNTED),
                                    "systemd counts it: no reason is needed" if line in UNCOUNTED else "without it the service is no more exposed")

    def test_what_is_not_counted_is_there(self):
        lines = {line for unit in UNITS.glob("*.service") for line in lines_of(unit)}
        self.assertLessEqual(set(UNCOUNTED), lines)


if __name__ == "__main__":
    unittest.main()
