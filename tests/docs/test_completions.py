"""How shells complete our command lines, by what ninja made of the programs' own --help."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GRANTFS_BUILD", TOP / "build"))

ASK_BASH = """
. "$1"
COMP_LINE=$2 COMP_POINT=${#2}
read -r -a COMP_WORDS <<<"${2//=/ = }"
[[ $2 != *[[:blank:]=] ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
"_${COMP_WORDS[0]//-/_}"
printf '%s\\n' "${COMPREPLY[@]}"
"""

#: What zsh does with what is offered: here it is printed, as it would be without what is typed already.
ASK_ZSH = """
_describe() { local name; for name in ${(P)@[-1]}; do print -r -- ${name%%:*}; done }
compadd() { print -rl -- ${(P)@[-1]} }
compset() { true }
_files() { print FILES }
words=(${(z)2}) CURRENT=${#words}
[[ $2 != *' ' ]] || { words+=(''); CURRENT=${#words} }
source $1
"""


def run(*words):
    with tempfile.TemporaryDirectory() as home:  # fish writes there
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": home})
    return done.stdout.splitlines(), done.stderr


def by_bash(line):
    offered, said = run("bash", "--norc", "-c", ASK_BASH, "ask", BUILD / f"{line.split()[0]}.bash", line)
    return [word for word in offered if word], said


def by_zsh(line):
    offered, said = run("zsh", "-f", "-c", ASK_ZSH, "ask", BUILD / f"_{line.split()[0]}", line)
    return [word for word in offered if word.startswith(line.split(" ")[-1].split(",")[-1])], said


def by_fish(line):
    offered, said = run("fish", "--no-config", "-c", f"source {BUILD / line.split()[0]}.fish; complete -C '{line}'")
    return [word.split("\t")[0] for word in offered], said


@unittest.skipUnless((BUILD / "grantctl.bash").exists(), "a build without completions")
class Completions(unittest.TestCase):
    def shells(self):
        return [(name, ask) for name, ask in (("bash", by_bash), ("zsh", by_zsh), ("fish", by_fish)) if shutil.which(name)]

    def assert_offered(self, ask, line, *words):
        offered, said = ask(line)
        self.assertEqual(said, "", line)
        self.assertEqual(sorted(set(words) - set(offered)), [], f"not among what {ask.__name__} is offered behind {line!r}: {offered}")
        return offered

    def test_commands_and_their_commands(self):
        for _, ask in self.shells():
            self.assertEqual(self.assert_offered(ask, "grantctl sess", "session"), ["session"])
            self.assertNotIn("init", self.assert_offered(ask, "grantctl session ", "create", "ls", "rm"))

    def test_options_of_the_command_that_is_typed(self):
        for _, ask in self.shells():
            offered = self.assert_offered(ask, "grantctl session create --", "--expires", "--token", "--address")
            self.assertNotIn("--kind", offered)
            self.assert_offered(ask, "grantctl --", "--db", "--json", "--version")
            self.assert_offered(ask, "grantfs-follow --", "--db", "--node", "--follow")

    def test_values_that_the_help_lists(self):
        for _, ask in self.shells():
            self.assertEqual(sorted(self.assert_offered(ask, "grantctl webconf nginx --kind md5", "md5", "md5-folder")), ["md5", "md5-folder"])

    def test_options_of_a_mount(self):
        for name, ask in self.shells():
            self.assert_offered(ask, "grantfs /srv/private /srv/files -o enf", "enforce=lease", "enforce=open")
            beginning = "" if name == "zsh" else "ro,"  # zsh keeps it by itself
            self.assert_offered(ask, "grantfs /srv/private /srv/files -o ro,enf", beginning + "enforce=open")
        self.assertEqual(by_bash("grantfs /srv/private /srv/files -o ro,enforce=o"), (["open"], ""))


if __name__ == "__main__":
    unittest.main()
