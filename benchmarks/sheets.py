"""Tables of what was measured: for a terminal, or as they stand in docs/performance.md."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence


class Sheets:
    """Prints one table after the other, and to stderr what is under way."""

    def __init__(self, *, markdown: bool) -> None:
        self._markdown = markdown
        self._begun = time.monotonic()

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print it, columns aligned or in Markdown."""
        print(f"\n{title}\n", flush=True)
        if self._markdown:
            for row in (header, ["---"] * len(header), *rows):
                print(f"| {' | '.join(row)} |")
        else:
            widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
            for row in (header, *rows):
                print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """One line under a table."""
        print(f"\n{text}", flush=True)

    def at(self, what: str) -> None:
        """Progress, for whoever waits."""
        print(f"[{time.monotonic() - self._begun:5.0f} s] {what}", file=sys.stderr, flush=True)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._begun


def ratio(value: float, base: float) -> str:
    """`value` as so many times `base`."""
    return f"{value / base:.2f}" if base else "-"
