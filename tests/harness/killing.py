"""Programs that are ended, or killed while they work."""

import subprocess


def runs(pid):
    """Whether there is such a process that has not ended; of one that has, its parent may not have taken note yet."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def end_process(process, seconds):
    """Ends it by SIGTERM; by SIGKILL if that takes longer. Nothing, if it has ended."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def killed_at_each(moments_ms, command, **options):
    """Runs the command once for each moment, and kills it by SIGKILL so many milliseconds after its start, unless it is
    done by then; yields the moment when it is over. `options` are subprocess.Popen's."""
    for moment in moments_ms:
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options) as process:
            try:
                process.wait(timeout=moment / 1000)
            except subprocess.TimeoutExpired:
                process.kill()
        yield moment
