"""Answers for whoever administers many users and files: who, ls, usage, transfer, and changes that are looked at first."""

import json
import os
import pty
import random
import re
import select
import subprocess

from grantctl_case import DENIED, DONE, GRANTCTL, USAGE, Case

SEED = int(os.environ.get("GRANTFS_SEED", random.randrange(2**32)))


class Who(Case):
    def readers(self, path):
        return {(each["principal"], each["rule"]["path"], each["rule"]["principal"], tuple(each["membership"]))
                for each in self.json("who", path)["readers"]}

    def test_names_owners_grants_and_members_of_groups_with_the_rule_of_each(self):
        self.ok("own", "user:o", "x")
        self.ok("grant", "group:all", "x/y")
        self.ok("group", "add", "all", "group:staff")
        self.ok("group", "add", "staff", "user:a")
        self.ok("grant", "user:b", "x/y/z")
        self.ok("grant", "user:c", "elsewhere")
        self.assertEqual(self.readers("x/y"), {
            ("user:o", "x", "user:o", ("user:o",)),
            ("group:all", "x/y", "group:all", ("group:all",)),
            ("group:staff", "x/y", "group:all", ("group:staff", "group:all")),
            ("user:a", "x/y", "group:all", ("user:a", "group:staff", "group:all"))})
        self.assertIn("group:staff, of group:all", self.ok("who", "x/y"))

    def test_what_has_ended_lets_nobody_in_and_the_first_end_counts(self):
        self.ok("grant", "group:g", "x", "--expires", "7d")
        self.ok("group", "add", "g", "user:a", "--expires", "1h")
        self.ok("group", "add", "g", "user:b", "--expires", "1h")
        self.sql("UPDATE members SET expires = 5 WHERE member = 'user:b'")
        self.ok("grant", "user:c", "x", "--expires", "1h")
        self.sql("UPDATE grants SET expires = 5 WHERE principal = 'user:c'")
        ends = {each["principal"]: each["until"] for each in self.json("who", "x")["readers"]}
        self.assertEqual(set(ends), {"group:g", "user:a"})
        self.assertLess(ends["user:a"], ends["group:g"])

    def test_of_two_ways_the_one_that_lasts_longest_is_named(self):
        self.ok("grant", "group:all", "x")
        self.ok("group", "add", "all", "user:a", "--expires", "1h")
        self.ok("group", "add", "all", "group:staff")
        self.ok("group", "add", "staff", "user:a")
        (way,) = [each for each in self.json("who", "x")["readers"] if each["principal"] == "user:a"]
        self.assertEqual((way["until"], way["membership"]), (None, ["user:a", "group:staff", "group:all"]))

    def test_groups_in_a_ring_end(self):
        for parent, member in (("a", "group:b"), ("b", "group:c"), ("c", "group:a")):
            self.ok("group", "add", parent, member)
        self.ok("grant", "group:a", "x")
        self.assertEqual({principal for principal, *_ in self.readers("x")}, {"group:a", "group:b", "group:c"})

    def test_users_of_the_machine_are_named_by_their_groups(self):
        self.ok("grant", "gid:daemon", "x")
        self.assertIn(("uid:1", "x", "gid:1", ("uid:1", "gid:1")), self.readers("x"))
        self.assertIn("uid:1 (daemon)", self.ok("who", "x"))

    def test_links_and_keys_are_named_where_they_open_the_path(self):
        self.ok("own", "user:a", "x", "y")
        token = self.ok("link", "create", "x", "--label", "for b").strip()
        self.ok("link", "create", "y")
        self.ok("key", "create", "--id", "k1", "--path", "x")
        self.ok("key", "create", "--id", "k2", "--path", "y")
        self.ok("key", "create", "--id", "k3", "--path", "x")
        self.ok("key", "retire", "k3")
        document = self.json("who", "x/file")
        self.assertEqual([(link["path"], link["label"], link["right"]["rule"]["path"]) for link in document["links"]], [("x", "for b", "x")])
        self.assertEqual([key["id"] for key in document["keys"]], ["k1"])
        self.assertNotIn(token, json.dumps(document))
        self.assertIn("for b", self.ok("who", "x/file"))
        # A link ends with the right that it rests on.
        self.ok("revoke", "user:a", "x")
        self.assertEqual(self.json("who", "x/file")["links"], [])

    def test_a_link_may_rest_on_the_right_of_everyone_or_of_a_group(self):
        self.ok("grant", "public", "p")
        self.ok("grant", "group:g", "q")
        self.ok("group", "add", "g", "user:a")
        for path in ("p", "q"):
            self.ok("link", "create", path, "--for", "user:a")
            (link,) = self.json("who", path)["links"]
            self.assertEqual(link["right"]["principal"], "user:a")

    def test_nobody_is_said(self):
        self.assertEqual(self.ok("who", "x"), "nobody may read 'x'\n")
        self.assertIn("stand for themselves", self.ok("who", "*.jpg"))

    def test_agrees_with_check(self):
        """Of random policies: who lists whom check allows, and nobody else."""
        print(f"seed {SEED} (repeat with GRANTFS_SEED={SEED})")
        chooser = random.Random(SEED)
        users, groups, paths = ([f"user:{i}" for i in range(4)], [f"group:{i}" for i in range(4)], ["a", "a/b", "a/b/c", "d"])
        rows = ["kind,principal,path,group,expires"]
        owned = chooser.sample(paths, 1)
        rows += [f"own,{chooser.choice(users + groups)},{path},," for path in owned]
        for principal, path in {(chooser.choice(users + groups), chooser.choice(paths)) for _ in range(4)}:
            rows.append(f"grant,{principal},{path},,{chooser.choice(['', '5', '99999999999'])}")
        for member, parent in {(chooser.choice(users + groups), chooser.choice(groups)) for _ in range(6)}:
            if member != parent:
                rows.append(f"member,{member},,{parent},{chooser.choice(['', '5', '99999999999'])}")
        self.ok("import", "-", input="\n".join(rows) + "\n")
        for path in ("a/b", "d"):
            listed = {principal for principal, *_ in self.readers(path)}
            for user in users:
                allowed = self.run_grantctl("check", user, path).returncode == DONE and "allow" in self.run_grantctl("check", user, path).stdout
                self.assertEqual(user in listed, allowed, (user, path, rows))


