"""Where the demo finds things."""

import os
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("GRANTFS_BUILD", TOP / "build")).resolve()

# servers.py, the harness and machines in namespaces, for those who import this module
sys.path[:0] = [str(TOP / "tests" / name) for name in ("web", "", "fleet")]
