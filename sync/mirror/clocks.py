"""The clocks of hand-offs as they are listed: open, touched, overdue, and counted per owner."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import and_, or_, select

from sync.mirror.engine import Connection
from sync.mirror.handoffs import HAND_OFF, PERSON


class Clock(NamedTuple):
    """One hand-off as it is listed."""

    spell_id: str
    person_id: str
    name: str | None
    email: str | None
    owner: str | None
    started_at: int
    due_at: int | None
    touched_at: int | None
    touched_by: str | None
    closed_at: int | None
    earlier: str | None = None  # owners before this one who let it lie, JSON

    def state(self, now: int) -> str:
        """touched, closed (the spell ended untouched), overdue, or open."""
        if self.touched_at is not None:
            return "touched"
        if self.closed_at is not None:
            return "closed"
        return "overdue" if self.due_at is not None and self.due_at < now else "open"

    def breached(self, now: int) -> bool:
        """Whether nobody acted in time."""
        ended = self.touched_at if self.touched_at is not None else self.closed_at
        return self.due_at is not None and (now if ended is None else ended) > self.due_at


def listed(conn: Connection, since: int) -> list[Clock]:
    """Hand-offs that are open or began since then, the one that is due first in front."""
    columns = (HAND_OFF.c[name] for name in Clock._fields if name not in ("name", "email"))
    chosen: Mapping[str, Any] = {column.name: column for column in columns}
    chosen = {**chosen, "name": PERSON.c.name, "email": PERSON.c.email}
    open_ = and_(HAND_OFF.c.touched_at.is_(None), HAND_OFF.c.closed_at.is_(None))
    query = (
        select(*(chosen[name] for name in Clock._fields))
        .outerjoin(PERSON, PERSON.c.person_id == HAND_OFF.c.person_id)
        .where(or_(open_, HAND_OFF.c.started_at >= since))
        .order_by(HAND_OFF.c.due_at.is_(None), HAND_OFF.c.due_at, HAND_OFF.c.started_at, HAND_OFF.c.spell_id)
    )
    return [Clock(*row) for row in conn.execute(query)]


class OfOwner(NamedTuple):
    """The hand-offs of one owner, counted."""

    owner: str | None
    handed: int
    touched: int
    open: int
    overdue: int
    breached: int


def by_owner(found: Iterable[Clock], now: int) -> list[OfOwner]:
    """Per owner how many were handed over, touched, are open, overdue, and were not touched in time."""
    groups: dict[str, list[Clock]] = {}
    for clock in found:
        groups.setdefault(clock.owner or "", []).append(clock)
        for past in json.loads(clock.earlier or "[]"):
            gone_on = clock._replace(touched_at=None, touched_by=None, closed_at=clock.started_at, **past)
            groups.setdefault(past["owner"] or "", []).append(gone_on)
    counted = []
    for owner, clocks_ in sorted(groups.items()):
        states = [clock.state(now) for clock in clocks_]
        breached = sum(clock.breached(now) for clock in clocks_)
        still = states.count("open") + states.count("overdue")
        counted.append(
            OfOwner(
                owner or None, len(clocks_), states.count("touched"), still, states.count("overdue"), breached
            )
        )
    return counted
