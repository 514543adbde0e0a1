"""docs/model: functions and files that the model of leases names are there, and each of its switches is used."""

import re
import sys
import unittest

from test_docs import TOP
from test_mentions import has_member, is_there, paths_in

sys.path.insert(0, str(TOP / "tools/lib"))

import model  # noqa: E402

SOURCE = (TOP / "docs/model/lease.pml").read_text()
#: What is said of the code: in the model's comments, and in the page.
PAGES = {"lease.pml": "\n".join(re.findall(r"/\*.*?\*/", SOURCE, re.DOTALL)), "README.md": (TOP / "docs/model/README.md").read_text()}
#: Definitions of the model's own.
CONSTANTS = {"CHECKED_SHARE", "FOLDER_SHARE"}


def members_in(text):
    """Pairs of a type (or a namespace) and what it has: `Recaller::vouch()`, spans::kSteadyLease."""
    return re.findall(r"\b(?:\w+::)*([A-Z]\w+|spans)::(\w+)", text)


def functions_in(text):
    """Functions of ours that stand by themselves: on_lookup(), wait_for_killed(). Those of the kernel and of libfuse do not count."""
    of_others = r"(?:fuse|d|lookup|ovl)_\w+"
    return [name for name in re.findall(r"(?<![\w:>.])([a-z]\w*_\w+)\(\)", text) if not re.fullmatch(of_others, name)]


def is_defined(name):
    return any(re.search(rf"\b{name}\(", path.read_text()) for path in (TOP / "src").rglob("*.cc"))


def has(kind, member):
    if kind == "spans":
        return re.search(rf"\b{member}\b", (TOP / "src/base/lease_spans.h").read_text()) is not None
    return has_member(kind, member)


class Cited(unittest.TestCase):
    def test_members_are_there(self):
        for page, text in PAGES.items():
            with self.subTest(page):
                named = members_in(text)
                self.assertEqual([f"{kind}::{member}" for kind, member in named if not has(kind, member)], [])

    def test_functions_are_there(self):
        for page, text in PAGES.items():
            with self.subTest(page):
                named = functions_in(text)
                self.assertEqual([name for name in named if not is_defined(name)], [])

    def test_paths_are_there(self):
        for page, text in PAGES.items():
            with self.subTest(page):
                self.assertEqual([path for path in paths_in(text) if not is_there(path)], [])

    def test_what_is_not_there_would_be_noticed(self):
        self.assertFalse(has("Recaller", "nosuch"))
        self.assertFalse(has("spans", "kNoSuch"))
        self.assertFalse(is_defined("on_nosuch"))
        self.assertGreater(len(members_in(SOURCE)), 60)
        self.assertEqual(functions_in("on_lookup(), Type::no_member(), fuse_reply_attr(), no(such)"), ["on_lookup"])

    def test_spans_relate_as_those_of_the_code(self):
        """The model's ticks are as many as they are for this: two shares that are a lease, and a steady lease that is longer."""
        ticks = {name: int(number) for name, number in re.findall(r"#define (LEASE|FOLDER_SHARE|CHECKED_SHARE|STEADY) +(\d+)", SOURCE)}
        self.assertEqual(ticks["FOLDER_SHARE"] + ticks["CHECKED_SHARE"], ticks["LEASE"])
        self.assertGreater(ticks["STEADY"], ticks["LEASE"])
        spans = (TOP / "src/base/lease_spans.h").read_text()
        self.assertIn("static_assert(std::ratio_equal_v<std::ratio_add<FolderShare, CheckedShare>, std::ratio<1>>)", spans)


class Cases(unittest.TestCase):
    def test_each_switch_of_the_model_is_used_and_each_that_is_used_is_there(self):
        known = set(re.findall(r"\b(?:ifdef|ifndef|defined\()\s*(\w+)", SOURCE)) - CONSTANTS
        used = {switch.split("=")[0] for case in model.CASES for switch in case.switches} - CONSTANTS
        self.assertEqual(known, used)

    def test_every_hole_is_looked_for_in_a_scene_that_holds_without_it(self):
        """What is found would otherwise be no fault of what was taken out."""
        scenes = {"REVOKES", "COMMITS", "PASSES_BY", "SHORTENS", "EXPIRES", "OTHERS", "STOPS", "KILLS", "PUNCTUAL", "STEADY_USE",
                  "BEGINS", "EVERYTHING", "FOLDER_GOES", "FOLDER_IS_LESS", "TWO_REQUESTS", "HELD_BACK", "RING"}
        holds = [set(case.switches) for case in model.HOLDS]
        self.assertEqual(set().union(*holds) - scenes, set())
        for case in model.HOLES + model.NEEDED + model.ASSUMED:
            with self.subTest(case.name):
                scene = set(case.switches) & scenes
                self.assertEqual(len(set(case.switches) - scene), 1, "one thing is taken out at a time")
                self.assertTrue(any(scene <= other for other in holds), scene)

    def test_the_three_holes_are_among_them(self):
        page = PAGES["README.md"]
        self.assertEqual(len(model.HOLES), 3)
        for case in model.ASSUMED:
            self.assertIn(f"`{case.name}`", page)
        for name in re.findall(r"`((?:hole|needs|assumes)-[a-z-]+)`", page):
            self.assertIn(name, [case.name for case in model.CASES])

    def test_what_the_checker_says_is_understood(self):
        """Also that it did not come to an end."""
        broken, whole = model.Case("broken", [], 2), model.Case("whole", [], None)
        found = "pan:1: assertion violated (promise!=2) (at depth 34)\nerrors: 1\n  111826 states, stored\n"
        none = "errors: 0\n  655584 states, stored\n"
        self.assertEqual([model.judge(case, said)[0] for case in (broken, whole) for said in (found, none)], [True, False, False, True])
        self.assertEqual(model.judge(whole, none)[1], "no error in all of 655,584 states")
        self.assertFalse(model.judge(broken, "pan:1: invalid end state (at depth 3)\nerrors: 1\n  12 states, stored\n")[0])


if __name__ == "__main__":
    unittest.main()
