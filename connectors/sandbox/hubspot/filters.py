"""Search filters: the thirteen operators of the OpenAPI enum, compared by the property's type."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connectors.sandbox.hubspot.calls import texts_in
from connectors.sandbox.hubspot.errors import error
from connectors.sandbox.hubspot.schema_types import ObjectType, Property
from connectors.sandbox.hubspot.values import parse_moment

OPERATORS = (
    "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY",
    "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN",
)  # fmt: skip

Comparable = float | str


@dataclass(slots=True)
class Filter:
    """One filter of a group, ready to be asked. `key`: its text, for caching."""

    name: str
    operator: str
    value: str
    key: str
    holds: Callable[[str | None], bool]


def parse_filter(kind: ObjectType, item: dict[str, Any]) -> Filter:
    """Read `{propertyName, operator, value | values | highValue}`; 400 for what it cannot be."""
    name, operator = str(item.get("propertyName", "")), str(item.get("operator", "")).upper()
    prop = kind.properties.get(name)
    if prop is None:
        raise error(400, f"There was a problem with the request: property {name} does not exist")
    if operator not in OPERATORS:
        raise error(400, f"Invalid input JSON: operator {operator} is not one of {', '.join(OPERATORS)}")
    value = "" if item.get("value") is None else str(item["value"])
    if operator in ("IN", "NOT_IN"):
        if not texts_in(item.get("values"), "values"):
            raise error(400, f"operator {operator} requires values")
    elif operator not in ("HAS_PROPERTY", "NOT_HAS_PROPERTY") and item.get("value") is None:
        raise error(400, f"operator {operator} requires a value")
    key = json.dumps([name, operator, value, item.get("values"), item.get("highValue")])
    return Filter(name, operator, value, key, _test(prop, operator, value, item))


def _test(prop: Property, operator: str, value: str, item: dict[str, Any]) -> Callable[[str | None], bool]:
    convert = converter(prop)
    if operator == "HAS_PROPERTY":
        return lambda have: have is not None
    if operator == "NOT_HAS_PROPERTY":
        return lambda have: have is None
    if operator in ("IN", "NOT_IN"):
        wanted = {convert(str(one)) for one in item["values"]}
        if operator == "IN":
            return lambda have: have is not None and convert(have) in wanted
        return lambda have: have is not None and convert(have) not in wanted
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        pattern = _token_pattern(value)
        if operator == "CONTAINS_TOKEN":
            return lambda have: have is not None and pattern.search(have) is not None
        return lambda have: have is None or pattern.search(have) is None
    bound = convert(value)
    if operator == "BETWEEN":
        if item.get("highValue") is None:
            raise error(400, "operator BETWEEN requires a highValue")
        high = convert(str(item["highValue"]))
        return lambda have: (
            have is not None and _less(bound, convert(have), True) and _less(convert(have), high, True)
        )
    return _comparison(operator, bound, convert)


def _comparison(
    operator: str, bound: Comparable, convert: Callable[[str], Comparable]
) -> Callable[[str | None], bool]:
    tests: dict[str, Callable[[str | None], bool]] = {
        "EQ": lambda have: have is not None and convert(have) == bound,
        "NEQ": lambda have: have is not None and convert(have) != bound,
        "LT": lambda have: have is not None and _less(convert(have), bound, False),
        "LTE": lambda have: have is not None and _less(convert(have), bound, True),
        "GT": lambda have: have is not None and _less(bound, convert(have), False),
        "GTE": lambda have: have is not None and _less(bound, convert(have), True),
    }
    return tests[operator]


def _less(left: Comparable, right: Comparable, or_equal: bool) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        left, right = str(left), str(right)
        return left <= right if or_equal else left < right
    return left <= right if or_equal else left < right


def converter(prop: Property) -> Callable[[str], Comparable]:
    """How values of a property are compared: as numbers, moments (ms) or text without case."""
    if prop.type == "number":
        return _as_number
    if prop.type in ("date", "datetime"):
        return _as_moment
    return str.lower


def sort_key(prop: Property | None) -> Callable[[str | None], tuple[bool, float, str]]:
    """A key for sorting values of a property; unset ones come last."""
    convert = converter(prop) if prop is not None else str.lower

    def key(value: str | None) -> tuple[bool, float, str]:
        if value is None:
            return (True, 0.0, "")
        converted = convert(value)
        return (False, 0.0, converted) if isinstance(converted, str) else (False, converted, "")

    return key


def _as_number(text: str) -> Comparable:
    try:
        return float(text)
    except ValueError:
        return text.lower()


def _as_moment(text: str) -> Comparable:
    moment = parse_moment(text)
    return text if moment is None else round(moment * 1000)


def _token_pattern(value: str) -> re.Pattern[str]:
    """`*` at an end of a token stands for anything."""
    body = re.escape(value.strip("*"))
    start = "" if value.startswith("*") else r"(?<![\w])"
    end = "" if value.endswith("*") else r"(?![\w])"
    return re.compile(f"{start}{body}{end}", re.IGNORECASE)
