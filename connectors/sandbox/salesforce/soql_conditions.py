"""WHERE → a function of a record (SOQL and SOSL Reference, "Comparison Operators").

Text compares without case; ids compare with case and take 15 characters; `!=` and NOT IN are true for null;
every order comparison with null is false. A literal of the wrong kind is INVALID_FIELD.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from connectors.sandbox.core import Answer
from connectors.sandbox.salesforce.errors import fail
from connectors.sandbox.salesforce.ids import looks_like_id, to_18
from connectors.sandbox.salesforce.org import Org, Reader
from connectors.sandbox.salesforce.schema import NUMBERS, TEXTS, Field, ObjectType, parse_datetime
from connectors.sandbox.salesforce.soql_dates import day_range, epoch_range
from connectors.sandbox.salesforce.soql_fields import resolve
from connectors.sandbox.salesforce.soql_parser import Combine, Compare, Condition, Literal, Query
from connectors.sandbox.store import Record

Test = Callable[[Record], bool]
Subquery = Callable[[Query], set[Any]]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compile_condition(org: Org, kind: ObjectType, condition: Condition, subquery: Subquery) -> Test:
    """`subquery` gives the values of a semi-join's one column."""
    if isinstance(condition, Compare):
        return _compare(org, kind, condition, subquery)
    parts = [compile_condition(org, kind, part, subquery) for part in condition.parts]
    if condition.how == "NOT":
        inner = parts[0]
        return lambda record: not inner(record)
    if condition.how == "AND":
        return lambda record: all(part(record) for part in parts)
    return lambda record: any(part(record) for part in parts)


def equal_ids(condition: Condition | None) -> list[str] | None:
    """The ids that WHERE narrows a query to (`Id = …` or `Id IN (…)`, alone or in an AND), else None."""
    if isinstance(condition, Compare):
        if condition.path.lower() == "id" and condition.operator in ("=", "IN") and not condition.subquery:
            return [to_18(str(literal.value)) for literal in condition.values if literal.kind == "string"]
        return None
    if isinstance(condition, Combine) and condition.how == "AND":
        for part in condition.parts:
            ids = equal_ids(part)
            if ids is not None:
                return ids
    return None


def _compare(org: Org, kind: ObjectType, compare: Compare, subquery: Subquery) -> Test:
    path = resolve(org, kind, compare.path)
    leaf, read = path.leaf, path.compare
    if leaf.type == "address" or (leaf.type == "textarea" and leaf.length > 255):
        raise fail(400, "INVALID_FIELD", f"field '{compare.path}' can not be filtered in a query call")
    if compare.operator in ("IN", "NOT IN"):
        if compare.subquery is not None:
            wanted = subquery(compare.subquery)
        else:
            wanted = {_scalar(leaf, literal, compare.path) for literal in compare.values}
        if compare.operator == "IN":
            return lambda record: read(record) in wanted
        return lambda record: read(record) not in wanted
    literal = compare.values[0]
    if compare.operator == "LIKE":
        return _like(leaf, literal, compare.path, read)
    if literal.kind == "relative":
        return _relative(org, leaf, compare.operator, str(literal.value), compare.path, read)
    value = _scalar(leaf, literal, compare.path)
    if compare.operator == "=":
        return lambda record: bool(read(record) == value)
    if compare.operator == "!=":
        return lambda record: bool(read(record) != value)
    order = _ORDER[compare.operator]
    if value is None:
        return lambda _record: False
    return lambda record: (known := read(record)) is not None and order(known, value)


def _relative(org: Org, leaf: Field, sign: str, literal: str, path: str, read: Reader) -> Test:
    """A date literal is a range; `=` means inside it."""
    if leaf.type == "datetime":
        first, after = epoch_range(literal, org.now())
        return _range(sign, first, after, read)
    if leaf.type == "date":
        start, end = day_range(literal, org.now())
        return _range(sign, start.isoformat(), end.isoformat(), read)
    raise _wrong(leaf, path)


def _range(sign: str, first: Any, after: Any, read: Reader) -> Test:
    inside: dict[str, Callable[[Any], bool]] = {
        "=": lambda value: first <= value < after,
        "!=": lambda value: not first <= value < after,
        "<": lambda value: value < first,
        "<=": lambda value: value < after,
        ">": lambda value: value >= after,
        ">=": lambda value: value >= first,
    }
    test = inside[sign]
    empty = sign == "!="
    return lambda record: empty if (value := read(record)) is None else test(value)


def _like(leaf: Field, literal: Literal, path: str, read: Reader) -> Test:
    if leaf.type not in (*TEXTS, "picklist") or literal.kind != "string":
        raise fail(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {leaf.type} field: {path}")
    pieces = []
    for piece in re.findall(r"\\[%_]|.", literal.value, re.DOTALL):
        pieces.append({"%": ".*", "_": "."}.get(piece, re.escape(piece.removeprefix("\\") or "\\")))
    pattern = re.compile("".join(pieces), re.IGNORECASE | re.DOTALL)
    return lambda record: (value := read(record)) is not None and pattern.fullmatch(value) is not None


def _scalar(leaf: Field, literal: Literal, path: str) -> Any:
    """The literal in the form in which `comparable` reads the field."""
    if literal.kind == "null":
        return False if leaf.type == "boolean" else None
    kinds = {"boolean": "boolean", "date": "date", "datetime": "datetime"}
    expected = "number" if leaf.type in NUMBERS else kinds.get(leaf.type, "string")
    if literal.kind != expected:
        raise _wrong(leaf, path)
    if leaf.type in ("id", "reference"):
        if not looks_like_id(literal.value):
            if literal.value == "":
                return None
            raise fail(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.value}")
        return to_18(literal.value)
    if expected == "datetime":
        try:
            return int(parse_datetime(literal.value))
        except ValueError:
            raise fail(400, "MALFORMED_QUERY", f"invalid date-time: {literal.value}") from None
    if expected == "string":
        text = re.sub(r"\\([%_])", r"\1", str(literal.value))
        return text.lower() or None
    return literal.value


def _wrong(leaf: Field, path: str) -> Answer:
    names = {"boolean": "boolean", "date": "date", "datetime": "dateTime"}
    name = "double" if leaf.type in NUMBERS else names.get(leaf.type, "string")
    ending = "should be enclosed in quotes" if name == "string" else "should not be enclosed in quotes"
    message = f"value of filter criterion for field '{path}' must be of type {name} and {ending}"
    return fail(400, "INVALID_FIELD", message)
