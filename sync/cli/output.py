"""What a command prints: results to stdout (text, tables, JSON, CSV), messages and progress to stderr."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from config.world import World
from sync.cli.clean import cell, clean, csv_cell, to_json
from sync.cli.errors import ReaderGone
from sync.cli.given import Globals
from sync.cli.tables import GAP, IDS, fitting, paragraph, readable
from sync.redaction import Redactor

PROGRESS_EVERY: Final = 10.0  # seconds between two lines where there is no terminal to draw on
BARS: Final = 6  # the newest ones are shown, so that they fit the smallest terminal
PIPE_WIDTH: Final = 10_000  # columns; nothing is cut when the reader is a program
STYLES: Final[Mapping[str, str]] = {"ok": "green", "warning": "yellow", "error": "red", "note": "dim"}


class Output:
    """Where a command speaks. Whatever it prints has passed `clean`."""

    def __init__(self, options: Globals, world: World, stdout: TextIO, stderr: TextIO) -> None:
        self.options = options
        self.world = world
        self._stdout = stdout
        self._results = _console(stdout)
        self._messages = _console(stderr)
        self.stderr = stderr
        self.redactor = Redactor()
        """Keeps secrets out of messages; knows their values once the settings are read."""

    # --- results -------------------------------------------------------------------------------

    def line(self, text: str = "", style: str = "") -> None:
        """One line of the result."""
        text = self.redactor.known(text)
        self._results.print(Text(clean(text), style=STYLES.get(style, style)), soft_wrap=True)

    def lines(self, text: str) -> None:
        """Text of ours, of several lines, as it is."""
        self._write(text.rstrip("\n") + "\n")

    def json(self, value: Mapping[str, Any]) -> None:
        """The result as one JSON object."""
        self._write(to_json(value) + "\n")

    def json_line(self, value: Mapping[str, Any]) -> None:
        """One of many results, on one line."""
        self._write(to_json(value, indent=None) + "\n")

    def json_list(self, head: Mapping[str, Any], name: str, items: Iterable[Mapping[str, Any]]) -> None:
        """One JSON object whose last key holds any number of items, an item a line, none kept in memory."""
        self._write(to_json(head, indent=None).removesuffix("}") + f', "{name}": [')
        for number, item in enumerate(items):
            text = self.redactor.known(to_json(item, indent=None))
            self._stdout.write(("," if number else "") + "\n" + text)
        self._write("\n]}\n")

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[str] = ()
    ) -> None:
        """Rows under headings; on a terminal too narrow for them a paragraph a row; whole when piped."""
        texts = [[self.redactor.known(cell(value)) for value in row] for row in rows]
        width = self._results.width
        widths = fitting([columns, *texts], width, IDS)
        if not readable([columns, *texts], widths, width):
            self._paragraphs(columns, texts)
            return
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
        for name, column in zip(columns, widths, strict=True):
            justify: Any = "right" if name in numbers else "left"
            table.add_column(name, overflow="ellipsis", no_wrap=True, justify=justify, width=column)
        for row in texts:
            table.add_row(*(Text(text, overflow="ellipsis") for text in row))
        needed = sum(widths) + GAP * len(widths)
        self._results.print(table, width=max(needed, width), crop=False)

    def _paragraphs(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        for row in rows:
            for line, is_title in paragraph(columns, row, self._results, self._results.width):
                self._results.print(line, style="bold" if is_title else "", soft_wrap=True)

    def csv(self, file: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
        """Write rows to a file that only its owner may read ("-": to stdout); returns how many."""
        if str(file) == "-":
            return _write_csv(self._stdout, columns, rows)
        with _private(file) as handle:
            return _write_csv(handle, columns, rows)

    def file(self, file: Path, value: Mapping[str, Any]) -> None:
        """Write one JSON object to a file that only its owner may read."""
        with _private(file) as handle:
            handle.write(to_json(value) + "\n")

    def _write(self, text: str) -> None:
        self._stdout.write(self.redactor.known(text))
        self._stdout.flush()

    # --- messages ------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """A message for a person; nothing with --quiet."""
        if not self.options.quiet:
            self._message(text, "")

    def detail(self, text: str) -> None:
        """A message that only --verbose asks for."""
        if self.options.verbose:
            self._message(text, "note")

    def warn(self, text: str) -> None:
        """Something to look at; also with --quiet."""
        self._message(f"warning: {text}", "warning")

    def error(self, text: str) -> None:
        """What went wrong; also with --quiet."""
        self._message(text, "error")

    def raw_message(self, text: str) -> None:
        """Text of several lines: help, or a traceback for a developer, which tells of no person."""
        for line in self.redactor.all(text).splitlines():
            self._message(line, "")

    def _message(self, text: str, style: str) -> None:
        self._messages.print(
            Text(clean(self.redactor.secrets(text)), style=STYLES.get(style, "")), soft_wrap=True
        )

    @contextmanager
    def progress(self) -> Iterator[Steps]:
        """Something that stages may tell how far they are."""
        steps: Steps
        if self.options.quiet:
            steps = Steps()
        elif self._messages.is_terminal and not self._messages.is_dumb_terminal:
            steps = Drawn(self._messages)
        else:
            steps = Lines(self)
        try:
            yield steps
        finally:
            steps.close()


class Steps:
    """Progress that nobody looks at; the others draw it (`sync.context.Progress`)."""

    def step(self, what: str, done: int, total: int | None = None) -> None:
        """`done` of `total` (None: unknown) of `what` are finished."""

    def close(self) -> None:
        """Nothing more will come."""


class Lines(Steps):
    """A line every ten seconds, for logs and pipes."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._last = out.world.monotonic()

    def step(self, what: str, done: int, total: int | None = None) -> None:
        now = self._out.world.monotonic()
        if now - self._last < PROGRESS_EVERY or not done:
            return
        self._last = now
        of = "" if total is None else f" of {total:,}"
        share = f" ({done / total:.0%})" if total else ""
        self._out.say(f"{what}: {done:,}{of}{share}")


