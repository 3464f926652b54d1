"""The marks of the erased in a small file beside the mirror, for the day when an older copy is put back.

It holds the keys and the marks, nothing else, readable by its owner alone. It is written before anybody is
erased, so a copy can never come back without it, however the copy came to stand in the mirror's place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sync.mirror import erased, pseudonyms
from sync.mirror.engine import Connection
from sync.mirror.unusable import DatabaseDamaged

SUFFIX: Final = ".erased"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Marks:
    """Keys, and mark → when it was set (epoch seconds)."""

    keys: tuple[bytes, ...] = ()
    at: Mapping[str, int] = field(default_factory=dict)

    def with_those_of(self, other: Marks) -> Marks:
        """Both."""
        return Marks(tuple(dict.fromkeys([*self.keys, *other.keys])), {**other.at, **self.at})


def beside(path: Path) -> Path:
    """The file of a SQLite mirror."""
    return path.with_name(path.name + SUFFIX)


def of_mirror(conn: Connection) -> Marks:
    """The marks in a mirror."""
    found = erased.marks(conn)
    return Marks(pseudonyms.keys(conn), found) if found else Marks()


def read(file: Path) -> Marks:
    """The marks in the file; none when there is no such file. Raises DatabaseDamaged when it is not ours."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        keys = tuple(bytes.fromhex(one) for one in value["keys"])
        return Marks(keys, {str(mark): int(at) for mark, at in value["marks"].items()})
    except FileNotFoundError:
        return Marks()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatabaseDamaged(str(file), "not readable as the list of who was erased") from error


def write(file: Path, marks: Marks) -> None:
    """Replace the file, whole and on the disk when this returns."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    value = {"version": VERSION, "keys": [key.hex() for key in marks.keys], "marks": dict(marks.at)}
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as handle:
        json.dump(value, handle)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def replay(conn: Connection, marks: Marks, now: int) -> dict[str, int]:
    """Set the marks that the mirror lacks and erase again whoever they name; rows per table."""
    missing = marks.at.keys() - erased.marks(conn).keys()
    if not missing:
        return {}
    pseudonyms.key(conn)  # this mirror's own stays the one in use
    pseudonyms.take_over(conn, marks.keys)
    erased.add(conn, {mark: marks.at[mark] for mark in sorted(missing)})
    return erased.purge_marked(conn, now)
