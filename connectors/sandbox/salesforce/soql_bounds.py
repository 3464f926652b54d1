"""What a WHERE says about the range of one field, so that a query need not look at every record.

The range is an outer bound: every matching record lies inside, not everything inside matches.
"""

from __future__ import annotations

from typing import Any

from connectors.sandbox.salesforce.ids import to_18
from connectors.sandbox.salesforce.schema import parse_datetime
from connectors.sandbox.salesforce.soql_parser import Compare, Condition, Literal

Bounds = tuple[Any, Any]
FREE: Bounds = (None, None)


def bounds(condition: Condition | None, field: str) -> Bounds:
    """(lowest, highest) value of `field` (Id or a date-time), None for no bound on that side."""
    if condition is None:
        return FREE
    if isinstance(condition, Compare):
        return _compare(condition) if condition.path.lower() == field.lower() else FREE
    if condition.how == "NOT":
        return FREE
    parts = [bounds(part, field) for part in condition.parts]
    lows, highs = [low for low, _ in parts], [high for _, high in parts]
    if condition.how == "AND":
        known_lows = [low for low in lows if low is not None]
        known_highs = [high for high in highs if high is not None]
        return max(known_lows, default=None), min(known_highs, default=None)
    return (None if None in lows else min(lows)), (None if None in highs else max(highs))


def _compare(compare: Compare) -> Bounds:
    if compare.subquery is not None or len(compare.values) != 1:
        return FREE
    value = _value(compare.values[0])
    if value is None:
        return FREE
    low = value if compare.operator in ("=", ">", ">=") else None
    high = value if compare.operator in ("=", "<", "<=") else None
    return low, high


def _value(literal: Literal) -> Any:
    if literal.kind == "datetime":
        try:
            return int(parse_datetime(literal.value))
        except ValueError:
            return None
    return to_18(literal.value) if literal.kind == "string" else None