class Ls(Case):
    def setUp(self):
        super().setUp()
        self.ok("own", "user:b", "b", "a")
        self.ok("grant", "user:a", "c", "--expires", "2h")
        self.ok("grant", "user:b", "c", "--expires", "1h")
        self.ok("grant", "group:g", "b/x")
        self.ok("group", "add", "g", "user:b")

    def test_is_sorted_as_it_is_asked(self):
        self.assertEqual(self.rules(), [("a", "user:b", "own"), ("b", "user:b", "own"), ("b/x", "group:g", "read"), ("c", "user:a", "read"),
                                        ("c", "user:b", "read")])
        self.assertEqual(self.rules("--sort", "principal"), [("b/x", "group:g", "read"), ("c", "user:a", "read"), ("a", "user:b", "own"),
                                                             ("b", "user:b", "own"), ("c", "user:b", "read")])
        self.assertEqual(self.rules("--sort", "expires")[:2], [("c", "user:b", "read"), ("c", "user:a", "read")])
        self.assertIn("path, principal or expires", self.exits(USAGE, "ls", "--sort", "size").stderr)

    def test_a_limit_gives_the_first_of_what_there_is_and_says_so(self):
        for words in ([], ["--sort", "principal"], ["--sort", "expires"], ["b"], ["--for", "user:b"], ["--of", "user:b"]):
            everything = self.rules(*words)
            for limit in range(1, len(everything) + 2):
                with self.subTest(words, limit=limit):
                    document = self.json("ls", "--limit", str(limit), *words)
                    found = [(rule["path"], rule["principal"], rule["right"]) for rule in document["rules"]]
                    self.assertEqual(found, everything[:limit])
                    self.assertEqual(document["more"], limit < len(everything))
        self.assertIn("more than these 2", self.exits(DONE, "ls", "--limit", "2").stderr)
        self.assertEqual(self.exits(DONE, "ls", "--limit", "5").stderr, "")
        self.exits(USAGE, "ls", "--limit", "0")

    def test_rules_of_exactly_one_principal_and_of_one_kind(self):
        self.assertEqual(self.rules("--of", "user:b"), [("a", "user:b", "own"), ("b", "user:b", "own"), ("c", "user:b", "read")])
        self.assertEqual(self.rules("--of", "user:b", "--right", "own"), [("a", "user:b", "own"), ("b", "user:b", "own")])
        self.assertEqual(self.rules("--for", "user:b", "--right", "read"), [("b/x", "group:g", "read"), ("c", "user:b", "read")])
        self.exits(USAGE, "ls", "--of", "user:b", "--for", "user:b")
        self.exits(USAGE, "ls", "--right", "write")

    def test_json_lines_are_the_same_rules(self):
        lines = [json.loads(line) for line in self.ok("ls", "--json-lines").splitlines()]
        self.assertEqual(lines, self.json("ls")["rules"])
        self.exits(USAGE, "--json", "ls", "--json-lines")


