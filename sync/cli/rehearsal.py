"""`--dry-run` of commands that change the mirror: everything is done, told, and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from sync.context import App
from sync.mirror.engine import Connection

DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would be done; change nothing.")]


class _TakenBack(Exception):
    """Ends a transaction whose changes are not to be kept."""


@contextmanager
def changing(opened: App, dry_run: bool) -> Iterator[Connection]:
    """A write of the mirror that is kept, or with `dry_run` rolled back at the end of the block."""
    try:
        with opened.mirror.write(durable=True) as conn:
            yield conn
            if dry_run:
                raise _TakenBack
    except _TakenBack:
        return


def said(sentence: str, dry_run: bool) -> str:
    """What was done, or that it only would be."""
    return f"dry run, nothing was changed: {sentence}" if dry_run else sentence
