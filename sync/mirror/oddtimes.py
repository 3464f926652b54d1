"""Engagements whose time keeps them from being scored: of the future (they wait), or without one (never)."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import case, func, select

from sync.mirror.catalog import ENGAGEMENT
from sync.mirror.engine import Connection


class OddTimes(NamedTuple):
    """How many engagements, deleted ones left out."""

    future: int
    missing: int


def odd_times(conn: Connection, now: int) -> OddTimes:
    """Count them as of now, in one pass over all engagements."""
    at = ENGAGEMENT.c.occurred_at
    query = select(
        func.coalesce(func.sum(case((at > now, 1), else_=0)), 0),
        func.coalesce(func.sum(case((at.is_(None), 1), else_=0)), 0),
    ).where(ENGAGEMENT.c.deleted.is_(False))
    future, missing = conn.execute(query).one()
    return OddTimes(int(future), int(missing))
