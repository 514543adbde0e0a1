"""What others notice of something that goes on: how long their opens take meanwhile."""

import os
import threading
import time


class Opens:
    """Opens a file by some sessions, again and again, on a thread of its own."""

    def __init__(self, site, tokens, name):
        self.paths = [str(site.path("by-session", token, name)) for token in tokens]
        self.milliseconds = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        number = 0
        while not self.over.is_set() or not self.milliseconds:
            begun = time.perf_counter()
            os.close(os.open(self.paths[number % len(self.paths)], os.O_RDONLY))
            self.milliseconds.append((time.perf_counter() - begun) * 1e3)
            number += 1
            self.over.wait(.002)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
