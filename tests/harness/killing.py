"""Programs that are killed while they work."""

import subprocess


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
