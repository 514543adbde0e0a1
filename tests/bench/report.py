"""Medians, and the tables on the terminal."""

import statistics

from rows import AGAIN, SIZE_NAMES

WORKLOADS = {"hot": "hot set, one session", "cold": "many sessions: 1,000 of them, nearly every (session, file) is new",
             "one": "one hot file"}


def summary(rounds):
    """{field: {median, min, max}} of a list of dictionaries with the same fields."""
    return {field: {"median": statistics.median(values), "min": min(values), "max": max(values)}
            for field in rounds[0] for values in [[each[field] for each in rounds]]}


def percentile(values, percent):
    """The smallest value that at least so many percent of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def spread(values):
    return {"count": len(values), "p50": percentile(values, 50), "p99": percentile(values, 99), "max": max(values)}


def median_of(results, workload, size, row, field="requests_per_second"):
    """None where the row did not run."""
    cell = results.get("cells", {}).get(workload, {}).get(size, {}).get(row, {})
    return cell["summary"][field]["median"] if "summary" in cell else None


def ratio(results, workload, size, row, to="raw"):
    """Of two medians of one run; None where one is missing."""
    above, below = (median_of(results, workload, size, name) for name in (row, to))
    return above / below if above is not None and below else None


def table(lines):
    """Columns as wide as they need to be: the first to the left, the others to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(word.ljust(width) if column == 0 else word.rjust(width)
                               for column, (word, width) in enumerate(zip(line, widths))).rstrip() for line in lines)


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def load_tables(results, labels):
    """One table for each workload and size that was measured."""
    for workload, sizes in results.get("cells", {}).items():
        for size, cells in sizes.items():
            lines = [("", "req/s", "min", "max", "x raw", "MB/s", "p50 ms", "p99 ms", "server us", "daemon us")]
            notes = []
            for row, cell in cells.items():
                if "summary" not in cell:
                    notes.append(f"  {labels[row]}: FAILED: {cell['error']}")
                    continue
                said = cell["summary"]
                rate = said["requests_per_second"]
                share = ratio(results, workload, size, row)
                lines.append((labels[row], *(number(rate[key]) for key in ("median", "min", "max")),
                              f"{share:.2f}" if share is not None else "-",
                              *(number(said[field]["median"]) if said[field]["median"] or field == "daemon_us" else "-"
                                for field in ("megabytes_per_second", "p50_ms", "p99_ms", "server_us", "daemon_us"))))
            files = 1 if workload == "one" else results["settings"]["files"][size]
            yield "\n".join([f"{SIZE_NAMES[size]}, {WORKLOADS[workload]} ({files:,} file{'s' * (files != 1)})",
                             table(lines), *notes])


def overview(results, labels):
    """Each row's share of raw, hot: the table to look at first."""
    sizes = list(results.get("cells", {}).get("hot", {}))
    if not sizes:
        return ""
    lines = [("share of raw, hot", *(SIZE_NAMES[size] for size in sizes))]
    for row in labels:
        if row in results["unavailable"]:
            continue
        shares = [ratio(results, "hot", size, row) for size in sizes]
        if any(share is not None for share in shares):
            lines.append((labels[row], *("-" if share is None else f"{share:.3f}" for share in shares)))
    return table(lines)


def noise(results):
    """By how much the same differs from itself in this run: what is less than that says nothing."""
    lines = [("raw directory once more, x raw", "median", "least of a round", "most of a round")]
    for size, cells in results.get("cells", {}).get("hot", {}).items():
        if (share := ratio(results, "hot", size, AGAIN)) is not None:
            rates = ([each["requests_per_second"] for each in cells[row]["rounds"]] for row in (AGAIN, "raw"))
            shares = [again / once for again, once in zip(*rates)]
            lines.append((f"  {SIZE_NAMES[size]}", *(f"{value:.3f}" for value in (share, min(shares), max(shares)))))
    return table(lines) if len(lines) > 1 else ""


def flat(value, name=""):
    """(dotted name, text) of every number in nested dictionaries."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (list, tuple)):
        yield name, ", ".join(map(str, value))
    elif isinstance(value, float):
        yield name, f"{value:,.3f}"
    else:
        yield name, f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def sections(results):
    for section in ("disturbed", "recall", "files", "policy", "memory", "forgetting", "losses", "fleet", "descriptors"):
        if results.get(section):
            yield section + "\n" + table([(f"  {name}", text) for name, text in flat(results[section])])


def everything(results, labels):
    parts = [*load_tables(results, labels), overview(results, labels), noise(results), *sections(results)]
    if results["unavailable"]:
        parts.append("not available here\n" + "\n".join(f"  {labels[row]}: {reason}"
                                                       for row, reason in results["unavailable"].items()))
    marks = {True: "pass", False: "FAIL", None: "not measured"}
    if results.get("floors"):
        lines = [("floor", "wanted", "measured", "")]
        lines += [(floor["name"], floor["wanted"], "-" if floor["measured"] is None else number(floor["measured"]),
                   marks[floor["passed"]]) for floor in results["floors"]]
        parts.append(table(lines))
    return "\n\n".join(part for part in parts if part)
