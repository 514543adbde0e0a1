#!/usr/bin/env python3
"""Prints how a shell completes the command line of one of our programs, by what the program's own --help says.

    completions.py bash|zsh|fish PROGRAM
"""

import dataclasses
import os
import re
import subprocess
import sys


@dataclasses.dataclass
class Option:
    names: list
    value: str  # as --help shows it; empty: it takes none
    meaning: str = ""

    @property
    def choices(self):
        """The words that the value is one of, as far as --help says so."""
        listed = re.search(r"\{([\w,-]+)\}", self.value)
        if listed:
            return listed[1].split(",")
        return self.value.split("|") if re.fullmatch(r"[a-z]+(\|[a-z]+)+", self.value) else []


@dataclasses.dataclass
class Command:
    path: tuple  # ("session", "create"); () is the program itself
    options: list
    mount_options: list  # those behind -o
    commands: dict  # names and meanings

    @property
    def name(self):
        return " ".join(self.path)


def read_help(program, path):
    """One command, from lines such as `  --expires WHEN   until when`, under headings that end in a colon. Commands stand under headings of
    their own."""
    text = subprocess.run([program, *path, "--help"], capture_output=True, text=True, check=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "10000"}).stdout  # no line is broken
    command, heading = Command(path, [], [], {}), ""
    for line in text.splitlines():
        if found := re.fullmatch(r"([A-Z][A-Za-z ]*):", line):
            heading = found[1].lower()
        elif heading == "options" and (found := re.match(r" {2,12}(-\w,? *--[\w-]+|--?[\w-]+)(?: (\S+(?: \S+)*?))?(?: {2,}(.*))?$", line)):
            command.options.append(Option(re.split(r", *", found[1]), found[2] or "", found[3] or ""))
        elif heading == "options" and command.options and not command.options[-1].meaning:
            command.options[-1].meaning = line.strip()
        elif heading == "mount options" and (found := re.match(r"  (\w+=)(\S+) +(.*)", line)):
            command.mount_options.append(Option([found[1]], found[2], found[3]))
        elif heading not in ("", "options", "positionals", "mount options", "example") and (found := re.match(r" {2,4}([a-z][a-z-]*) {2,}(.*)", line)):
            command.commands[found[1]] = found[2].rstrip(";,: ")
    return command


def read_commands(program, path=()):
    command = read_help(program, path)
    return [command, *(below for name in command.commands for below in read_commands(program, (*path, name)))]


def quoted(text):
    """For any of the three shells, by single quotes."""
    return "'" + text.replace("\\", "").replace("'", "") + "'"


def steps(commands):
    """Each command as a shell meets it: the command so far, a blank, and the next word."""
    return [f"{' '.join(command.path[:-1])} {command.path[-1]}" for command in commands if command.path]


def offered(options):
    """The words of mount options: with their values, where these are known."""
    return [option.names[0] + choice for option in options for choice in option.choices or [""]]


BASH = """# How bash completes {program}. Written by completions.py from what {program} --help says.
{function}() {{
  local word=${{COMP_LINE:0:COMP_POINT}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command= words= before= i
  word=${{word##*[[:blank:]]}}
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command ${{COMP_WORDS[i]}}" in
      {steps}) command=${{command:+$command }}${{COMP_WORDS[i]}} ;;
    esac
  done
{list_of_options}  case "$command $previous" in
{values}    *)
      case $command in
{words}      esac
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -o default -F {function} {program}
"""

# The shell itself takes = for the end of a word.
BASH_LIST = """  if [[ ${{COMP_LINE:0:COMP_POINT}} =~ [[:blank:]]-o[[:blank:]]+[^[:blank:]]*$ ]]; then
    before=${{word%"${{word##*,}}"}}
    mapfile -t COMPREPLY < <(compgen -P "$before" -W {offered} -- "${{word##*,}}")
    COMPREPLY=("${{COMPREPLY[@]#"${{word%"${{word##*=}}"}}"}}")
    compopt -o nospace 2>/dev/null
    return
  fi
"""


