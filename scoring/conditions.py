"""Conditions in a model file → `scoring.model.Condition`.

when = { job_title = { seniority_at_least = "director" }, country = { in = ["DE", "AT"] } }   all of these
when = { any = [{ … }, { … }], not = { stage = "customer" } }                     `= "…"` means equals
when = { fields.segment = { equals = "smb" } }                                    a mapped custom fact
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from config.errors import nearest
from scoring.fields import CUSTOM, DOMAIN_LISTS, FIELDS, NUMBER, OPTIONAL_LISTS, describe
from scoring.model import STAGES, AllOf, AnyOf, Comparison, Condition, ConditionValue, Not
from scoring.operators import OPERATORS, Operator
from scoring.reading import Table, is_integer, one_of
from scoring.titles import LEVELS

_COMBINERS: Final = ("any", "all", "not")
_OR_UNKNOWN: Final = "or_unknown"


class ConditionReader:
    """Reads conditions and remembers which named lists they use. `lists`: names that have a file."""

    def __init__(self, lists: Collection[str]) -> None:
        self.known_lists = sorted({*DOMAIN_LISTS, *OPTIONAL_LISTS, *lists})
        self.used_lists: set[str] = set()

    def read(self, table: Table, *, or_unknown: bool = False) -> Condition:
        """One table of a condition: every key in it must hold."""
        parts: list[Condition] = []
        for key in table.values:
            if key in _COMBINERS:
                parts.append(self._combined(table, key, or_unknown))
            elif key == CUSTOM:
                parts += self._custom(table, or_unknown)
            elif key in FIELDS:
                parts += self._comparisons(table, key, key, or_unknown)
            else:
                choices = [*FIELDS, *_COMBINERS, CUSTOM]
                near = nearest(key, choices)
                table.wrong(key, "is not a field", "" if near else one_of(choices), near)
        if not table.values:
            table.wrong(None, "is empty", "at least one field")
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _combined(self, table: Table, key: str, or_unknown: bool) -> Condition:
        if key == "not":
            inner = table.table(key)
            return Not(self.read(inner, or_unknown=or_unknown) if inner else AllOf(()))
        parts = tuple(self.read(part, or_unknown=or_unknown) for part in table.tables(key))
        if not parts and isinstance(table.values[key], list):
            table.wrong(key, "is empty", "at least one condition")
        return AnyOf(parts) if key == "any" else AllOf(parts)

    def _custom(self, table: Table, or_unknown: bool) -> list[Condition]:
        inner = table.table(CUSTOM)
        if inner is None:
            return []
        return [
            part
            for key in inner.values
            for part in self._comparisons(inner, key, f"{CUSTOM}.{key}", or_unknown)
        ]

    def _comparisons(self, table: Table, key: str, name: str, or_unknown: bool) -> list[Condition]:
        """`field = "value"` or `field = { operator = value, … }`."""
        value = table.raw(key)
        if not isinstance(value, dict):
            checked = self._value(table, key, name, OPERATORS["equals"], value)
            return [] if checked is None else [Comparison(name, "equals", checked, or_unknown)]
        inner = Table(value, (*table.path, key), table.problems)
        own = inner.raw(_OR_UNKNOWN)
        if own is not None and not isinstance(own, bool):
            inner.wrong(_OR_UNKNOWN, "is neither true nor false", "true or false")
        names = [operator for operator in value if operator != _OR_UNKNOWN]
        if not names:
            inner.wrong(None, "compares with nothing", one_of(OPERATORS))
        found: list[Condition] = []
        for operator in names:
            checked = self._operator(inner, name, operator)
            if checked is not None:
                found.append(Comparison(name, operator, checked, or_unknown if own is None else bool(own)))
        return found

    def _operator(self, table: Table, name: str, key: str) -> ConditionValue | None:
        operator = OPERATORS.get(key)
        if operator is None:
            near = nearest(key, [*OPERATORS, _OR_UNKNOWN])
            table.wrong(key, "is not an operator", "" if near else one_of(OPERATORS), near)
            return None
        kind = describe(name).kind
        if kind not in operator.kinds:
            fitting = [other.name for other in OPERATORS.values() if kind in other.kinds]
            table.wrong(key, f"does not work on {name}, which is {_article(kind)}", one_of(fitting))
            return None
        if operator.takes == "level" and name != "job_title":
            table.wrong(key, "works on job_title only")
            return None
        return self._value(table, key, name, operator, table.raw(key))

    def _value(
        self, table: Table, key: str, name: str, operator: Operator, value: Any
    ) -> ConditionValue | None:
        number = describe(name).kind == NUMBER
        readers: dict[str, Callable[[], ConditionValue | None]] = {
            "one": lambda: _number(table, key, value) if number else _text(table, key, name, value),
            "text": lambda: _text(table, key, name, value),
            "number": lambda: _number(table, key, value),
            "several": lambda: _several(table, key, name, value, number),
            "range": lambda: _range(table, key, value),
            "yes": lambda: _yes(table, key, value),
            "level": lambda: table.choice(key, LEVELS),
            "list": lambda: self._list(table, key),
        }
        return readers[operator.takes]()

    def _list(self, table: Table, key: str) -> str | None:
        name = table.choice(key, self.known_lists)
        if name in DOMAIN_LISTS and table.path[-1] != "email_domain":
            table.wrong(key, f"{name} works on email_domain only")
            return None
        if name is not None:
            self.used_lists.add(name)
        return name


def _article(kind: str) -> str:
    return "a number" if kind == NUMBER else kind


def _text(table: Table, key: str, name: str, value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        table.wrong(key, f"{value!r} is not text", "text")
        return None
    if name == "stage" and value not in STAGES:
        table.wrong(key, f"{value!r} is not a stage", one_of(STAGES), nearest(value, STAGES))
        return None
    return value


def _number(table: Table, key: str, value: Any) -> int | None:
    if not is_integer(value):
        table.wrong(key, f"{value!r} is not a whole number", "a whole number")
        return None
    return table.integer(key)


def _several(table: Table, key: str, name: str, value: Any, number: bool) -> ConditionValue | None:
    if not isinstance(value, list) or not value:
        table.wrong(key, f"{value!r} is not a list of values", "a non-empty array")
        return None
    if number:
        if not all(is_integer(item) for item in value):
            table.wrong(key, "holds something that is not a whole number", "whole numbers")
            return None
        return tuple(int(item) for item in value)
    checked = [_text(table, key, name, item) for item in value]
    return None if None in checked else tuple(item for item in checked if item is not None)


def _range(table: Table, key: str, value: Any) -> ConditionValue | None:
    if not isinstance(value, list) or len(value) != 2 or not all(is_integer(item) for item in value):
        table.wrong(key, f"{value!r} is not a range", "[lowest, highest], both whole numbers")
        return None
    if value[0] > value[1]:
        table.wrong(key, f"{value!r} is upside down", "[lowest, highest]")
        return None
    return (int(value[0]), int(value[1]))


def _yes(table: Table, key: str, value: Any) -> bool | None:
    if value is not True:
        table.wrong(key, f"{value!r} means nothing here", "true; use the opposite operator or `not`")
        return None
    return True
