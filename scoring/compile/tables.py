"""The temporary tables of a program. They are the same objects for every program, so that a statement that
was compiled once is found in SQLAlchemy's cache by the next run.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    MetaData,
    String,
    Table,
    case,
    func,
    literal,
)

CRMS: Final = ("hubspot", "salesforce")
"""Where engagements come from, in the order in which sources are listed; one bit each in the SQL."""


def _text(name: str) -> Column[Any]:
    return Column(name, String)


def _int(name: str) -> Column[Any]:
    return Column(name, BigInteger)


def _flag(name: str) -> Column[Any]:
    return Column(name, Boolean)


def _table(name: str, *columns: Column[Any]) -> Table:
    return Table(f"scoring_{name}", MetaData(), *columns, prefixes=["TEMPORARY"])


SEEN: Final = _table("seen", _text("person_id"), _int("at"), _text("asset_key"), _int("source"), _int("mask"))
HIT: Final = _table(
    "hit",
    _text("person_id"),
    _text("rule"),
    *map(_int, ("part", "points", "count", "first_at", "last_at", "source", "edge_at")),
    Column("rate", Float(53)),
)
GROUP: Final = _table("group", _text("person_id"), _int("part"), _int("raw"), _int("points"))
AXES: Final = _table(
    "axes",
    _text("person_id"),
    *map(_int, ("fit_raw", "fit", "engagement_raw", "engagement", "edge_at", "renewed_at", "future_at")),
    Column("rate", Float(53)),
)
DECISION: Final = _table(
    "decision",
    _text("person_id"),
    *map(_int, ("total", "fit", "engagement", "renewed_at", "due_at")),
    *map(_text, ("grade", "suppressed", "fast_track")),
    *map(_flag, ("applies", "eligible", "over_enter", "under_leave")),
)


@functools.cache
def event_table(number: int) -> Table:
    """The events of the n-th event name that a program uses."""
    return _table(f"event_{number}", _text("person_id"), _int("at"), _int("last_at"), _int("source"))


def integer(value: int) -> ColumnElement[int]:
    """A bound 64-bit integer."""
    return literal(value, BigInteger)


def whole(value: ColumnElement[Any]) -> ColumnElement[int]:
    """As a 64-bit integer: PostgreSQL sums to numeric, floors to double."""
    return value.cast(BigInteger)


def all_sources(source: ColumnElement[Any]) -> ColumnElement[Any]:
    """The union of several rows' sources, as bits."""
    bits = [func.max(source.bitwise_and(integer(1 << bit))) for bit in range(len(CRMS))]
    return sum(bits[1:], start=bits[0])


def sources_text(source: ColumnElement[Any]) -> ColumnElement[str]:
    """Bits as names, comma-separated."""
    names = {
        mask: ",".join(crm for bit, crm in enumerate(CRMS) if mask & 1 << bit)
        for mask in range(1, 1 << len(CRMS))
    }
    return case(names, value=source, else_="")
