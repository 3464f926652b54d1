"""Whether the holder of a lease lives: told at once, without waiting for the lease to run out.

What a killed process held, the system lets go: on SQLite a lock on a file beside the database, which names
its owner; on PostgreSQL an advisory lock of a session, whose key is made of the holder's name.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import text

from sync.mirror.engine import Connection, Mirror
from sync.mirror.unusable import DatabaseUnusable

LONGEST_NAME: Final = 1000  # bytes of a holder's name
KEYS: Final = 0x6D716C73 << 32  # where the advisory locks of holders begin

LOCK: Final = text("SELECT pg_try_advisory_lock(:key)")
LOCKED: Final = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND (CAST(classid AS BIGINT) << 32) + CAST(objid AS BIGINT) = :key "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class Presence(Protocol):
    """A holder's sign of life."""

    def begin(self, holder: str) -> None:
        """Show from now on that this holder lives."""

    def keep(self) -> None:
        """Go on showing it, also when the database was away in between."""

    def is_dead(self, conn: Connection, holder: str) -> bool:
        """Whether this other holder is known to be dead."""

    def end(self) -> None:
        """Show it no more."""


def presence_at(mirror: Mirror) -> Presence:
    """The one that fits the database."""
    return InSession(mirror) if mirror.path is None else OnFile(mirror.path)


def known_dead(mirror: Mirror, conn: Connection, holder: str) -> bool:
    """The same as `Presence.is_dead`, for somebody who holds nothing."""
    if mirror.path is None:
        return session_is_gone(conn, holder)
    return holder == last_owner(lock_file(mirror.path))


class OnFile:
    """A lock on a file. Who gets it knows that its last owner is dead, and no other."""

    def __init__(self, mirror: Path) -> None:
        self._path = lock_file(mirror)
        self._file: int | None = None
        self._former: str | None = None

    def begin(self, holder: str) -> None:
        """Take the lock and write our name into the file, when nobody has it."""
        self._former = None
        file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return
        self._file = file
        self._former = os.pread(file, LONGEST_NAME, 0).decode(errors="replace")
        os.ftruncate(file, 0)
        os.pwrite(file, holder.encode(), 0)

    def keep(self) -> None:
        """Nothing is to be done: the system keeps it."""

    def is_dead(self, conn: Connection, holder: str) -> bool:  # noqa: ARG002
        """Whether it was the last owner of the lock that we have now."""
        return holder == self._former

    def end(self) -> None:
        """Let go of the lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class InSession:
    """An advisory lock of a session of its own, that ends with the process or its connection."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._session: Connection | None = None
        self._key = 0

    def begin(self, holder: str) -> None:
        """Open the session and take the lock that is named after us."""
        self._key = key_of(holder)
        self._open()

    def keep(self) -> None:
        """Take the lock anew when the session was cut, now or at an earlier try.

        That shows life and no more: whether the lease is still ours, its row says.
        """
        try:
            with self._mirror.translated():
                if self._session is not None:
                    self._session.execute(text("SELECT 1"))
                    return
        except DatabaseUnusable:
            self.end()
        self._open()

    def is_dead(self, conn: Connection, holder: str) -> bool:
        """Whether no session holds its lock."""
        return session_is_gone(conn, holder)

    def end(self) -> None:
        """Close the session, and with it the lock."""
        session, self._session = self._session, None
        if session is not None:
            session.invalidate()  # closes the connection itself, also one that is broken
            session.close()

    def _open(self) -> None:
        session = self._mirror.session()
        try:
            with self._mirror.translated():
                session.execute(LOCK, {"key": self._key})
        except DatabaseUnusable:
            session.invalidate()
            session.close()
            raise
        self._session = session


def key_of(holder: str) -> int:
    """The advisory lock of a holder."""
    return KEYS + int.from_bytes(hashlib.sha256(holder.encode()).digest()[:4])


def session_is_gone(conn: Connection, holder: str) -> bool:
    """Whether the session of a holder has ended."""
    return not conn.execute(LOCKED, {"key": key_of(holder)}).scalar_one()


def lock_file(mirror: Path) -> Path:
    """The file beside a SQLite mirror that its writer locks."""
    return mirror.with_name(mirror.name + ".lock")


def last_owner(path: Path) -> str | None:
    """The last owner of a file lock that nobody holds."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return os.pread(file, LONGEST_NAME, 0).decode(errors="replace")
    except BlockingIOError:
        return None
    finally:
        os.close(file)
