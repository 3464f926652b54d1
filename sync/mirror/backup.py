"""Copies of a mirror, and going back to one; PostgreSQL copies and puts back with its own tools.

A copy is old: what it calls open may long be done, and what it calls approved was approved for another day.
So a restored mirror is at a new restore epoch: nobody's approval counts any more, every open intent must be
approved anew, and what was on its way is read back first (as after any crash). Who was erased since the copy
was made is erased in it before it becomes the mirror.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import text

from config.world import World, epoch
from sync.mirror import copies, health, marks_file
from sync.mirror.copies import Copy
from sync.mirror.engine import Connection, Mirror
from sync.mirror.lease import NAME as LEASE_NAME
from sync.mirror.lease import Lease
from sync.mirror.marks_file import Marks
from sync.mirror.presence import lock_file
from sync.mirror.runs import get_meta, set_meta
from sync.mirror.unusable import DatabaseDamaged, DatabaseUnusable

ALONE: Final = 60  # seconds of the lease by which it is seen that nobody else is there
FAR: Final = 1_000_000
"""So far the number of a lease goes on where the later one is not known any more."""

RESTORE_EPOCH: Final = "restore_epoch"
BESIDE: Final = ("-wal", "-shm")
Answered = TypeVar("Answered")
OPEN: Final = "('queued', 'quiet', 'awaiting_approval', 'sent', 'unsure')"


class NotSqlite(Exception):
    """The mirror is on PostgreSQL, which has tools of its own for this. Exit code 2."""


class FileInTheWay(Exception):
    """`file` exists already. Exit code 2."""

    def __init__(self, file: Path) -> None:
        super().__init__(str(file))
        self.file = file


class MirrorBusy(Exception):
    """Another mqlsync works on the mirror. Exit code 11."""


def path_of(mirror: Mirror) -> Path:
    """The mirror's file. Raises NotSqlite."""
    if mirror.path is None:
        raise NotSqlite
    return mirror.path


def back_up(mirror: Mirror, file: Path) -> int:
    """Copy the mirror as it is at this moment, whoever writes to it; the size in bytes.

    The copy is one file that only its owner may read, complete or not there. Raises FileInTheWay, NotSqlite.
    """
    path_of(mirror)
    if file.exists():
        raise FileInTheWay(file)
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with mirror.read() as conn:
            raw = conn.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)  # the engine of a mirror with a file
            _copy(raw, part)
        os.link(part, file)  # unlike a rename it does not replace what came in between
    except FileExistsError:
        raise FileInTheWay(file) from None
    finally:
        part.unlink(missing_ok=True)
    return file.stat().st_size


def space_for(mirror: Mirror, file: Path) -> int:
    """How many bytes a copy would take at most. Raises what `back_up` would: FileInTheWay, NotSqlite."""
    size = path_of(mirror).stat().st_size
    if file.exists():
        raise FileInTheWay(file)
    return size


def restore(mirror: Mirror, file: Path, world: World, marks: Path | None = None) -> Path | None:
    """Put a copy in the mirror's place, at a new restore epoch; where the former file is kept.

    The copy is checked and migrated aside first, and without whom `marks` (the file beside the mirror, when
    None) and the present mirror name as erased. Raises DatabaseDamaged, DatabaseNewer, MirrorBusy and
    NotSqlite.
    """
    path = path_of(mirror)
    if not file.is_file():
        raise DatabaseUnusable(str(file), "there is no such file")
    with _alone(path):
        marks = marks or marks_file.beside(path)
        epochs, erased = _epochs(mirror), _erased(mirror, marks)
        written: list[Copy] = _asked(mirror, copies.all_copies, [])
        if path.exists():
            former = str(_former(path).absolute())
            written.append(Copy(world.new_id(), "former", former, epoch(world.now()), None))
        mirror.close()
        aside = path.with_name(path.name + ".restoring")
        for suffix in ("", *BESIDE):
            Path(f"{aside}{suffix}").unlink(missing_ok=True)
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            _prepare(file, aside, world, epochs, erased, written)
            if erased.at:
                marks_file.write(marks, erased)
            return _swap(aside, path)
        finally:
            aside.unlink(missing_ok=True)


def whole(mirror: Mirror, file: Path, world: World) -> int:
    """How many people a copy holds that could be restored. Raises what `restore` raises about the copy."""
    path_of(mirror)
    if not file.is_file():
        raise DatabaseUnusable(str(file), "there is no such file")
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder) / "copy.db"
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _prepare(file, aside, world, (0, 0), Marks(), ())
        copy = Mirror(f"sqlite:///{aside}", world)
        try:
            with copy.read() as conn:
                return int(conn.execute(text("SELECT count(*) FROM person")).scalar_one())
        finally:
            copy.close()


def restored(mirror: Mirror, world: World) -> int:
    """An older copy was put in the mirror's place by other tools (pg_restore): begin a new restore epoch.

    How many open changes have to be approved anew. Who was erased since is erased by opening the mirror.
    Raises LeaseHeld when somebody works on it.
    """
    with Lease(mirror, world, ALONE, "db restored").held() as number:
        pass  # nobody else works on it; whoever begins now loses the lease by what follows
    with mirror.write(durable=True) as conn:
        _begin_epoch(conn, number + FAR, 0)
        return unapproved(conn)


