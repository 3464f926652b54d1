"""Draws what commands print on a terminal, for the README: `python -m tests.docs.pictures`.

Each picture is the real output of the command on two simulated CRMs, coloured as a terminal would show it.
A test draws them again and compares, so a picture cannot tell what the product does not say.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from sync.cli.main import main
from tests.acceptance.site import Site, made
from tests.docs.page import DOCS
from tests.unit.cli.runner import Terminal

FOLDER: Final = DOCS / "pictures"
WIDTH: Final = 96  # columns
FONTS: Final = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
FORMAT: Final = (
    re.sub(r" *@font-face \{\{.*?\}\}\n| *<!--.*?-->\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    .replace("Fira Code, monospace", FONTS)
    .replace("<svg ", '<svg xml:space="preserve" ')
)
"""Without fonts from elsewhere: a picture in a README may load nothing."""
THEME: Final = TerminalTheme(
    (27, 31, 36), (216, 222, 233),
    [(27, 31, 36), (240, 113, 120), (152, 195, 121), (229, 192, 123), (97, 175, 239), (198, 120, 221),
     (86, 182, 194), (216, 222, 233)],
)  # fmt: skip
LEA: Final = "lea.brandt@acme.example"


@dataclass(frozen=True)
class Picture:
    """A command as typed, after some others whose output is not shown; `code`: how it must end."""

    name: str
    command: str
    before: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    code: int = 0


STORY: Final = (
    Picture("plan", "plan", ("sync",), (6,)),
    Picture("explain", f"person explain {LEA}", ("approve --yes",), (0,)),
    Picture("status", "status", ("sync",), (0,)),
)
"""In this order, on one site: somebody asks for a demo, the plan waits, it is released, all is well."""


def drawn() -> dict[str, str]:
    """Name of each picture → its SVG."""
    with tempfile.TemporaryDirectory() as folder:
        for site in made(Path(folder)):
            _somebody(site)
            site.world.advance(3600)
            return dict(_pictures(site))
    raise LookupError("no site was made")


def _somebody(site: Site) -> None:
    """Lea, in both CRMs: she has read a case study, and asks for a demo."""
    site.lead(LEA, LastName="Brandt", Company="Acme GmbH")
    site.contact(LEA, lastname="Brandt")
    site.demo(LEA, form="Case study download", ago=9 * 86_400)
    site.demo(LEA)


def _pictures(site: Site) -> Iterator[tuple[str, str]]:
    for picture in STORY:
        for words, code in zip(picture.before, picture.codes, strict=True):
            site.ok(*words.split(), code=code)
        yield picture.name, svg(picture.name, picture.command, _screen(site, picture))


def _screen(site: Site, picture: Picture) -> str:
    """What a terminal would show."""
    screen = Terminal()
    with _terminal(screen, {"COLUMNS": str(WIDTH), "TERM": "xterm-256color"}):
        argv = ["--config-dir", str(site.folder), *picture.command.split()]
        code = main(argv, world=site.world, environ=site.environ)
    assert code == picture.code, screen.getvalue()
    return screen.getvalue()


@contextmanager
def _terminal(screen: io.StringIO, variables: Mapping[str, str]) -> Iterator[None]:
    streams, environ = (sys.stdin, sys.stdout, sys.stderr), dict(os.environ)
    sys.stdin, sys.stdout, sys.stderr = Terminal(), screen, screen
    os.environ.update(variables)
    os.environ.pop("NO_COLOR", None)
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams
        os.environ.clear()
        os.environ.update(environ)


def svg(name: str, command: str, screen: str) -> str:
    """A screen as a picture."""
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor",
        legacy_windows=False, _environ={},
    )  # fmt: skip
    console.print(Text(f"$ mqlsync {command}", style="bold"), soft_wrap=True)
    console.print(Text.from_ansi(screen.rstrip("\n")), soft_wrap=False)
    text = console.export_svg(
        title=f"mqlsync {command}", theme=THEME, code_format=FORMAT, unique_id=f"mqlsync-{name}"
    )
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for one, text in drawn().items():
        (FOLDER / f"{one}.svg").write_text(text, encoding="utf-8")
