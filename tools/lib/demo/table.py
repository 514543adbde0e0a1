"""The table that the demo prints, a row a request."""


class Table:
    """Prints each row as it happens; counts those that were not as expected."""

    WIDTHS = 10, 62, 25

    def __init__(self):
        self.rows = self.failed = 0

    def head(self, title):
        print(f"\n{title}\n")
        self.line("WHO", "REQUEST", "GOT", "WHY", "")

    def line(self, who, what, got, why, verdict):
        who, what, got = (shortened(text, width).ljust(width) for text, width in zip((who, what, got), self.WIDTHS))
        print(f"  {verdict:4}  {who} {what} {got} {why}".rstrip(), flush=True)

    def row(self, who, what, got, why, good):
        self.rows += 1
        self.failed += not good
        self.line(who, what, got, why, "ok" if good else "FAIL")


def shortened(text, width):
    return text if len(text) <= width else text[:width // 2 - 2] + "..." + text[len(text) - (width - width // 2 - 1):]
