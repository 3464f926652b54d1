"""The mark on a mirror that was moved into another database: nothing may be written from it any more."""

from __future__ import annotations

from typing import Final

from sync.mirror.engine import Connection
from sync.mirror.runs import get_meta

MOVED_TO: Final = "moved_to"


class MirrorMoved(Exception):
    """This mirror was moved to `where` and takes no lease any more. Exit code 2."""

    def __init__(self, old: str, where: str) -> None:
        super().__init__(f"{old} was moved to {where}")
        self.old = old
        self.where = where


def moved_to(conn: Connection) -> str | None:
    """Where the mirror was moved, or None."""
    return get_meta(conn, MOVED_TO)
