"""Hot throughput while others' access is taken away 1, 10 and 100 times a second."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

from machine import dies_with_us

RATES = (0, 1, 10, 100)


def measure(bench):
    """{row: {rate: {requests_per_second, share, revocations_per_second, revoker_processors}}}, rates interleaved."""
    size = next(iter(bench.given.sizes))
    found = {}
    for server in bench.servers:
        if not server.site or server.row.name not in ("lease", "open") and not server.row.custom:
            continue
        samples = {rate: [] for rate in RATES}
        achieved = {rate: [] for rate in RATES}
        busy = {rate: [] for rate in RATES}  # of the one who revokes, which nginx does not have meanwhile
        trouble = None
        for number in range(bench.given.rounds):
            for rate in RATES:
                bench.lead_in(server, size, number + 2)
                revoker = start(bench, server, size, rate) if rate else None
                try:
                    sample = bench.load.run(server, size, "hot", bench.given.seconds, number)
                finally:
                    if revoker:
                        revoker.terminate()
                        said = revoker.communicate(timeout=20)[0]
                if revoker:
                    said = json.loads(said)
                    achieved[rate].append(said["revocations"] / said["seconds"])
                    busy[rate].append(said["processor_seconds"] / said["seconds"])
                    trouble = trouble or said["trouble"]
                samples[rate].append(sample.requests_per_second)
        undisturbed = median(samples[0])
        found[server.row.name] = {
            str(rate): {"requests_per_second": median(values), "share": median(values) / undisturbed,
                        **({"revocations_per_second": median(achieved[rate]), "revoker_processors": median(busy[rate])}
                           if rate else {})}
            for rate, values in samples.items()} | ({"not_acknowledged": trouble} if trouble else {})
    if not found:
        raise RuntimeError("no row of grantfs runs")
    return found


def start(bench, server, size, rate):
    corpus, site = bench.corpus, server.site
    return subprocess.Popen(
        [sys.executable, "-B", Path(__file__).with_name("revoker.py"), site.db, site.control, site.mountpoint,
         corpus.tokens_file, f"{size}/{corpus.files[size][0]}", str(rate)],
        stdout=subprocess.PIPE, text=True, preexec_fn=dies_with_us)
