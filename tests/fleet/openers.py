"""Processes that open a file each all the time, and know when the latest open began that succeeded."""

import mmap
import os
import time

from harness import end_with_parent, wait_for

_TRIES_THAT_SHOW_IT = 3
_PAUSE_SECONDS = 0.0003  # or they had no processor left for whom they watch


class Openers:
    """One for each path. Moments are those of time.monotonic()."""

    def __init__(self, paths):
        self._paths = list(map(str, paths))
        self._numbers = memoryview(mmap.mmap(-1, 4096)).cast("q")  # whether to end; then two for each path
        self._pids = []
        for index, path in enumerate(self._paths):
            pid = os.fork()
            if pid == 0:
                try:
                    end_with_parent()
                    self._open_for_ever(path, 1 + 2 * index)
                finally:
                    os._exit(0)
            self._pids.append(pid)

    def _open_for_ever(self, path, at):
        numbers = self._numbers
        while not numbers[0]:
            begun = time.monotonic_ns()
            try:
                os.close(os.open(path, os.O_RDONLY))
                numbers[at + 1] = begun
            except OSError:
                pass
            numbers[at] += 1
            time.sleep(_PAUSE_SECONDS)

    def latest(self, index):
        """When the latest open began that succeeded."""
        return self._numbers[2 + 2 * index] / 1e9

    def wait_for_tries(self):
        """Until each has tried, several times from now on."""
        before = list(self._numbers)
        for index, path in enumerate(self._paths):
            wait_for(lambda at=1 + 2 * index: self._numbers[at] >= before[at] + _TRIES_THAT_SHOW_IT, what=f"somebody to open {path}")

    def wait_until_open(self):
        """Until each path opens that did not, or did."""
        now = time.monotonic()
        for index, path in enumerate(self._paths):
            wait_for(lambda index=index: self.latest(index) > now, 30, what=f"{path} to open")

    def close(self):
        self._numbers[0] = 1
        while self._pids:
            os.waitpid(self._pids.pop(), 0)
