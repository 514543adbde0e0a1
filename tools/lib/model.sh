#!/bin/bash
# Has spin check the model of leases: tools/check model [--trace] [CASE...]. docs/model/README.md says what it is.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tools/lib/common.sh

need_packages spin gcc libc6-dev
exec /usr/bin/python3 -B tools/lib/model.py "$@"
