"""Who may write to the CRMs: one holder at a time, with an epoch that grows at every change of hands.

A holder that dies leaves its lease to expire; its presence (a lock that the system lets go) tells at once
that it is dead, so nobody has to wait. A holder that was stopped past its lease has lost it: whatever it
then tries to record is refused by its epoch, and its successor reads back what it sent. That holder still
shows its presence, so the successor's own must not be taken for it: locks name their owner.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, NamedTuple

from sqlalchemy import Table, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from config.world import World, epoch
from sync.mirror.engine import Connection, Mirror
from sync.mirror.moved import MirrorMoved, moved_to
from sync.mirror.presence import known_dead, presence_at
from sync.mirror.tables import LeaseRow
from sync.mirror.unusable import DatabaseUnusable

LEASE: Final[Table] = LeaseRow.metadata.tables["lease"]
NAME: Final = "writer"
DAEMON: Final = "daemon"  # the kind of holder that carries out what others ask of it
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
        self._presence = presence_at(mirror)

    def acquire(self, wait: float = 0.0, *, moved: bool = False) -> int:
        """Take the lease, waiting up to `wait` seconds for it; returns the epoch.

        Raises LeaseHeld, and MirrorMoved for a mirror that was moved unless `moved` allows it.
        """
        deadline = self._world.monotonic() + wait
        while True:
            try:
                return self._try(moved=moved)
            except LeaseHeld:
                left = deadline - self._world.monotonic()
                if left <= 0:
                    raise
                self._world.sleep(min(POLL, left))

    def renew(self) -> None:
        """Hold it for another `seconds`. Raises LeaseLost."""
        until = epoch(self._world.now()) + self._seconds
        self._presence.keep()
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
            self._presence.end()

    @contextmanager
    def held(self, wait: float = 0.0, *, heartbeat: bool = False, moved: bool = False) -> Iterator[int]:
        """Hold the lease for a block. `heartbeat`: renew it from a thread, in real time, while it lasts."""
        number = self.acquire(wait, moved=moved)
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
            with suppress(DatabaseUnusable):  # it expires; who looks sees at once that we are gone
                self.release()

    def _beat(self, stop: threading.Event) -> None:
        while not stop.wait(self._seconds / 3):
            try:
                self.renew()
            except LeaseLost:
                return  # the next recording finds out by its epoch
            except DatabaseUnusable:
                continue  # locked or full for now: there are two more beats before the lease is over

    def _try(self, *, moved: bool) -> int:
        now = epoch(self._world.now())
        with ExitStack() as undo:
            undo.callback(self._presence.end)
            self._presence.begin(self.holder)
            with self._mirror.write(durable=True) as conn:
                row = conn.execute(
                    select(LEASE.c.holder, LEASE.c.epoch, LEASE.c.expires_at).where(LEASE.c.name == NAME)
                ).one_or_none()
                if not moved and (where := moved_to(conn)) is not None:
                    raise MirrorMoved(self._mirror.where, where)
                if row is not None and row.expires_at > now and not self._presence.is_dead(conn, row.holder):
                    raise LeaseHeld(row.holder, row.expires_at)
                number: int = 1 if row is None else row.epoch + 1
                self._put(conn, number, now + self._seconds)
            undo.pop_all()  # the lease is ours: its holder stays present
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
    """Who holds the lease and, as far as one can tell, lives."""
    with mirror.read() as conn:
        query = select(LEASE.c.holder, LEASE.c.epoch).where(LEASE.c.name == NAME, LEASE.c.expires_at > now)
        row = conn.execute(query).one_or_none()
        if row is None or known_dead(mirror, conn, row.holder):
            return None
    return Holder(row.holder, row.epoch)
