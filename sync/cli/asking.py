"""Questions on a terminal. Each has a default; Ctrl-C and the end of the input raise, nothing is retried."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from sync.cli.output import Output


def on_terminal() -> bool:
    """Whether somebody can be asked; a stream that was closed before we began is None."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def agreed(question: str) -> None:
    """Go on only when somebody says yes; without a terminal nobody is asked. Raises Abort."""
    if on_terminal():
        typer.confirm(question, abort=True, err=True)


class Questions:
    """Asks on stdout; whatever is shown has passed the output's cleaning."""

    def __init__(self, out: Output) -> None:
        self._out = out

    def agree(self, question: str) -> bool:
        """Yes, which is the default, or no."""
        return typer.confirm(question, default=True)

    def choose(self, question: str, options: Sequence[str], default: int, first: int = 1) -> int:
        """The number of one option, counted from `first`; asked again until it is one."""
        self._list(options, first)
        while True:
            text = typer.prompt(question, default=str(default)).strip()
            if text.isdecimal() and first <= int(text) < first + len(options):
                return int(text)
            self._out.line(f"Type a number from {first} to {first + len(options) - 1}.")

    def pick(self, question: str, options: Sequence[str]) -> list[int]:
        """The places of any options, from 0, by numbers such as `1,3`; none by default."""
        self._list(options, 1)
        while True:
            text = typer.prompt(question, default="", show_default=False)
            words = text.replace(",", " ").split()
            if all(word.isdecimal() and 1 <= int(word) <= len(options) for word in words):
                return sorted({int(word) - 1 for word in words})
            self._out.line(f"Type numbers from 1 to {len(options)}, such as 1,3, or nothing.")

    def _list(self, options: Sequence[str], first: int) -> None:
        for number, option in enumerate(options, first):
            self._out.line(f"  {number:>2}  {option}")
