"""Who may write to the CRMs: one holder at a time, with an epoch that grows at every change of hands.

A holder that dies leaves its lease to expire; on SQLite a lock on a file beside the database tells at once
that it is dead, so nobody has to wait. A holder that was stopped past its lease has lost it: whatever it
then tries to record is refused by its epoch, and its successor reads back what it sent. That successor
has no file lock, so the lock names its owner: when it comes free, only that owner is known to be dead.
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Table, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from config.world import World, epoch
from sync.mirror.engine import Connection, DatabaseUnusable, Mirror
from sync.mirror.tables import LeaseRow

LEASE: Final[Table] = LeaseRow.metadata.tables["lease"]
NAME: Final = "writer"
DAEMON: Final = "daemon"  # the kind of holder that carries out what others ask of it
LONGEST_NAME: Final = 1000  # bytes of a holder's name
POLL: Final = 0.5  # seconds between two looks at a lease that somebody else holds


class LeaseHeld(Exception):
    """Another process holds the lease, at least until `until` (epoch seconds). Exit code 11."""

    def __init__(self, holder: str, until: int) -> None:
        super().__init__(f"held by {holder}")
        self.holder = holder
        self.until = until


class Holder(NamedTuple):
    """Who holds the lease, and its epoch."""

    holder: str
    epoch: int

    @property
    def is_daemon(self) -> bool:
        """Whether requests may be handed over to it."""
        return self.holder.startswith(f"{DAEMON} ")


class LeaseLost(Exception):
    """We hold the lease no more: stop and record nothing; the next holder reads back. Exit code 11."""


class Lease:
    """The right to write, for `seconds` after each renewal. `kind` says what holds it ("daemon", "sync")."""

    def __init__(self, mirror: Mirror, world: World, seconds: int, kind: str) -> None:
        self._mirror = mirror
        self._world = world
        self._seconds = max(3, seconds)
        self.holder = f"{kind} on {socket.gethostname()}, process {os.getpid()}, {world.new_id()[:8]}"
        self.epoch = 0
        self._file: int | None = None

    def acquire(self, wait: float = 0.0) -> int:
        """Take the lease, waiting up to `wait` seconds for it; returns the epoch. Raises LeaseHeld."""
        deadline = self._world.monotonic() + wait
        while True:
            try:
                return self._try()
            except LeaseHeld:
                left = deadline - self._world.monotonic()
                if left <= 0:
                    raise
                self._world.sleep(min(POLL, left))

    def renew(self) -> None:
        """Hold it for another `seconds`. Raises LeaseLost."""
        until = epoch(self._world.now()) + self._seconds
        with self._mirror.write() as conn:
            mine = (LEASE.c.holder == self.holder) & (LEASE.c.epoch == self.epoch)
            held = conn.execute(update(LEASE).where(LEASE.c.name == NAME, mine).values(expires_at=until))
            if held.rowcount != 1:
                raise LeaseLost(f"the lease of epoch {self.epoch} went to somebody else")

    def release(self) -> None:
        """Let the next one in at once."""
        try:
            with self._mirror.write() as conn:
                mine = (LEASE.c.holder == self.holder) & (LEASE.c.epoch == self.epoch)
                conn.execute(update(LEASE).where(LEASE.c.name == NAME, mine).values(expires_at=0))
        finally:
            self._unlock()

    @contextmanager
    def held(self, wait: float = 0.0, *, heartbeat: bool = False) -> Iterator[int]:
        """Hold the lease for a block. `heartbeat`: renew it from a thread, in real time, while it lasts."""
        number = self.acquire(wait)
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        if heartbeat:
            thread.start()
        try:
            yield number
        finally:
            stop.set()
            if heartbeat:
                thread.join()
            with suppress(DatabaseUnusable):  # it expires; on SQLite the file lock is gone at once
                self.release()

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(self._seconds / 3):
            try:
                self.renew()
            except LeaseLost:
                return  # the next recording finds out by its epoch
            except DatabaseUnusable:
                continue  # locked or full for now: there are two more beats before the lease is over

    def _try(self) -> int:
        now = epoch(self._world.now())
        try:
            dead = self._lock()
            with self._mirror.write(durable=True) as conn:
                row = conn.execute(
                    select(LEASE.c.holder, LEASE.c.epoch, LEASE.c.expires_at).where(LEASE.c.name == NAME)
                ).one_or_none()
                if row is not None and row.expires_at > now and row.holder != dead:
                    raise LeaseHeld(row.holder, row.expires_at)
                number: int = 1 if row is None else row.epoch + 1
                self._put(conn, number, now + self._seconds)
        except BaseException:
            self._unlock()
            raise
        self.epoch = number
        return number

    def _put(self, conn: Connection, number: int, until: int) -> None:
        insert = sqlite_insert if self._mirror.is_sqlite else postgresql_insert
        values = {"holder": self.holder, "epoch": number, "expires_at": until}
        conn.execute(
            insert(LEASE)
            .values(name=NAME, **values)
            .on_conflict_do_update(index_elements=["name"], set_=values)
        )

    def _lock(self) -> str | None:
        """Try to take the file lock (SQLite only); its last owner, who must be dead, or None.

        Call only while it is not ours.
        """
        if self._mirror.path is None:
            return None
        file = os.open(lock_file(self._mirror.path), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        self._file = file
        owner = os.pread(file, LONGEST_NAME, 0).decode(errors="replace")
        os.ftruncate(file, 0)
        os.pwrite(file, self.holder.encode(), 0)
        return owner

    def _unlock(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def current_epoch(conn: Connection) -> int:
    """The epoch of the latest holder; 0 before the first."""
    found: int | None = conn.execute(select(LEASE.c.epoch).where(LEASE.c.name == NAME)).scalar_one_or_none()
    return found or 0


def holder(conn: Connection, now: int) -> str | None:
    """Who holds the lease at this moment, or None."""
    query = select(LEASE.c.holder).where(LEASE.c.name == NAME, LEASE.c.expires_at > now)
    found: str | None = conn.execute(query).scalar_one_or_none()
    return found


def at_work(mirror: Mirror, now: int) -> Holder | None:
    """Who holds the lease and, as far as the file lock can tell, lives."""
    with mirror.read() as conn:
        query = select(LEASE.c.holder, LEASE.c.epoch).where(LEASE.c.name == NAME, LEASE.c.expires_at > now)
        row = conn.execute(query).one_or_none()
    if row is None or (mirror.path is not None and row.holder == _dead_owner(lock_file(mirror.path))):
        return None
    return Holder(row.holder, row.epoch)


def lock_file(mirror: Path) -> Path:
    """The file beside a SQLite mirror that its writer locks."""
    return mirror.with_name(mirror.name + ".lock")


def _dead_owner(path: Path) -> str | None:
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
