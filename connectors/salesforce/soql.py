"""Building SOQL: the one place where values meet query text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from connectors.salesforce.values import soql_datetime

PAGE_ROWS: Final = 2000  # the most that one answer holds (SOQL and SOSL Limits)

COUNT: Final = "COUNT()"
"""In place of fields: only how many rows there are."""

_NAME: Final = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)*", re.ASCII)
_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)


def quoted(text: str) -> str:
    """A SOQL string literal."""
    return f"'{text.translate(_ESCAPES)}'"


def name(text: str) -> str:
    """A field path or object name, unchanged. Raises ValueError for what can be none."""
    if _NAME.fullmatch(text) is None:
        raise ValueError("not a field or object name")
    return text


def is_in(field: str, values: Iterable[str]) -> str:
    """`Field IN ('a','b')`; at least one value."""
    return f"{name(field)} IN ({','.join(quoted(value) for value in values)})"


def equals(field: str, value: str) -> str:
    """`Field = 'value'`."""
    return f"{name(field)} = {quoted(value)}"


def after_key(field: str, ms: int, record_id: str) -> str:
    """Everything behind (field, Id) in the order `field, Id`: the next page of a keyset."""
    at = soql_datetime(ms)
    return f"({name(field)} > {at} OR ({name(field)} = {at} AND Id > {quoted(record_id)}))"


def since(field: str, ms: int) -> str:
    """`Field >= moment`."""
    return f"{name(field)} >= {soql_datetime(ms)}"


def until(field: str, ms: int) -> str:
    """`Field <= moment`."""
    return f"{name(field)} <= {soql_datetime(ms)}"


def select(
    fields: Sequence[str],
    object_name: str,
    where: Iterable[str] = (),
    order: Sequence[str] = (),
    limit: int | None = None,
) -> str:
    """A query; conditions are joined by AND, empty ones left out."""
    names = ",".join(field if field == COUNT else name(field) for field in fields)
    parts = ["SELECT", names, "FROM", name(object_name)]
    conditions = [condition for condition in where if condition]
    if conditions:
        parts.append("WHERE " + " AND ".join(conditions))
    if order:
        parts.append("ORDER BY " + ", ".join(order))
    if limit is not None:
        parts.append(f"LIMIT {limit}")
    return " ".join(parts)
