"""The programs that are tested, and how much patience they are owed."""

import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GRANTFS_BUILD", REPOSITORY / "build")).resolve()
GRANTFS = BUILD / "grantfs"
GRANTCTL = REPOSITORY / "build/grantctl"
MOUNT_HELPER = BUILD / "mount.grantfs"

# Sanitizers and emulated machines slow everything down: patience is theirs, not a measurement.
SANITIZED = "GRANTFS_SANITIZER_LOG" in os.environ
EMULATED = "GRANTFS_PATIENCE_SECONDS" in os.environ
PATIENCE_SECONDS = int(os.environ.get("GRANTFS_PATIENCE_SECONDS", 60 if SANITIZED else 15))