class SeveralPaths(Case):
    def test_grant_and_revoke_take_several(self):
        self.ok("grant", "user:a", "x", "y/z", "[1,2]", "--expires", "1h")
        self.assertEqual([path for path, *_ in self.rules()], ["[1,2]", "x", "y/z"])
        self.ok("revoke", "user:a", "x", "[1,2]")
        self.assertEqual([path for path, *_ in self.rules()], ["y/z"])

    def test_what_was_not_there_is_named_and_the_rest_is_gone(self):
        self.ok("grant", "user:a", "x", "y")
        done = self.exits(DENIED, "revoke", "user:a", "x", "none", "y")
        self.assertRegex(done.stderr, r"'user:a' has no grant on 'none'")
        self.assertEqual(self.rules(), [])
        document = self.json("revoke", "user:a", "none", "x", status=DENIED)
        self.assertEqual((document["grants"], document["kind"], [each["grants"] for each in document["revoked"]]), (0, "not_found", [0, 0]))

    def test_one_wrong_path_leaves_all_as_it_was(self):
        self.exits(USAGE, "grant", "user:a", "x", "../y")
        self.assertEqual(self.rules(), [])

    def test_recursive_takes_away_what_is_below_and_nothing_beside(self):
        self.ok("grant", "user:a", "x", "x/1", "x/1/2", "xy", "x.y", "y")
        self.ok("own", "user:a", "x/own")
        self.ok("grant", "user:b", "x/1")
        self.ok("revoke", "user:a", "x")
        self.assertEqual(len(self.rules("--of", "user:a")), 6)
        self.assertEqual(self.json("revoke", "--recursive", "user:a", "x")["owners"], 1)
        self.assertEqual(self.rules(), [("x.y", "user:a", "read"), ("x/1", "user:b", "read"), ("xy", "user:a", "read"), ("y", "user:a", "read")])
        self.ok("revoke", "-r", "user:a", ".")
        self.assertEqual(self.rules(), [("x/1", "user:b", "read")])
        self.exits(DENIED, "revoke", "-r", "user:a", ".")

    def test_what_gives_access_refuses_a_pattern_and_what_takes_it_away_does_not(self):
        for command in ("own", "grant"):
            for path in ("x/*", "*.jpg", "a?b"):
                said = self.exits(USAGE, command, "user:a", "fine", path).stderr
                self.assertIn("looks like a pattern", said)
                self.assertEqual(self.rules(), [])
        self.ok("grant", "user:a", "--literal", "x/*", "really?")
        self.ok("own", "--recursive", "user:a", "[a]")
        self.ok("grant", "-r", "user:a", "b")
        self.ok("revoke", "user:a", "x/*", "really?")
        self.assertIn("stand for themselves", self.exits(DENIED, "revoke", "user:a", "x/*").stderr)
        self.assertIn("stand for themselves", self.exits(DENIED, "drop", "*").stderr)


