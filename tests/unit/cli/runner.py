"""Runs a command line in this process, with its own world and environment, and keeps what it printed."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sync.cli.main import main
from tests.world import SimulatedWorld


@dataclass(frozen=True)
class Ran:
    """How it ended."""

    code: int
    out: str
    err: str


def run(*argv: str, environ: Mapping[str, str] | None = None, world: Any = None) -> Ran:
    """One call of `mqlsync`; nothing of the real environment is seen."""
    with _streams() as (out, err):
        code = main(list(argv), world=world or SimulatedWorld(), environ=environ or {})
    return Ran(code, out.getvalue(), err.getvalue())


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Asked(Exception):
    """Something was to be read from somebody."""


class Unasked(Terminal):
    """A keyboard at which nobody sits: whoever reads from it is told on."""

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        raise Asked

    def read(self, size: int | None = -1, /) -> str:
        raise Asked


@contextmanager
def _streams() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    try:
        yield sys.stdout, sys.stderr
    finally:
        sys.stdout, sys.stderr = before
