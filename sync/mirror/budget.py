"""The daily calls of a CRM account, shared by every process that uses the same mirror.

Calls are taken from the mirror in blocks, each in a transaction of its own, so that a call costs no
transaction; what is left of a block goes back at the end. After a crash a block counts as spent. A block is
good for the day on which it was taken: the calls of a day count on that day.
What the CRM itself says of its quota replaces our estimate whenever it says so, and a new process
believes nobody else: its first call asks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import text

from config.world import World, epoch, from_epoch
from connectors.errors import QuotaSpent
from sync.mirror.engine import Connection, Mirror

SMALLEST_BLOCK: Final = 100
"""Calls."""

SHARE_OF_LIMIT: Final = 0.001
"""A block is at least this share of the day's calls."""


@dataclass(frozen=True, slots=True)
class BudgetView:
    """The day's calls of one account, as `status` shows them."""

    used: int | None
    limit: int | None
    ours: int
    spent_until: int | None


class MirrorBudget:
    """`connectors.throttle.Budget` over the mirror. `reserve`: the share of the day that pull leaves."""

    def __init__(self, mirror: Mirror, world: World, crm: str, reserve: float = 0.0) -> None:
        self._mirror = mirror
        self._world = world
        self._crm = crm
        self._reserve = reserve
        self._lock = threading.Lock()
        self._block = 0  # calls of ours that the mirror has counted already
        self._block_day = ""  # on which day it counted them
        self._used: int | None = None
        self._limit: int | None = None
        self._spent_until: datetime | None = None

    def acquire(self, kind: str, n: int = 1) -> float:
        """Count `n` calls. Never waits (0.0); raises QuotaSpent when nothing is left for us."""
        with self._lock:
            self._refuse_if_spent(kind, n)
            if self._block < n or self._block_day != _day(epoch(self._world.now())):
                self._take_block(n)
            self._block -= n
            if self._used is not None:
                self._used += n
        return 0.0

    def observe(self, used: int | None, limit: int | None, ours: int = 0) -> None:
        """What the CRM says counts; `ours` calls are in its number and in our block alike."""
        del ours
        with self._lock:
            self._used = self._used if used is None else used
            self._limit = self._limit if limit is None else limit

    def spent(self, until: datetime | None) -> None:
        """Nothing more until then, in this process; another one may ask once. Shown by `status`."""
        with self._lock:
            self._spent_until = until
            self._store(until)

    def close(self) -> None:
        """Give back what is left of the block, and tell what was last heard."""
        with self._lock:
            self._store(None)

    def _refuse_if_spent(self, kind: str, n: int) -> None:
        now = self._world.now()
        if self._spent_until is not None and now < self._spent_until:
            raise self._quota_spent(kind, self._spent_until)
        if not self._enough(self._used, self._limit, n):
            raise self._quota_spent(kind, None)

    def _enough(self, used: int | None, limit: int | None, n: int) -> bool:
        if used is None or not limit:
            return True
        kept = self._reserve * limit if self._crm in self._mirror.pulling else 0
        return used + n <= limit - kept

    def _take_block(self, n: int) -> None:
        size = max(SMALLEST_BLOCK, int(SHARE_OF_LIMIT * (self._limit or 0)), n)
        today = _day(epoch(self._world.now()))
        with self._mirror.write() as conn:
            _count(conn, self._crm, today, size)
        self._block = size + (self._block if self._block_day == today else 0)
        self._block_day = today

    def _store(self, until: datetime | None) -> None:
        now = epoch(self._world.now())
        with self._mirror.write() as conn:
            _count(conn, self._crm, _day(now), -self._block if self._block_day == _day(now) else 0)
            self._block = 0
            _hear(conn, self._crm, self._used, self._limit, now, None if until is None else epoch(until))

    def _quota_spent(self, kind: str, until: datetime | None) -> QuotaSpent:
        left = "" if self._limit is None else f" ({self._used} of {self._limit} used)"
        message = f"no calls left today for a {kind}{left}"
        return QuotaSpent(message, until=until, crm=self._crm, code="BUDGET_SPENT")


@contextmanager
def pulling(mirror: Mirror, crm: str) -> Iterator[None]:
    """While this lasts the account's calls are pull's, which may not touch the reserve."""
    mirror.pulling.add(crm)
    try:
        yield
    finally:
        mirror.pulling.discard(crm)


def view(conn: Connection, crm: str, now: int) -> BudgetView:
    """The day's calls as last heard; a word older than a day says nothing any more."""
    row = _row(conn, crm)
    heard = now - row.heard_at < timedelta(days=1).total_seconds()
    return BudgetView(
        used=row.used if heard else None,
        limit=row.limit,
        ours=row.ours if row.day == _day(now) else 0,
        spent_until=row.spent_until if (row.spent_until or 0) > now else None,
    )


@dataclass(frozen=True, slots=True)
class _Row:
    used: int | None = None
    limit: int | None = None
    ours: int = 0
    day: str = ""
    heard_at: int = 0
    spent_until: int | None = None


def _row(conn: Connection, crm: str) -> _Row:
    found = conn.execute(
        text('SELECT used, "limit", ours, day, heard_at, spent_until FROM budget WHERE crm = :crm'),
        {"crm": crm},
    ).one_or_none()
    return _Row() if found is None else _Row(*found)


def _count(conn: Connection, crm: str, day: str, calls: int) -> None:
    """Add calls of ours to the day's; another day begins at 0.

    Where another host's clock has passed midnight already, they are the new day's. Nothing of an earlier day
    goes back to it.
    """
    following = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    conn.execute(
        text(
            "INSERT INTO budget (crm, ours, day, heard_at) VALUES (:crm, :first, :day, 0) "
            "ON CONFLICT (crm) DO UPDATE SET "
            "day = CASE WHEN budget.day = :following THEN budget.day ELSE excluded.day END, ours = CASE "
            "WHEN budget.day = :following THEN budget.ours + excluded.ours "
            "WHEN budget.day <> excluded.day THEN excluded.ours "
            "WHEN budget.ours + :calls < 0 THEN 0 ELSE budget.ours + :calls END"
        ),
        {"crm": crm, "first": max(0, calls), "day": day, "following": following, "calls": calls},
    )


def _hear(
    conn: Connection, crm: str, used: int | None, limit: int | None, now: int, until: int | None
) -> None:
    conn.execute(
        text(
            'UPDATE budget SET used = COALESCE(:used, used), "limit" = COALESCE(:limit, "limit"), '
            "heard_at = CASE WHEN CAST(:used AS BIGINT) IS NULL THEN heard_at ELSE :now END, "
            "spent_until = COALESCE(:until, spent_until) WHERE crm = :crm"
        ),
        {"crm": crm, "used": used, "limit": limit, "now": now, "until": until},
    )


def _day(now: int) -> str:
    return from_epoch(now).astimezone(UTC).date().isoformat()