def for_bash(program, commands):
    values, words = "", ""
    for command in commands:
        for option in command.options:
            if option.value:
                patterns = " | ".join(quoted(f"{command.name} {name}") for name in option.names)
                action = f"words={quoted(' '.join(option.choices))}" if option.choices else "return"
                values += f"    {patterns}) {action} ;;\n"
        names = [*command.commands, *(name for option in command.options for name in option.names)]
        words += f"        {quoted(command.name)}) words={quoted(' '.join(names))} ;;\n"
    listed = [option for command in commands for option in command.mount_options]
    return BASH.format(program=program, function="_" + program.replace("-", "_"), values=values, words=words,
                       steps=" | ".join(map(quoted, steps(commands))) or "''",
                       list_of_options=BASH_LIST.format(offered=quoted(" ".join(offered(listed)))) if listed else "")


ZSH = """#compdef {program}
# How zsh completes {program}. Written by completions.py from what {program} --help says.
{function}() {{
  local command= word
  local -a commands options values
  for word in ${{words[2,CURRENT-1]}}; do
    case "$command $word" in
      ({steps}) command=${{command:+$command }}$word ;;
    esac
  done
  case "$command $words[CURRENT-1]" in
{values}  esac
  case $command in
{words}  esac
  if [[ $words[CURRENT] == -* ]]; then
    _describe -o option options
  elif (( $#commands )); then
    _describe command commands
  else
    _files
  fi
}}
{function} "$@"
"""


def described(pairs):
    return " ".join(quoted(f"{name}:{meaning}" if meaning else name) for name, meaning in pairs)


def for_zsh(program, commands):
    values, words = "", ""
    for command in commands:
        for option in command.options:
            patterns = " | ".join(quoted(f"{command.name} {name}") for name in option.names)
            if option.names == ["-o"] and command.mount_options:
                listed = " ".join(quoted(word) for word in offered(command.mount_options))
                values += f"    ({patterns}) values=({listed}); compset -P '*,'; compadd -S '' -a values; return ;;\n"
            elif option.choices:
                values += f"    ({patterns}) values=({' '.join(option.choices)}); compadd -a values; return ;;\n"
            elif option.value:
                values += f"    ({patterns}) _files; return ;;\n"
        options = [(name, option.meaning) for option in command.options for name in option.names]
        words += f"    ({quoted(command.name)}) commands=({described(command.commands.items())}) options=({described(options)}) ;;\n"
    return ZSH.format(program=program, function="_" + program.replace("-", "_"), values=values, words=words,
                      steps=" | ".join(map(quoted, steps(commands))) or "''")


FISH = """# How fish completes {program}. Written by completions.py from what {program} --help says.
function __{function}_command
    set -l command ''
    for word in (commandline -opc)[2..-1]
        if contains -- "$command $word" {steps}
            set command (string trim -- "$command $word")
        end
    end
    echo $command
end
function __{function}_at
    test (__{function}_command) = "$argv"
end
"""

FISH_LIST = """function __{function}_mount_options
    set -l before (string replace -r '[^,]*$' '' -- (commandline -ct))
    printf '%s\\n' $before""{{{offered}}}
end
"""


def for_fish(program, commands):
    function = program.replace("-", "_")
    lines = [FISH.format(program=program, function=function, steps=" ".join(map(quoted, steps(commands))))]
    for command in commands:
        at = f"complete -c {program} -n \"__{function}_at {quoted(command.name)}\""
        for name, meaning in command.commands.items():
            lines.append(f"{at} -f -a {name} -d {quoted(meaning)}\n")
        for option in command.options:
            words = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
            if option.names == ["-o"]:
                lines.append(FISH_LIST.format(function=function, offered=",".join(offered(command.mount_options))))
                words.append(f"-x -a '(__{function}_mount_options)'")
            elif option.choices:
                words.append(f"-x -a {quoted(' '.join(option.choices))}")
            elif option.value:
                words.append("-r")
            lines.append(f"{at} {' '.join(words)} -d {quoted(option.meaning)}\n")
    return "".join(lines)


def main():
    shell, program = sys.argv[1:]
    write = {"bash": for_bash, "zsh": for_zsh, "fish": for_fish}[shell]
    sys.stdout.write(write(os.path.basename(program), read_commands(program)))


if __name__ == "__main__":
    main()
