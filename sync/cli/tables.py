"""Rows under headings, and where they do not fit: a paragraph a row, in which nothing is cut."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

GAP: Final = 2  # columns between two columns of a table
IDS: Final = frozenset({"id", "record", "person", "run", "plan", "digest", "hash"})
"""Columns that are copied into the next command."""
NARROWEST: Final = 4  # columns of a column that had to give way
READABLE: Final = 20
"""A column that would have to be cut below so many columns is better told in a paragraph."""
TITLE: Final = 3
"""A paragraph begins with its first cells, up to one that names the thing, which is among so many."""


def fitting(rows: Sequence[Sequence[str]], width: int, whole: Collection[str] = ()) -> list[int]:
    """The widths of columns so that a table fits: the widest give way, down to a few characters each.

    The first row holds the headings; columns named `whole` keep their width, also where no room is left.
    """
    widths = natural(rows)
    giving = [place for place, name in enumerate(rows[0]) if name not in whole]
    excess = sum(widths) - (width - GAP * (len(widths) - 1))
    while excess > 0 and giving:
        widest = max(giving, key=lambda place: widths[place])
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
        excess -= 1
    return widths


def natural(rows: Sequence[Sequence[str]]) -> list[int]:
    """The widths of columns of which nothing is cut."""
    return [max(cell_len(text) for text in column) for column in zip(*rows, strict=True)]


def readable(rows: Sequence[Sequence[str]], widths: Sequence[int], width: int) -> bool:
    """Whether a table of these widths still says enough, and fits."""
    cut = [got for got, wanted in zip(widths, natural(rows), strict=True) if got < wanted]
    return all(got >= READABLE for got in cut) and sum(widths) + GAP * (len(widths) - 1) <= width


def paragraph(
    columns: Sequence[str], row: Sequence[str], console: Console, width: int
) -> Iterator[tuple[Text, bool]]:
    """A row as lines that fit, each with whether it is the title; cells without a text are left out."""
    first = next((n for n, name in enumerate(columns[:TITLE]) if name in IDS or name == "who"), 0)
    title = "  ".join(text for text in row[: first + 1] if text)
    for line in Text(title).wrap(console, width):
        yield _bare(line), True
    cells = list(zip(columns, row, strict=True))[first + 1 :]
    for line in _packed([f"{name}: {text}" for name, text in cells if text], console, width - GAP):
        yield Text(" " * GAP) + _bare(line), False


def _bare(line: Text) -> Text:
    """Without the blank at which it was wrapped."""
    line.rstrip()
    return line


def _packed(pieces: Sequence[str], console: Console, width: int) -> Iterator[Text]:
    """As many pieces on a line as go there whole; one that is longer than a line is wrapped."""
    line = ""
    for piece in pieces:
        longer = f"{line}{' ' * GAP}{piece}" if line else piece
        if cell_len(longer) <= width:
            line = longer
            continue
        if line:
            yield Text(line)
        *full, last = Text(piece).wrap(console, width)
        yield from full
        line = last.plain
    if line:
        yield Text(line)
