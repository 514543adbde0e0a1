#!/bin/bash
# tools/check fuzz [--seconds N] [TARGET...]: builds the fuzzers of tests/fuzz by clang, and runs them.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/lib/common.sh

mkdir -p .deps
exec 9>.deps/lock
flock 9
need_packages "${build_packages[@]}" clang postgresql
# Since clang 15 what libFuzzer is in has a package of its own.
major=$(clang -dumpversion)
major=${major%%.*}
((major < 15)) || need_packages "libclang-rt-$major-dev"
need_libfuse
CC=clang CXX=clang++ build_dir build-fuzz --buildtype=debug --werror -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false \
  -Dfuzzers=true "${libfuse_options[@]}" -- fuzzers
exec 9>&-
exec /usr/bin/python3 -B tests/fuzz/main.py "$@"
