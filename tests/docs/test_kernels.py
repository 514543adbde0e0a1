"""What tests/README.md says runs in other kernels, compared with what does; and how the table of kernels is made."""

import pathlib
import re
import sys
import unittest

from test_docs import TOP

sys.path.insert(0, str(TOP / "tests"))

from kernels import guest, main  # noqa: E402

#: Those that a kernel might break.
PROMISES = ["1", "2", "3", "5", "7", "8", "9", "10", "14"]


class Documented(unittest.TestCase):
    def setUp(self):
        section = re.search(r"^## In other kernels$(.*?)^## ", (TOP / "tests/README.md").read_text(), re.MULTILINE | re.DOTALL)[1]
        self.rows = re.findall(r"^\| (\d+): [^|]* \| ([^|]*) \|$", section, re.MULTILINE)

    def test_every_promise_that_a_kernel_might_break_has_a_module(self):
        self.assertEqual([number for number, _ in self.rows], PROMISES)

    def test_the_modules_are_those_that_run(self):
        cells = " ".join(modules for _, modules in self.rows)
        self.assertEqual(set(re.findall(r"`(test_\w+)`", cells)), {*guest.LEASE, *guest.OPEN, *guest.OWN})
        self.assertEqual(set(re.findall(r"`(test_\w+)` \*", cells)), set(guest.OPEN))

    def test_each_module_holds_the_promise_that_it_is_named_for(self):
        for number, modules in self.rows:
            for module in re.findall(r"`(test_\w+)`", modules):
                text = pathlib.Path(TOP, "tests/mount", f"{module}.py").read_text()
                self.assertRegex(text, rf"Promises?[\d, and–]*\b{number}\b", f"{module}, promise {number}")

    def test_the_short_part_is_of_the_whole(self):
        for short, whole in ((guest.SHORT_LEASE, guest.LEASE), (guest.SHORT_OWN, guest.OWN)):
            self.assertLessEqual({name.split(".")[0] for name in short}, set(whole))


class Table(unittest.TestCase):
    def test_questions_go_down_and_kernels_across(self):
        lines = main.table({"old": {"epochs": False, "opens": 0}, "new": {"epochs": True, "opens": 12, "late": None}})
        self.assertEqual(lines, ["        old  new", "epochs  no   yes", "opens   0    12", "late    ?    ?"])

    def test_late_opens_are_those_of_all_cases_of_a_mode(self):
        said = "".join(f"{options}: {revocations} revocations, {opens} opens, 9 more in windows, {late} late; acknowledged in 1\n"
                       for options, revocations, opens, late in (("enforce=lease,lease=60,io=dev", 20, 100, 0),
                                                                 ("enforce=lease,lease=1,io=uring", 4, 50, 1),
                                                                 ("enforce=open,lease=60,io=dev", 20, 7, 0)))
        self.assertEqual(main.late_opens(said), {"late opens, lease": "1 of 150 (24 revocations)",
                                                 "late opens, open": "0 of 7 (20 revocations)"})
