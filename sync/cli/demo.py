"""`demo`: the whole loop on two simulated CRMs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sync.breaks import BREAKS
from sync.cli.errors import UsageFault
from sync.cli.options import command
from sync.cli.output import Output
from sync.cli.session import Session
from sync.cli.words import one_of, unknown
from sync.context import Progress
from sync.demo.site import may_replace
from sync.demo.story import Demo
from sync.demo.telling import DemoOptions

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app, "demo")
def demo(
    session: Session,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed, another population.")] = 7,
    people: Annotated[int, typer.Option("--people", metavar="N", min=20, help="How many people.")] = 2000,
    days: Annotated[int, typer.Option("--days", metavar="D", min=14, help="How much past behaviour.")] = 365,
    folder: Annotated[
        Path,
        typer.Option(
            "--folder", metavar="DIR", help="Where mirror and configuration go; a former demo is replaced."
        ),
    ] = Path("demo-data"),
    breaks: Annotated[
        str | None,
        typer.Option(
            "--break",
            metavar="NAME",
            help=f"Pull the plug: one of {', '.join(BREAKS)}.",
            autocompletion=one_of(BREAKS),
        ),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the simulated CRMs running at the end.")
    ] = False,
) -> int:
    """Live through a fortnight with two simulated CRMs, and see what was written and what was left alone.

    With --break the first plan is written by processes that are killed or disturbed, and the CRMs' own ledger
    says what was lost.
    """
    if breaks is not None and breaks not in BREAKS:
        raise UsageFault(unknown("break called", breaks, BREAKS))
    if not may_replace(folder.absolute()):
        raise UsageFault(f"{folder} holds something else than a demo; name another one with --folder DIR.")
    with session.out.progress() as progress:
        story = Demo(
            DemoOptions(folder.absolute(), seed, people, days, serve, breaks or ""),
            Narration(session.out, progress),
        )
        story.run()
    return 0


class Narration:
    """Tells the story on stdout (`sync.demo.telling.Narrator`); with --json its chapters are messages."""

    def __init__(self, out: Output, progress: Progress) -> None:
        self._out = out
        self._progress = progress
        self._as_json = out.options.json

    @property
    def progress(self) -> Progress:
        """Where stages say how far they are."""
        return self._progress

    def chapter(self, title: str) -> None:
        """A new part of the story."""
        if self._as_json:
            self._out.say(title)
            return
        self._out.line()
        self._out.line(title, "bold")

    def say(self, text: str) -> None:
        """One plain sentence."""
        if not self._as_json:
            self._out.line(text)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[str] = ()
    ) -> None:
        """Something to look at."""
        if not self._as_json:
            self._out.table(columns, rows, numbers)

    def result(self, value: Mapping[str, Any]) -> None:
        """What it came to."""
        if self._as_json:
            self._out.json(value)
