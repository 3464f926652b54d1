"""Tables, JSON, CSV and progress: whole when piped, quiet when asked, safe always."""

from __future__ import annotations

import csv
import io
import json
import re
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.progress import Progress as Bars

from sync.cli.clean import cell
from sync.cli.given import Globals
from sync.cli.output import PROGRESS_EVERY, Counted, Left, Output
from sync.cli.tables import GAP, fitting
from tests.unit.cli.test_clean import HOSTILE, harmless
from tests.world import SimulatedWorld

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine may take its time to draw the first texts."""


class Made:
    """An Output on two buffers."""

    def __init__(self, **options: bool) -> None:
        self.world = SimulatedWorld()
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        self.out = Output(Globals(**options), self.world, self.stdout, self.stderr)  # type: ignore[arg-type]


@pytest.fixture
def made() -> Made:
    return Made()


def test_a_piped_table_is_not_cut(made: Made) -> None:
    long = "x" * 400
    made.out.table(("name", "n"), [(long, 1), (None, 22)], numbers=("n",))
    lines = made.stdout.getvalue().splitlines()
    assert long in lines[1]
    assert lines[1].rstrip().endswith(" 1")
    assert lines[2].rstrip().endswith("22")


def test_hostile_names_are_harmless_everywhere(made: Made, tmp_path: Path) -> None:
    for text in HOSTILE:
        made.out.line(text)
        made.out.error(text)
        made.out.say(text)
        made.out.json({"name": text})
        made.out.json_line({"name": text})
    made.out.table(("name",), [(text,) for text in HOSTILE])
    file = tmp_path / "people.csv"
    made.out.csv(file, ("name",), [(text,) for text in HOSTILE])
    for text in (made.stdout.getvalue(), made.stderr.getvalue(), file.read_text(encoding="utf-8")):
        assert harmless(text.replace("\n", ""))
    assert "[bold red]markup[/]" in made.stdout.getvalue()  # shown, not obeyed
    assert ":smiley:" in made.stdout.getvalue()


def test_csv_is_private_and_counted(made: Made, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("old and longer than what is written now", encoding="utf-8")
    file.chmod(0o644)
    assert made.out.csv(file, ("name", "score"), [("=cmd", -5.0), ("a,b\nc", None)]) == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open(newline="", encoding="utf-8") as handle:
        assert list(csv.reader(handle)) == [["name", "score"], ["'=cmd", "-5"], ["a,b c", ""]]


def test_csv_to_stdout(made: Made) -> None:
    made.out.csv(Path("-"), ("a",), [("b",)])
    assert made.stdout.getvalue() == "a\nb\n"


def test_json_is_the_whole_of_stdout(made: Made) -> None:
    made.out.say("a message")
    made.out.json({"a": 1})
    assert json.loads(made.stdout.getvalue()) == {"a": 1}


def test_quiet_keeps_results_and_errors() -> None:
    made = Made(quiet=True)
    made.out.say("chatter")
    made.out.detail("detail")
    with made.out.progress() as progress:
        made.world.advance(60)
        progress.step("pull", 1, 2)
    made.out.line("result")
    made.out.warn("careful")
    made.out.error("broken")
    assert made.stdout.getvalue() == "result\n"
    assert made.stderr.getvalue() == "warning: careful\nbroken\n"


def test_details_only_when_asked() -> None:
    made, verbose = Made(), Made(verbose=True)
    made.out.detail("x")
    verbose.out.detail("x")
    assert (made.stderr.getvalue(), verbose.stderr.getvalue()) == ("", "x\n")


def test_without_a_terminal_progress_is_a_line_every_ten_seconds(made: Made) -> None:
    with made.out.progress() as progress:
        for second in range(35):
            progress.step("pull salesforce Lead", second * 1000, 40_000 if second < 20 else None)
            made.world.advance(1)
    assert PROGRESS_EVERY == 10
    assert made.stderr.getvalue().splitlines() == [
        "pull salesforce Lead: 10,000 of 40,000 (25%)",
        "pull salesforce Lead: 20,000",
        "pull salesforce Lead: 30,000",
    ]
    assert made.stdout.getvalue() == ""


class Terminal(io.StringIO):
    """A buffer that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_colour_on_a_terminal_unless_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured, plain = Terminal(), Terminal()
    Output(Globals(), SimulatedWorld(), coloured, Terminal()).line("all is well", "ok")
    monkeypatch.setenv("NO_COLOR", "1")
    Output(Globals(), SimulatedWorld(), plain, Terminal()).line("all is well", "ok")
    assert "\x1b[" in coloured.getvalue()
    assert plain.getvalue() == "all is well\n"


