"""What the speed must be at least, held against one run's results. A ratio is one of medians within that run."""

from report import median_of, ratio
from rows import SIZE_NAMES, SIZES

# Share of raw, by size: 1 KiB, 4 KiB, 64 KiB, 1 MiB, 256 MiB.
SHARES = {
    ("hot", "lease"): (.91, .95, .98, .95, .90),
    ("hot", "open"): (.50, .45, .85, .97, .97),
    ("hot", "open_dev"): (.30, .24, .72, .95, .97),
    ("cold", "lease"): (.45, .45, .60, .95, None),
    ("cold", "lease_dev"): (.36, None, None, None, None),
}
# (row, at least this many times, that row), at 1 KiB hot.
MULTIPLES = (("lease", 1.9, "auth_request"), ("lease", 25, "xaccel"), ("open", 3, "bindfs"), ("open", 12, "xaccel"))
SECURE_LINK_SHARE = .95
COLD_DAEMON_US = 15
UNDISTURBED_SHARE = .90
NODE_SHARE = .97
MOST_DESCRIPTORS = 1000


def judge(results):
    """[{name, wanted, measured, passed}]; passed is None where it was not measured."""
    floors = []

    def at_least(name, wanted, measured, text=None):
        floors.append({"name": name, "wanted": text or f">= {wanted:g}", "measured": measured,
                       "passed": None if measured is None else measured >= wanted})

    def at_most(name, wanted, measured, unit=""):
        floors.append({"name": name, "wanted": f"<= {wanted:,g}{unit}", "measured": measured,
                       "passed": None if measured is None else measured <= wanted})

    for (workload, row), shares in SHARES.items():
        for size, share in zip(SIZES, shares):
            if share is not None:
                at_least(f"{row}, {workload}, {SIZE_NAMES[size]}, x raw", share, ratio(results, workload, size, row))
    for size in SIZES:
        at_least(f"lease, hot, {SIZE_NAMES[size]}, x secure_link", SECURE_LINK_SHARE,
                 ratio(results, "hot", size, "lease", "secure_link"))
    for row, times, other in MULTIPLES:
        at_least(f"{row}, hot, 1 KiB, x {other}", times, ratio(results, "hot", "1k", row, other))

    at_most("daemon's processor time for a request, lease, cold, 1 KiB", COLD_DAEMON_US,
            median_of(results, "cold", "1k", "lease", "daemon_us"), " us")
    at_least("lease at 100 revocations a second, x undisturbed", UNDISTURBED_SHARE,
             look(results, "disturbed", "lease", "100", "share"))
    recall = results.get("recall", {}).get("lease", {})
    at_most("acknowledgement of a recall, idle, p50", 1, look(recall, "idle", "control", "ack_ms", "p50"), " ms")
    at_most("acknowledgement of a recall, loaded, p99", 20, look(recall, "loaded", "control", "ack_ms", "p99"), " ms")
    at_most("plain SQL until refused, idle, max", 50, look(recall, "idle", "sql", "refused_ms", "max"), " ms")
    late = [look(recall, load, how, "late_opens") for load in ("idle", "loaded") for how in ("control", "grantctl")]
    at_most("late opens", 0, None if None in late else sum(late))

    small, large = (look(results, "policy", "decide_us", grants) for grants in ("10000", "10000000"))
    at_most("a decision at 10 million grants, x 10 thousand", 3, large / small if small and large else None)
    at_most("a decision at 10 million grants", 6, large, " us")
    for where in ("policy", "mount"):
        few, many = (look(results, "policy", f"list_10_{where}_us", among) for among in ("10", "100000"))
        at_most(f"10 names among 100,000, x among 10 ({where})", 2, many / few if few and many else None)
    memory = results.get("memory", {})
    at_most("heap of a node at a million", 200,
            memory.get("bytes_per_node") if memory.get("nodes", 0) >= 1_000_000 else None, " bytes")
    at_most("heap after the kernel forgot, above the start", 10, memory.get("kept_megabytes"), " MB")
    forgetting = results.get("forgetting", {})
    at_most("daemon's processor time to forget a name", 1.25, forgetting.get("daemon_cpu_us_a_name"), " us")
    at_most("others' open while 800 sessions' names are forgotten, p99", 20, look(forgetting, "others_open_ms", "p99"), " ms")
    at_most("heap after shared names were forgotten, above the start", 10, forgetting.get("kept_megabytes"), " MB")
    losses = results.get("losses", {})
    few, many = (look(losses, live, "own_grant_ms", "p50") for live in ("10", "10000"))
    at_most("a session's own grant is taken away: 10,000 live sessions, x 10", 3, many / few if few and many else None)
    at_most("a path that 10,000 live sessions see is taken away, p50", 50, look(losses, "10000", "path_of_all_ms", "p50"), " ms")
    at_most("others' open meanwhile, p99", 10, look(losses, "10000", "others_open_meanwhile_ms", "p99"), " ms")
    fleet = results.get("fleet", {})
    late = [look(fleet, "revoked", load, "late_opens") for load in ("idle", "loaded")]
    at_most("late opens on three nodes", 0, None if None in late else sum(late))
    for size in ("1k", "64k"):
        at_least(f"a node, hot, {SIZE_NAMES[size]}, x lease", NODE_SHARE, ratio(results, "hot", size, "follow", "lease"))
    descriptors = results.get("descriptors") or {}
    at_most("descriptors held, ever", MOST_DESCRIPTORS, max(descriptors.values()) if descriptors else None)
    return floors


def look(tree, *keys):
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
