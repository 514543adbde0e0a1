"""Revokes so many times a second until SIGTERM: what one of the many sessions has just opened is taken from it,
acknowledged, and given back.

    python3 revoker.py DATABASE CONTROL MOUNTPOINT TOKENS PATH RATE

PATH is a file in a folder of the store that every session holds a grant on.
"""

import json
import os
import random
import signal
import sys
import time

from recalls import connect, opens, recall

database, control, mountpoint, tokens_file, path, rate = sys.argv[1:]
with open(tokens_file) as lines:
    tokens = lines.read().split()
connection = connect(database)
ended = False


def end(*_):
    global ended
    ended = True


signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, signal.SIG_IGN)
folder = os.path.dirname(path)
refused = done = 0
trouble = None
start = time.monotonic()
while not ended:
    number = random.randrange(len(tokens))
    opens(os.path.join(mountpoint, "by-session", tokens[number], path))
    rule = f"user:cold{number}", folder
    connection.execute("DELETE FROM grants WHERE principal = ? AND path = ?", rule)
    try:
        recall(control)
    except (RuntimeError, OSError) as error:
        refused, trouble = refused + 1, str(error)
    connection.execute("INSERT INTO grants (principal, path) VALUES (?, ?)", rule)
    done += 1
    # At a rate, not after a pause: what was late is made up for.
    time.sleep(max(0, start + done / float(rate) - time.monotonic()))
print(json.dumps({"revocations": done, "seconds": time.monotonic() - start, "unacknowledged": refused, "trouble": trouble,
                  "processor_seconds": time.process_time()}))