def test_a_table_on_a_terminal_fits_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    out = Output(Globals(), SimulatedWorld(), terminal, Terminal())
    out.table(("name", "reason"), [("Ann", "y" * 300), ("日本語" * 30, "z")])
    lines = re.sub(r"\x1b\[\d*m", "", terminal.getvalue()).splitlines()  # bold is no colour
    assert len(lines) == 3
    assert all(len(line) <= 60 for line in lines)
    assert "…" in lines[1]


@PATIENT
@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=90), st.text(max_size=5)), max_size=5),
    st.integers(16, 200),
)
def test_short_columns_stay_whole_while_the_widest_give_way(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    texts = [[cell(value) for value in row] for row in [("a", "b", "number"), *rows]]
    natural = [max(cell_len(text) for text in column) for column in zip(*texts, strict=True)]
    widths = fitting(texts, width)
    assert sum(widths) + GAP * 2 <= width
    assert all(got <= wanted for got, wanted in zip(widths, natural, strict=True))
    assert all(got == wanted or got >= max(widths) - 1 for got, wanted in zip(widths, natural, strict=True))


ROWS = st.lists(st.tuples(*[st.text(max_size=40)] * 5), min_size=1, max_size=5)


@PATIENT
@given(ROWS, st.integers(30, 200))
def test_a_table_fits_any_terminal_or_every_row_is_a_paragraph_that_says_all(
    rows: list[tuple[str, ...]], width: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        patch.setenv("NO_COLOR", "1")
        terminal = Terminal()
        columns = ("crm", "object", "id", "field", "why")
        Output(Globals(), SimulatedWorld(), terminal, Terminal()).table(columns, rows)
    lines = re.sub(r"\x1b\[\d*m", "", terminal.getvalue()).splitlines()
    assert all(cell_len(line.rstrip()) <= width for line in lines)
    if lines and lines[0].split() == list(columns):
        return
    shown = "".join("".join(lines).split())
    for value in (value for row in rows for value in row):
        assert "".join(cell(value).split()) in shown


def test_a_paragraph_names_the_thing_and_then_every_filled_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    out = Output(Globals(), SimulatedWorld(), terminal, Terminal())
    reason = "became an MQL on 2026-11-02 by threshold"
    columns = ("crm", "object", "id", "field", "before", "after", "reason")
    row = ("salesforce", "Lead", "00Q5g000001000wEAA", "Status", None, "MQL", reason)
    out.table(columns, [row, row])
    lines = re.sub(r"\x1b\[\d*m", "", terminal.getvalue()).splitlines()
    assert lines[:4] == [
        "salesforce  Lead  00Q5g000001000wEAA",
        "  field: Status  after: MQL",
        "  reason: became an MQL on 2026-11-02 by",
        "  threshold",
    ]
    assert lines[4:] == lines[:4]


def test_bars_tell_the_time_left_or_else_the_pace() -> None:
    now = [0.0]
    bars = Bars(get_time=lambda: now[0])
    for total in (2000, None):
        bars.add_task("", total=total)
    known, unknown = bars.tasks
    for task in (known, unknown):
        now[0] = 0.0
        for second in range(1, 6):
            now[0] = float(second)
            bars.update(task.id, completed=100 * second)
    assert (Counted().render(known).plain, Left().render(known).plain) == ("500 of 2,000", "0:00:15")
    assert (Counted().render(unknown).plain, Left().render(unknown).plain) == ("500", "100 a second")


def test_progress_on_a_terminal_is_drawn_and_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    out = Output(Globals(), SimulatedWorld(), io.StringIO(), terminal)
    with out.progress() as progress:
        progress.step("pull \x1b[2J", 1, 2)
        progress.step("pull \x1b[2J", 2, 2)
    assert "pull [2J" in terminal.getvalue()
    assert "2 of 2" in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()
