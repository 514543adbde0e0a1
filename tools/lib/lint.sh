#!/bin/bash
# tools/check lint [FILE...]: installs the tools, makes the compile database, and has lint.py read the sources.
# tools/lib/lint.sh --prepare: all but the reading, which tests/run.py does.
set -euo pipefail
prepare=
[[ ${1-} != --prepare ]] || { prepare=yes; shift; }
files=()
for file; do
  [[ $file != -* ]] || { printf 'usage: tools/check lint [FILE...]\n' >&2; exit 2; }
  files+=("$(readlink -e "$file")") || { printf 'tools/check lint: no file %s\n' "$file" >&2; exit 2; }
done
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/lib/common.sh

mkdir -p .deps
exec 9>.deps/lock
flock 9

# The benchmarks are compiled with libbenchmark only, and no file is left out here.
need_packages "${build_packages[@]}" libbenchmark-dev clang-format clang-tidy cppcheck
need_libfuse
build_dir build-lint --buildtype=debug -Doptimization=0 -Dgrantctl_as_one=false "${libfuse_options[@]}" -- build.ninja

exec 9>&-
[[ -z $prepare ]] || exit 0
exec python3 -B tools/lib/lint.py "${files[@]}"