class Transfer(Case):
    def test_gives_another_all_but_sessions_and_links(self):
        self.ok("own", "user:a", "x", "y")
        self.ok("grant", "user:a", "z", "--expires", "7d")
        self.ok("group", "add", "g", "user:a")
        self.ok("session", "create", "user:a")
        self.ok("link", "create", "x")
        done = self.exits(DONE, "transfer", "user:a", "user:b")
        self.assertEqual(done.stdout, "transferred 2 owners, 1 grant, 1 membership\n")
        self.assertRegex(done.stderr, r"note: user:a keeps its sessions \(1\)")
        self.assertRegex(done.stderr, r"note: user:a keeps its links \(1\)")
        self.assertEqual(self.rules("--of", "user:a"), [])
        self.assertEqual(self.rules("--of", "user:b"), [("x", "user:b", "own"), ("y", "user:b", "own"), ("z", "user:b", "read")])
        self.assertEqual([each["member"] for each in self.json("group", "ls")["members"]], ["user:b"])
        self.assertEqual([each["principal"] for each in self.json("session", "ls")["sessions"]], ["user:a"])
        self.assertEqual(self.json("who", "x")["links"], [])

    def test_with_links_they_rest_on_the_others_right(self):
        self.ok("own", "user:a", "x")
        token = self.ok("link", "create", "x")
        self.assertEqual(self.json("transfer", "--links", "user:a", "user:b")["links"], 1)
        self.ok("check", "link:-", "x", input=token)

    def test_where_both_have_it_the_later_end_counts(self):
        never, early, late = (None, 2_000_000_000, 3_000_000_000)
        for ours, theirs, ends in ((early, late, late), (late, early, late), (never, early, never), (early, never, never)):
            with self.subTest(ours=ours, theirs=theirs):
                self.sql("DELETE FROM grants")
                self.sql("DELETE FROM members")
                for who, expires in (("user:a", ours), ("user:b", theirs)):
                    self.sql("INSERT INTO grants (principal, path, expires) VALUES (?, 'x', ?)", who, expires)
                    self.sql("INSERT INTO members (member, parent, expires) VALUES (?, 'group:g', ?)", who, expires)
                counts = self.json("transfer", "user:a", "user:b")
                self.assertEqual((counts["grants"], counts["members"]), (1, 1))
                self.assertEqual(self.sql("SELECT principal, expires FROM grants"), [("user:b", ends)])
                self.assertEqual(self.sql("SELECT member, expires FROM members"), [("user:b", ends)])

    def test_members_go_to_a_group_and_to_nobody_else(self):
        self.ok("group", "add", "old", "user:a")
        self.ok("group", "add", "new", "user:a")
        self.ok("group", "add", "new", "group:old")  # must not become a member of itself
        self.ok("grant", "group:old", "x")
        self.assertIn("no group", self.exits(USAGE, "transfer", "group:old", "user:b").stderr)
        self.assertEqual(len(self.rules("--of", "group:old")), 1)
        self.ok("transfer", "group:old", "group:new")
        self.assertEqual([(each["group"], each["member"]) for each in self.json("group", "ls")["members"]], [("group:new", "user:a")])
        self.assertEqual(self.rules(), [("x", "group:new", "read")])

    def test_nothing_to_give_and_nobody_else_are_said(self):
        self.exits(DENIED, "transfer", "user:a", "user:b")
        self.exits(USAGE, "transfer", "user:a", "user:a")


class LookedAtFirst(Case):
    def setUp(self):
        super().setUp()
        self.ok("own", "user:a", "x", "x/y")
        self.ok("grant", "user:a", "z")

    def test_a_dry_run_says_what_would_be_done_and_does_nothing(self):
        before = self.rules()
        for words, said in ((("forget", "user:a"), "would have forgotten 2 owners, 1 grant\n"), (("drop", "x"), "would have dropped 2 owners\n"),
                            (("transfer", "user:a", "user:b"), "would have transferred 2 owners, 1 grant\n"),
                            (("mv", "x", "w"), "would have moved 2 owners\n"), (("prune",), "would have pruned nothing\n")):
            with self.subTest(words):
                self.assertEqual(self.ok(*words, "--dry-run"), said)
                document = self.json(*words, "-n")
                self.assertIs(document["dry_run"], True)
                self.assertIsNone(document.get("recall"))
                self.assertEqual(self.rules(), before)
        self.exits(DENIED, "forget", "--dry-run", "user:nobody")

    def on_terminal(self, answer, *words):
        """What it prints, and its exit status."""
        primary, secondary = pty.openpty()
        done = subprocess.Popen([GRANTCTL, *words], stdin=secondary, stdout=subprocess.PIPE, stderr=secondary, env=self.environment)
        os.close(secondary)
        os.write(primary, answer)
        out, _ = done.communicate(timeout=30)
        said = b""
        while select.select([primary], [], [], 0)[0]:
            try:
                said += os.read(primary, 65536)
            except OSError:  # EIO: nobody has the other end any more
                break
        os.close(primary)
        return said.decode(), done.returncode

    def test_a_user_at_a_terminal_is_asked_and_a_program_is_not(self):
        before = self.rules()
        said, status = self.on_terminal(b"n\n", "forget", "user:a")
        self.assertIn("forget 'user:a': 2 owners, 1 grant? [y/N]", said)
        self.assertEqual((status, self.rules()), (DENIED, before))
        said, status = self.on_terminal(b"", "drop", "x", "--yes")
        self.assertNotIn("?", said)
        self.assertEqual((status, len(self.rules())), (DONE, 1))
        said, status = self.on_terminal(b"y\n", "transfer", "user:a", "user:b")
        self.assertEqual((status, self.rules()), (DONE, [("z", "user:b", "read")]))
        self.ok("forget", "user:b")
        self.assertEqual(self.rules(), [])


