"""Where the demo finds things."""

import os
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("GRANTFS_BUILD", TOP / "build")).resolve()

sys.path.insert(0, str(TOP / "tests" / "web"))  # servers.py, of those who import this module
