"""A terminal small enough to trust: it shows text, colours and the few movements of a progress bar.

Everything else that is sent to it (window titles, links, clipboards, other movements, text that runs the
other way) is kept in `refused`, as what a hostile text would have done to a person's terminal.
"""

from __future__ import annotations

import io
import re
import unicodedata

from rich.cells import cell_len

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
DRAWING = re.compile(r"\x1b\[(?:\?25[lh]|[0-9]*A|2K|[0-9]*G)|\r")
UNSEEN = {"Cc", "Cs", "Zl", "Zp"}
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


class Terminal(io.StringIO):
    """What a program writes to, as if it were on one. `drawing`: progress bars may move about."""

    def __init__(self, *, drawing: bool = False) -> None:
        super().__init__()
        self._drawing = drawing

    def isatty(self) -> bool:
        return True

    @property
    def refused(self) -> list[str]:
        """Characters and sequences that no text of ours may send."""
        text = COLOUR.sub("", self.getvalue())
        if self._drawing:
            text = DRAWING.sub("", text)
        return [one for one in text if one != "\n" and (unicodedata.category(one) in UNSEEN or one in BIDI)]

    @property
    def lines(self) -> list[str]:
        """What a person reads, line by line."""
        return COLOUR.sub("", self.getvalue()).splitlines()

    @property
    def width(self) -> int:
        """The columns of the widest line."""
        return max(map(cell_len, self.lines), default=0)