class Import(Case):
    ROWS = "principal,path\n" + "".join(f"user:{i},d/{i}\n" for i in range(20))

    def setUp(self):
        super().setUp()
        self.ok("import", "-", input=self.ROWS)
        self.shorter = self.top / "shorter.csv"
        self.shorter.write_text("".join(self.ROWS.splitlines(keepends=True)[:16]))  # 15 rows

    def test_a_dry_run_counts_what_an_import_would_do(self):
        before = self.rules()
        dry = self.json("import", "--dry-run", "--replace", self.shorter)
        self.assertEqual(dry.pop("dry_run"), True)
        self.assertEqual(self.rules(), before)
        self.assertIn("would have changed", self.ok("import", "-n", "--replace", self.shorter))
        done = self.json("import", "--replace", self.shorter)
        self.assertEqual(done["owners"], {"added": 0, "changed": 0, "removed": 5, "unchanged": 15})
        self.assertEqual({**done, "recall": None}, dry)

    def test_more_deletions_than_are_allowed_leave_all_as_it_was(self):
        before = self.rules()
        for limit in ("4", "0", "24%", "0%"):
            done = self.exits(DENIED, "import", "--replace", "--max-delete", limit, self.shorter)
            self.assertIn("5 of 20 rows would be deleted", done.stderr)
            self.assertEqual(self.rules(), before)
        for limit in ("-1", "x", "101%", "1.5", "%", "nan%"):
            self.assertIn("--max-delete", self.exits(USAGE, "import", "--replace", f"--max-delete={limit}", self.shorter).stderr)
        self.exits(USAGE, "import", "--max-delete", "5", self.shorter)
        self.ok("import", "--replace", "--max-delete", "25%", self.shorter)
        self.ok("import", "--replace", "--max-delete", "0", self.shorter)
        self.assertEqual(len(self.rules()), 15)

    def test_a_stream_that_ends_early_deletes_nothing(self):
        before = self.rules()
        short = self.shorter.read_text()
        for cut in (short, short[:-4], "principal,path\n"):
            said = self.exits(USAGE, "import", "--replace", "-", input=cut).stderr
            self.assertIn("may have broken off", said)
            self.assertIn("nothing was imported", said)
            self.assertEqual(self.rules(), before)
        self.ok("import", "-", input=short)  # deletes nothing in any case
        advice = re.search(r"\{ COMMAND && echo '(.*)'; \}", said)[1]
        self.ok("import", "--replace", "-", input=f"{short}{advice}\n")
        self.assertEqual(len(self.rules()), 15)

    def test_nothing_follows_the_end(self):
        self.assertIn("more follows", self.exits(USAGE, "import", "-", input="principal,path\n\\.\nuser:1,a\n").stderr)
        self.ok("import", "-", input="principal,path\nuser:1,a\n\\.\n\n")


