#!/bin/bash
# Runs everything at once for hours: tools/check soak [--hours N]. See tests/soak/main.py.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/lib/common.sh

((EUID == 0)) || die "run this as root: the tests mount file systems and act as several users"
tools/setup --werror
exec /usr/bin/python3 -B tests/soak/main.py "$@"