class Counted(ProgressColumn):
    """How many, and of how many where that is known."""

    def render(self, task: Task) -> Text:
        """`1,500 of 20,000`, or `1,500`."""
        of = "" if task.total is None else f" of {task.total:,.0f}"
        return Text(f"{task.completed:,.0f}{of}")


class Left(TimeRemainingColumn):
    """The time that is left; where nobody can know it, the pace."""

    def render(self, task: Task) -> Text:
        """`0:01:30`, or `420 a second`."""
        if task.total is not None:
            return super().render(task)
        return Text(f"{task.speed:,.0f} a second" if task.speed else "")


class Drawn(Steps):
    """One bar a thing, on a terminal; it vanishes when the work is done."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            Counted(),
            Left(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._bars.start()

    def step(self, what: str, done: int, total: int | None = None) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(clean(what), total=total)
            for earlier in list(self._tasks.values())[:-BARS]:
                self._bars.update(earlier, visible=False)
        self._bars.update(self._tasks[what], completed=done, total=total)

    def close(self) -> None:
        self._bars.stop()


class _Console(Console):
    """A console that leaves a reader that went away to the command line's end."""

    def on_broken_pipe(self) -> None:
        """Instead of ending the process with 1."""
        raise ReaderGone


def _console(stream: TextIO) -> Console:
    """A console without markup, so that no text from a CRM can style or link anything."""
    width = None if stream.isatty() else PIPE_WIDTH
    return _Console(
        file=stream, markup=False, highlight=False, emoji=False, width=width, legacy_windows=False
    )


def _write_csv(handle: TextIO, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    writer = csv.writer(handle, lineterminator="\n")
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow([csv_cell(value) for value in row])
        count += 1
    return count


@contextmanager
def _private(file: Path) -> Iterator[TextIO]:
    """The file opened for writing, readable by its owner only: it holds personal data."""
    file.touch(mode=0o600)
    file.chmod(0o600)
    with file.open("w", encoding="utf-8", newline="") as handle:
        yield handle


def _nowhere() -> TextIO:
    """Instead of a stream that whoever started us has closed (`>&-`)."""
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 (a stream for the whole process)


def safe_streams() -> tuple[TextIO, TextIO]:
    """stdout and stderr that never fail on a character their encoding lacks, nor for having been closed."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    return sys.stdout, sys.stderr