class Usage(Case):
    def test_files_and_bytes_by_the_nearest_owner(self):
        store = self.top / "store"
        for path, size in (("a/1", 10), ("a/b/2", 200), ("a/b/c/3", 3000), ("4", 40_000), ("a-b/5", 5)):
            (store / path).parent.mkdir(parents=True, exist_ok=True)
            (store / path).write_bytes(b"x" * size)
        (store / "link").symlink_to("4")
        self.ok("own", "user:a", "a", "nowhere")
        self.ok("own", "user:b", "a/b", "a-b")
        self.ok("own", "user:c", "a/b/c/3")
        document = self.json("usage", store)
        self.assertEqual(document["owners"], [{"principal": None, "files": 1, "bytes": 40_000}, {"principal": "user:c", "files": 1, "bytes": 3000},
                                              {"principal": "user:b", "files": 2, "bytes": 205}, {"principal": "user:a", "files": 1, "bytes": 10}])
        self.assertEqual((document["files"], document["bytes"]), (5, 43_215))
        self.assertRegex(self.ok("usage", store), r"\(nobody\) +1 +40000 +39\.1 KiB")
        self.ok("own", "user:d", ".")
        self.assertEqual(self.json("usage", store)["owners"][0]["principal"], "user:d")

    def test_where_the_store_is_not_known_that_is_said(self):
        self.assertIn("grantctl usage STORE", self.exits(USAGE, "usage").stderr)
        self.exits(USAGE, "usage", self.top / "none")


class Labels(Case):
    def test_a_label_is_kept_and_shown(self):
        self.ok("own", "user:a", "x")
        self.assertEqual(self.json("link", "create", "x", "--label", "für die Presse")["label"], "für die Presse")
        self.assertIsNone(self.json("link", "create", "x")["label"])
        self.assertIn("für die Presse", self.ok("link", "ls"))
        for wrong in ("a\nb", "x" * 201, ""):
            self.exits(USAGE, "link", "create", "x", "--label", wrong)
        self.assertEqual(len(self.json("link", "ls")["links"]), 2)

    def test_an_export_has_it_and_an_import_without_it_leaves_it(self):
        self.ok("own", "user:a", "x")
        self.ok("link", "create", "x", "--label", 'a "quoted", label')
        exported = self.ok("export", "-")
        columns = exported.splitlines()[0].split(",")
        self.assertEqual(columns[-1], "label")
        older = "\n".join(line.removesuffix(',"a ""quoted"", label"').removesuffix(",label") for line in exported.splitlines())
        self.sql("UPDATE links SET expires = 5")
        header, _, link = older.splitlines()
        self.assertEqual(self.json("import", "-", input=f"{header}\n{link}\n")["links"]["changed"], 1)
        self.assertEqual(self.json("link", "ls")["links"][0]["label"], 'a "quoted", label')
        self.sql("UPDATE links SET label = 'another'")
        self.assertEqual(self.json("import", "-", input=exported)["links"]["changed"], 1)
        self.assertEqual(self.json("import", "-", input=exported)["links"]["unchanged"], 1)
        self.assertEqual(self.sql("SELECT label FROM links"), [('a "quoted", label',)])


class Help(Case):
    def test_help_of_a_command_is_the_commands_help(self):
        for words in (["grant"], ["link", "create"], ["webconf", "check"]):
            self.assertEqual(self.ok("help", *words), self.ok(*words, "--help"))
        self.assertEqual(self.ok("help"), self.ok("--help"))
        self.assertEqual(self.ok("-V"), self.ok("--version"))
        self.assertIn("no command 'nonsense'", self.exits(USAGE, "help", "nonsense").stderr)
        self.assertIn("text alone", self.exits(USAGE, "--json", "help", "grant").stderr)

    def test_what_was_mistyped_is_answered_by_what_is_near(self):
        for words, said in ((["grnat", "user:a", "x"], "did you mean grant?"), (["ls", "--limt", "3"], "did you mean --limit?"),
                            (["group", "lst"], "did you mean group ls?"), (["--jsno", "ls"], "did you mean --json?"),
                            (["lnik", "create", "x"], "did you mean link?"), (["help", "gruop"], "did you mean group?"),
                            (["grant", "user:a", "x", "--expire", "7d"], "did you mean --expires?")):
            with self.subTest(words):
                self.assertIn(said, self.exits(USAGE, *words).stderr)
        for words in (["frobnicate"], ["ls", "--frobnicate"], ["ls", "-q"], ["a" * 40]):
            self.assertNotIn("did you mean", self.exits(USAGE, *words).stderr)

    def test_it_is_as_wide_as_the_terminal(self):
        for columns in (50, 80, 110):
            self.environment["COLUMNS"] = str(columns)
            text = self.ok("link", "create", "--help").split("Example:")[0]
            longest = max(map(len, text.splitlines()))
            self.assertLessEqual(longest, columns)
            self.assertGreater(longest, columns - 20)
