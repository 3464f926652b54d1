"""The JSON contracts, written down: every field by name and type. Fields may be added, never renamed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Time:
    """ISO 8601 in UTC, ending in Z."""


class Points:
    """A number with up to three decimals."""


class OneOf:
    """One of some words."""

    def __init__(self, *words: str) -> None:
        self.words = words


class Maybe:
    """That, or null."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner


class Each:
    """An object with arbitrary names whose values all look like that."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner


def problems(value: Any, shape: Any, where: str = "$") -> list[str]:
    """What is wrong with a value; [] when it keeps the contract."""
    if isinstance(shape, Maybe):
        return [] if value is None else problems(value, shape.inner, where)
    if isinstance(shape, Each):
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        return [one for key, item in value.items() for one in problems(item, shape.inner, f"{where}.{key}")]
    if isinstance(shape, dict):
        return _object(value, shape, where)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no array"]
        return [one for n, item in enumerate(value) for one in problems(item, shape[0], f"{where}[{n}]")]
    return [] if _scalar(value, shape) else [f"{where}: {value!r} is not as agreed"]


def _object(value: Any, shape: Mapping[str, Any], where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    missing = [f"{where}.{name} is missing" for name in shape if name not in value]
    return missing + [
        one
        for name in shape
        if name in value
        for one in problems(value[name], shape[name], f"{where}.{name}")
    ]


def _scalar(value: Any, shape: Any) -> bool:
    if isinstance(shape, OneOf):
        return value in shape.words
    if shape is Time:
        return isinstance(value, str) and ISO.fullmatch(value) is not None
    if shape is Points:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and round(value, 3) == value
    if shape is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(shape, int):  # that very number
        return type(value) is int and value == shape
    return isinstance(value, shape)


CRM = OneOf("salesforce", "hubspot")
FEED = {"seen": int, "stored": int, "unchanged": int, "parked": int, "gone": int, "calls": int}
WRITE = {
    "decided": int, "verified": int, "waiting": int, "conflict": int, "parked": int, "superseded": int,
    "calls": int,
}  # fmt: skip
SYNC = {
    "schema_version": 1,
    "run_id": str,
    "outcome": OneOf("ok", "partial", "deferred", "blocked", "failed"),
    "pull": Each(Each(FEED)),
    "match": {"people": int, "ambiguous": int},
    "score": {"people": int, "recomputed": int, "mql_entered": int, "mql_left": int},
    "write": WRITE,
    "books_balance": bool,
}
SCORE = {
    "total": Points, "fit": Points, "engagement": Points, "grade": str, "model": str, "version": int,
    "as_of": Time,
}  # fmt: skip
RECORD = {"crm": CRM, "object": str, "id": str}
STAGE = OneOf("subscriber", "lead", "mql", "sql", "opportunity", "customer", "recycled", "disqualified")
PERSON = {
    "person_id": str,
    "emails": [str],
    "name": Maybe(str),
    "company": Maybe(str),
    "records": [RECORD],
    "stage": STAGE,
    "suppressed": Maybe(str),
    "ambiguous": bool,
    "score": SCORE,
    "mql": Maybe({"entered_at": Time, "entered_by": str}),
}
PEOPLE = {"schema_version": 1, "people": [PERSON]}
EXPLAIN = {
    "schema_version": 1,
    "person_id": str,
    "score": SCORE,
    "stage": STAGE,
    "suppressed": Maybe(str),
    "missing": [{"axis": str, "points": Points}],
    "hits": [
        {
            "rule": str, "axis": OneOf("fit", "engagement"), "group": Maybe(str),
            "points": Points, "count": int, "first_at": Maybe(Time), "last_at": Maybe(Time), "sources": [str],
        }
    ],
}  # fmt: skip
CHANGE = {
    "intent_id": str, "person_id": str, "crm": CRM, "object": str, "id": str, "field": str,
    "before": Maybe(str), "after": str,
    "policy": OneOf("machine", "fill", "last_supplied", "human_wins", "ladder", "owner_claim"),
    "reason": str,
}  # fmt: skip
PLAN = {"schema_version": 1, "digest": str, "changes": [CHANGE], "blocked_by": list}
STATUS = {
    "schema_version": 1,
    "state": OneOf("ok", "degraded", "paused", "blocked", "failed"),
    "fresh_seconds": Each(Maybe(int)),
    "waiting": int,
    "parked": int,
    "unsure": int,
    "books_balance": bool,
    "budget": Each({"used": int, "limit": int, "ours": int}),
}
FAILED = {
    "schema_version": 1,
    "failed": [
        {
            "cause": str, "crm": CRM, "object": str, "id": str, "field": Maybe(str), "message": str,
            "remedy": str, "since": Time, "attempts": int,
        }
    ],
}  # fmt: skip


def check(document: Any, shape: Any) -> Any:
    """The document, when it keeps its contract."""
    assert problems(document, shape) == []
    return document


def check_books(report: Mapping[str, Any]) -> None:
    """seen = stored + unchanged + parked; decided = verified + waiting + conflict + parked + superseded."""
    for feeds in report["pull"].values():
        for counts in feeds.values():
            assert counts["seen"] == counts["stored"] + counts["unchanged"] + counts["parked"]
    write = report["write"]
    fates = ("verified", "waiting", "conflict", "parked", "superseded")
    assert write["decided"] == sum(write[fate] for fate in fates)
    assert report["books_balance"] is True
