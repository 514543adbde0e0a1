#!/usr/bin/env python3
"""What tools/check lint runs: clang-format, cppcheck and clang-tidy over every source file.

clang-tidy reads a source's headers again for each file, which is most of its time: 198 files would take an hour. So
the files that are compiled by the same options are read together, in one that includes them ("a lump"). Where two of
a lump define the same name, it is halved, and halved again.

Each tool and file is a case; the last line is "N passed, N failed".
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / "build-lint"
FOLDERS = ("src", "include", "tests", "tools")
MOST_IN_A_LUMP = 20  # so that two processors have as much to do as each other
AS_TESTED = 14  # the version of clang-format and clang-tidy that CI has: Debian 12's

# What stays off in cppcheck is off for a reason: "style" repeats clang-tidy with less knowledge, "unusedFunction" takes
# the handlers of libfuse and what templates call for unused, and readdir(3) is safe on a stream of one thread's own.
# Tests are not read: cppcheck 2.10 gives up a file at a loop that has "300ms" in it.
CPPCHECK = ("cppcheck", "--quiet", "--enable=warning,performance,portability", "--inline-suppr", "--std=c++20",
            "--error-exitcode=0", "--library=posix", "--template={file}:{line}: {severity}: {message} [{id}]",
            "--suppress=readdirCalled", "--max-configs=1", "-j2")
FINDING = re.compile(r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+)(?::\d+)?: (?:warning|error|performance|portability): .*", re.MULTILINE)


def sources(*suffixes):
    return sorted(path for folder in FOLDERS for path in (TOP / folder).rglob("*") if path.suffix in suffixes)


def run(words, **kwargs):
    return subprocess.run(list(map(str, words)), cwd=TOP, capture_output=True, text=True, errors="replace", **kwargs)


class Findings:
    """What was found, by tool and file; each is printed once, in whatever many lumps a header lies."""

    def __init__(self):
        self.checked = set()
        self.found = collections.defaultdict(list)

    def add(self, tool, files, output):
        self.checked |= {(tool, path) for path in files}
        blocks = re.split(FINDING.pattern.replace("(?P<file>", "(?:").replace("(?P<line>", "(?:"), output, flags=re.MULTILINE)
        for match, block in zip(FINDING.finditer(output), blocks[1:]):
            path = pathlib.Path(os.path.normpath(TOP / match["file"]))
            said = match[0].replace(match["file"], os.path.relpath(path, TOP), 1) + block.rstrip()
            if said not in self.found[tool, path]:
                self.found[tool, path].append(said)

    def report(self, counts=None):
        for said in self.found.values():
            print("\n".join(said), flush=True)
        failed = set(self.found)
        if counts:
            pathlib.Path(counts).write_text(json.dumps({"passed": len(self.checked - failed), "failed": len(failed), "skipped": 0}))
        print(f"{len(self.checked - failed)} passed, {len(failed)} failed")
        return 1 if failed or not self.checked else 0


def clang_format(files):
    done = run(["clang-format", "--dry-run", "--Werror", *files])
    return done.stderr if done.returncode else ""


def cppcheck(files):
    done = run([*CPPCHECK, "-I", "src", "-I", "include", *files])
    if done.returncode:
        raise SystemExit(f"cppcheck failed: {done.stdout}{done.stderr}")
    return done.stderr


class Lump:
    """Files that are compiled by the same options, read by clang-tidy as one."""

    def __init__(self, options, files):
        self.options = options
        self.files = files

    def halves(self):
        middle = len(self.files) // 2
        return Lump(self.options, self.files[:middle]), Lump(self.options, self.files[middle:])

    def tidy(self):
        """(files, output) of it, or of its parts if names of its files collide."""
        name = hashlib.sha256(repr((self.options, self.files)).encode()).hexdigest()[:16]
        lump = BUILD / "lumps" / f"{self.files[0].stem}-{name}.cc"
        lump.write_text("".join(f'#include "{path}"\n' for path in self.files))
        started = time.monotonic()
        done = run(["clang-tidy", "--quiet", "--extra-arg=-Wno-unknown-warning-option", *self.checks(), lump, "--",
                    *self.options])
        if os.environ.get("GRANTFS_LINT_TIMES"):
            print(f"{time.monotonic() - started:.1f} s, {len(self.files)} files: {lump.name}", file=sys.stderr, flush=True)
        if "clang-diagnostic-error" in done.stdout and len(self.files) > 1:
            return [part for half in self.halves() for part in half.tidy()]
        output = done.stdout
        if done.returncode and not FINDING.search(output):
            output = f"{self.files[0]}:1: error: clang-tidy failed: {done.stderr}\n"
        return [(self.files, output)]

    def checks(self):
        """Besides .clang-tidy's: a lump includes sources; and GoogleTest's macros take the analyzer minutes."""
        tests = (TOP / "tests") in self.files[0].parents
        return ["--checks=-bugprone-suspicious-include" + (",-clang-analyzer-*" if tests else "")]


def lumps(wanted):
    """Of the files wanted, as build-lint/compile_commands.json compiles them; and those wanted that it does not know."""
    by_options = collections.defaultdict(list)
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = pathlib.Path(os.path.normpath(pathlib.Path(entry["directory"], entry["file"])))
        if path in wanted:
            by_options[options(entry)].append(path)
    found = []
    for words, files in by_options.items():
        files = sorted(set(files))
        parts = -(-len(files) // MOST_IN_A_LUMP)
        found += [Lump(words, files[len(files) * part // parts:len(files) * (part + 1) // parts]) for part in range(parts)]
    known = {path for files in by_options.values() for path in files}
    return sorted(found, key=lambda lump: len(lump.files), reverse=True), sorted(wanted - known)


def options(entry):
    """Of the compiler, with folders that hold wherever it runs."""
    words, kept = iter(shlex.split(entry["command"])[1:]), []
    for word in words:
        if word in ("-o", "-MF", "-MQ", "-c"):
            next(words)
        elif word in ("-MD", "-pipe") or word.startswith("-Winvalid-pch"):
            continue
        elif word.startswith("-I"):
            folder = os.path.normpath(os.path.join(entry["directory"], word[2:]))
            # Files of a target's own folder of objects are none.
            if not folder.endswith(".p"):
                kept.append("-I" + folder)
        elif not word.startswith("-") and word.endswith((".cc", ".cpp")):
            continue
        elif word != "c++" and word != "g++":
            kept.append(word)
    return tuple(kept)


def main():
    parser = argparse.ArgumentParser(prog="tools/check lint", description=__doc__.split("\n\n")[0])
    parser.add_argument("files", metavar="FILE", nargs="*", help="only these, instead of all")
    parser.add_argument("--counts", metavar="FILE", help=argparse.SUPPRESS)  # for tests/run.py
    arguments = parser.parse_args()
    named = {pathlib.Path(name).resolve() for name in arguments.files}
    code = [path for path in sources(".h", ".cc") if not named or path in named]
    compiled = {path for path in code if path.suffix == ".cc"}

    findings = Findings()
    (BUILD / "lumps").mkdir(exist_ok=True)
    together, unknown = lumps(compiled)
    findings.add("clang-tidy", unknown, "".join(f"{path}:1: error: no target compiles it\n" for path in unknown))
    with concurrent.futures.ThreadPoolExecutor(2) as two:
        try:
            formatted = two.submit(clang_format, code)
            tidied = [two.submit(lump.tidy) for lump in together]
            findings.add("clang-format", code, formatted.result())
            for future in tidied:
                for files, output in future.result():
                    findings.add("clang-tidy", files, output)
        except BaseException:  # Ctrl-C: no lump is begun any more
            two.shutdown(wait=False, cancel_futures=True)
            raise
    checked = [path for path in sorted(compiled) if TOP / "src" in path.parents]
    findings.add("cppcheck", checked, cppcheck(checked) if checked else "")
    return findings.report(arguments.counts)


if __name__ == "__main__":
    sys.exit(main())