def unapproved(conn: Connection) -> int:
    """Open changes, whoever approved them."""
    query = text(f"SELECT count(*) FROM intent WHERE state IN {OPEN}")  # noqa: S608 (ours)
    return int(conn.execute(query).scalar_one())


def _prepare(
    file: Path, aside: Path, world: World, epochs: tuple[int, int], erased: Marks, written: Sequence[Copy]
) -> None:
    """Make the copy fit to be the mirror: whole, without the erased, of today's schema, at its new epochs."""
    try:
        source = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        try:
            _copy(source, aside)
        finally:
            source.close()
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(str(file), str(error)) from error
    copy = Mirror(f"sqlite:///{aside}", world)
    try:
        with copy.read() as conn:
            found = health.damage(conn) if _has_schema(conn) else ["it is no mirror of mqlsync"]
        if found:
            raise DatabaseDamaged(str(file), "; ".join(found))
        copy.migrate()
        with copy.write(durable=True) as conn:
            gone = marks_file.replay(conn, erased, epoch(world.now()))
            for one in written:
                copies.record(conn, one)
            _begin_epoch(conn, *epochs)
        if gone:
            copy.compact()
    finally:
        copy.close()
    plain = sqlite3.connect(aside)
    plain.execute("PRAGMA journal_mode=DELETE").close()  # everything in the one file
    plain.close()


def _has_schema(conn: Connection) -> bool:
    query = text("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")
    return conn.execute(query).first() is not None


def _begin_epoch(conn: Connection, lease_epoch: int, restore_epoch: int) -> None:
    """Take back every approval; epochs go on from the later ones, so no former holder of a lease matches."""
    number = max(restore_epoch, int(get_meta(conn, RESTORE_EPOCH) or 0)) + 1
    set_meta(conn, RESTORE_EPOCH, str(number))
    conn.execute(text("DELETE FROM approval"))
    conn.execute(text("DELETE FROM request"))
    conn.execute(text(f"UPDATE intent SET plan_digest = NULL WHERE state IN {OPEN}"))  # noqa: S608 (ours)
    conn.execute(text("UPDATE intent SET state = 'queued' WHERE state = 'awaiting_approval'"))
    conn.execute(text("UPDATE plan SET state = 'dropped' WHERE state IN ('pending', 'saved', 'approved')"))
    known = conn.execute(text("SELECT max(epoch) FROM lease")).scalar() or 0
    conn.execute(text("DELETE FROM lease"))
    conn.execute(
        text("INSERT INTO lease (name, holder, epoch, expires_at) VALUES (:name, 'restore', :epoch, 0)"),
        {"name": LEASE_NAME, "epoch": max(known, lease_epoch) + 1},
    )


def _epochs(mirror: Mirror) -> tuple[int, int]:
    """Lease and restore epoch of the present mirror; zeros when it is not there or cannot be read."""
    if mirror.path is None or not mirror.path.exists():
        return 0, 0
    try:
        with mirror.read() as conn:
            if not _has_schema(conn):
                return 0, 0
            lease = conn.execute(text("SELECT max(epoch) FROM lease")).scalar()
            return int(lease or 0), int(get_meta(conn, RESTORE_EPOCH) or 0)
    except DatabaseUnusable:
        return 0, 0


def _erased(mirror: Mirror, file: Path) -> Marks:
    """Who was erased, by the present mirror as far as it can be read, and by the file of marks."""
    return marks_file.read(file).with_those_of(_asked(mirror, marks_file.of_mirror, Marks()))


def _asked(mirror: Mirror, question: Callable[[Connection], Answered], unknown: Answered) -> Answered:
    """What the present mirror answers; `unknown` when it is not there, too old, or cannot be read."""
    if mirror.path is None or not mirror.path.exists():
        return unknown
    try:
        with mirror.read() as conn:
            return question(conn) if _has_tables(conn) else unknown
    except DatabaseUnusable:
        return unknown


def _has_tables(conn: Connection) -> bool:
    query = text("SELECT count(*) FROM sqlite_master WHERE name IN ('erased_mark', 'data_copy', 'meta')")
    return bool(conn.execute(query).scalar_one() == 3)


def _former(path: Path) -> Path:
    """Where the mirror that is replaced is kept."""
    return path.with_name(path.name + ".before-restore")


def _swap(aside: Path, path: Path) -> Path | None:
    """The prepared file becomes the mirror; at every moment there is one. The former one is kept beside."""
    former = _former(path)
    for suffix in BESIDE:  # first: the log of one database must never be taken for another's
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").replace(f"{former}{suffix}")
    kept = path.exists()
    if kept:
        former.unlink(missing_ok=True)
        os.link(path, former)
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return former if kept else None


def _copy(source: sqlite3.Connection, file: Path) -> None:
    target = sqlite3.connect(file)
    try:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE").close()
    finally:
        target.close()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the file lock of whoever may write. Raises MirrorBusy."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(lock_file(path), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise MirrorBusy from None
    finally:
        os.close(file)
