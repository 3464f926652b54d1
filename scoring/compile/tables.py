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
    bindparam,
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
    *map(_int, ("part", "points", "count", "first_at", "last_at", "source", "edge_at", "rounded")),
    Column("rate", Float(53)),
)
"""`rounded`: of how many values that drift the points are the rounded sum."""
GROUP: Final = _table(
    "group",
    _text("person_id"),
    *map(_int, ("part", "raw", "points", "last_at", "edge_at", "rounded")),
    Column("rate", Float(53)),
)
AXES: Final = _table(
    "axes",
    _text("person_id"),
    *map(_int, ("fit_raw", "fit", "engagement_raw", "engagement", "renewed_at", "edge_at", "rounded")),
    Column("rate", Float(53)),
    _int("tracks"),
    _text("suppressed"),
    *map(_flag, ("applies", "known")),
)
"""All that decides about a person; `tracks`: a bit for each fast track whose event is recent enough.
`known`: not ambiguous, and every required fact is there."""
DECISION: Final = _table(
    "decision",
    _text("person_id"),
    *map(_int, ("total", "fit", "engagement", "renewed_at", "due_at")),
    *map(_text, ("grade", "suppressed", "fast_track")),
    *map(_flag, ("applies", "eligible", "over_enter", "under_leave")),
)

NEVER: Final = 2**62
"""Later than any moment."""


@functools.cache
def event_table(number: int) -> Table:
    """The events of the n-th event name that a program uses."""
    return _table(f"event_{number}", _text("person_id"), _int("at"), _int("last_at"), _int("source"))


def integer(value: int) -> ColumnElement[int]:
    """A bound 64-bit integer."""
    return literal(value, BigInteger)


def as_of() -> ColumnElement[int]:
    """The moment of scoring, given when the program runs."""
    return bindparam("as_of", None, BigInteger, required=False)


def known_at() -> ColumnElement[int]:
    """The moment of knowing, given when the program runs."""
    return bindparam("known_at", None, BigInteger, required=False)


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
