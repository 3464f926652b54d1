"""The files with personal data that commands wrote: backups, lists, exports. Listed, never deleted by us."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, delete, insert, select

from config.world import iso_z
from sync.mirror.engine import Connection
from sync.mirror.tables import DataCopy

COPY: Final[Table] = DataCopy.metadata.tables["data_copy"]


class Copy(NamedTuple):
    """A file that was written. `person_id`: it is about that person alone."""

    id: str
    kind: str
    path: str
    at: int
    person_id: str | None


class Holding(NamedTuple):
    """A copy that is still there. `holds`: the person is in it; None: it cannot be read."""

    copy: Copy
    holds: bool | None

    def to_json(self) -> dict[str, Any]:
        """As it stands in `privacy find --json`."""
        return {
            "kind": self.copy.kind,
            "path": self.copy.path,
            "at": iso_z(self.copy.at),
            "holds": self.holds,
        }


def record(conn: Connection, copy: Copy) -> None:
    """Remember a file; an earlier one of that name is no more."""
    conn.execute(delete(COPY).where(COPY.c.path == copy.path))
    conn.execute(insert(COPY).values(copy._asdict()))


def all_copies(conn: Connection) -> list[Copy]:
    """Every file that is remembered, oldest first."""
    columns = [COPY.c[name] for name in Copy._fields]
    return [Copy(*row) for row in conn.execute(select(*columns).order_by(COPY.c.at, COPY.c.id))]


def forget_gone(conn: Connection) -> int:
    """Forget files that are not there any more."""
    gone = [copy.id for copy in all_copies(conn) if not Path(copy.path).exists()]
    if gone:
        conn.execute(delete(COPY).where(COPY.c.id.in_(gone)))
    return len(gone)


def holding(found: Iterable[Copy], person_ids: Sequence[str], words: Sequence[str]) -> list[Holding]:
    """Those of the copies that are still there and hold the person, or cannot be looked into."""
    listed = []
    for copy in found:
        holds: bool | None = True
        if copy.person_id is None or copy.person_id not in person_ids:
            holds = _speaks_of(Path(copy.path), words)
        if holds is not False:
            listed.append(Holding(copy, holds))
    return listed


def _speaks_of(path: Path, words: Sequence[str]) -> bool | None:
    """Whether one of the words stands in a file, byte by byte; None when the file cannot be read."""
    try:
        with path.open("rb") as handle:
            if not path.stat().st_size:
                return False
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return any(content.find(word.encode()) >= 0 for word in words)
    except FileNotFoundError:
        return False
    except OSError:
        return None
