"""Opens a path again and again while it is granted and revoked, and counts the opens that came too late.

    python3 reader.py PATH SHARED

SHARED holds one 64-bit number: even while the path may be open to us, odd from an acknowledged revocation
until the next grant, negative to end. An open is late only if it succeeded and both its start and its end
lie in one odd window.
"""

import json
import mmap
import os
import sys

path, shared = sys.argv[1:]
with open(shared, "r+b") as file:
    window = memoryview(mmap.mmap(file.fileno(), 8)).cast("q")
late = tried = 0
while (before := window[0]) >= 0:
    try:
        os.close(os.open(path, os.O_RDONLY))
        if before & 1 and window[0] == before:
            late += 1
    except OSError:
        pass
    tried += 1
print(json.dumps({"tried": tried, "late": late}))
