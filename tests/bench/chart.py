"""The chart: each row's share of raw at 1 KiB and 64 KiB, as plain bars. SVG that reads on light and on dark."""

from xml.sax.saxutils import escape

from report import ratio
from rows import SIZE_NAMES

SIZES = ("1k", "64k")
LABEL, BAR, LINE, GAP, TOP = 210, 400, 15, 10, 58

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.small { font-size: 11px; }
.rule { stroke: #8c959f; stroke-dasharray: 2 3; }
.s0 { fill: #0969da; } .s1 { fill: #79b8ff; }
.peer.s0 { fill: #6e7781; } .peer.s1 { fill: #afb8c1; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .s0 { fill: #58a6ff; } .s1 { fill: #1f6feb; }
  .peer.s0 { fill: #8b949e; } .peer.s1 { fill: #57606a; }
}"""


def chart(results, labels):
    """The whole SVG; rows in the order of labels, those that did not run left out."""
    rows = []
    for row, label in labels.items():
        shares = [ratio(results, "hot", size, row) for size in SIZES]
        if any(share is not None for share in shares):
            rows.append((row, label, shares))
    step = LINE * len(SIZES) + GAP
    height = TOP + step * len(rows) + 6
    # Beyond 1.15 a bar is cut, and its number tells.
    width, most = LABEL + BAR + 60, 1.15
    scale = BAR / most
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
             f' role="img" aria-label="Requests a second as a share of nginx on the raw directory">',
             f"<style>{STYLE}</style>",
             f'<text x="8" y="20">Requests a second, as a share of nginx on the raw directory (median)</text>']
    for index, size in enumerate(SIZES):
        x = LABEL + index * 90
        parts.append(f'<rect class="s{index}" x="{x}" y="32" width="12" height="12"/>'
                     f'<text class="small" x="{x + 17}" y="42">{SIZE_NAMES[size]}</text>')
    one = LABEL + scale
    parts.append(f'<line class="rule" x1="{one:.1f}" y1="{TOP - 6}" x2="{one:.1f}" y2="{height - 4}"/>')
    for place, (row, label, shares) in enumerate(rows):
        y = TOP + place * step
        peer = "" if row.startswith(("lease", "open")) else "peer "
        parts.append(f'<text x="{LABEL - 8}" y="{y + LINE + 4}" text-anchor="end">{escape(label)}</text>')
        for index, share in enumerate(shares):
            top = y + index * LINE
            if share is None:
                parts.append(f'<text class="small" x="{LABEL + 5}" y="{top + 11}">not measured</text>')
                continue
            length = max(1, min(share, most) * scale)
            parts.append(f'<rect class="{peer}s{index}" x="{LABEL}" y="{top + 1}" width="{length:.1f}" height="{LINE - 2}"/>'
                         f'<text class="small" x="{LABEL + length + 5:.1f}" y="{top + 11}">{share:.2f}</text>')
    parts.append("</svg>\n")
    return "\n".join(parts)
