"""One row an operator: which values it takes, its SQL, its Python, its sentence.

Query and explanation are the same row and cannot drift apart. A fact that is missing (NULL or empty
text) never reaches an operator's SQL or Python: the comparison then answers `or_unknown`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, and_, false, literal, not_, or_, true

from scoring.dialect import (
    containing,
    fold_text,
    folded,
    json_text,
    matches_like,
)
from scoring.fields import CUSTOM, DOMAIN_LISTS, NUMBER, TEXT, describe
from scoring.model import AllOf, AnyOf, Comparison, Condition, Not
from scoring.titles import LEVELS

Lists = Mapping[str, frozenset[str]]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operator:
    """`takes`: "text", "number", "texts", "numbers", "range", "list", "level" or "yes".

    `sql` and `python` are given the fact (a column, a value) and the model's value; `words` makes the
    sentence from the value.
    """

    name: str
    kinds: tuple[str, ...]
    takes: str
    sql: Callable[[ColumnElement[Any], Any], ColumnElement[bool]]
    python: Callable[[Any, Any], bool]
    words: str


def _equals_sql(fact: ColumnElement[Any], value: Any) -> ColumnElement[bool]:
    return folded(fact) == fold_text(value) if isinstance(value, str) else fact == value


def _equals(fact: Any, value: Any) -> bool:
    return bool(fold_text(fact) == fold_text(value) if isinstance(value, str) else fact == value)


def _in_sql(fact: ColumnElement[Any], value: Any) -> ColumnElement[bool]:
    if not value:
        return false()
    if isinstance(next(iter(value)), str):
        return folded(fact).in_(sorted(fold_text(item) for item in value))
    return fact.in_(sorted(value))


def _in(fact: Any, value: Any) -> bool:
    return any(_equals(fact, item) for item in value)


OPERATORS: Final = {
    operator.name: operator
    for operator in (
        Operator("equals", (TEXT, NUMBER), "one", _equals_sql, _equals, "is {}"),
        Operator("in", (TEXT, NUMBER), "several", _in_sql, _in, "is one of {}"),
        Operator("in_list", (TEXT,), "list", _in_sql, _in, "is on the list {}"),
        Operator(
            "between",
            (NUMBER,),
            "range",
            lambda fact, value: and_(fact >= value[0], fact <= value[1]),
            lambda fact, value: bool(value[0] <= fact <= value[1]),
            "is between {}",
        ),
        Operator(
            "at_least",
            (NUMBER,),
            "number",
            lambda fact, value: fact >= value,
            lambda fact, value: bool(fact >= value),
            "is at least {}",
        ),
        Operator(
            "at_most",
            (NUMBER,),
            "number",
            lambda fact, value: fact <= value,
            lambda fact, value: bool(fact <= value),
            "is at most {}",
        ),
        Operator(
            "contains",
            (TEXT,),
            "text",
            lambda fact, value: matches_like(fact, containing(value, before="%", after="%")),
            lambda fact, value: fold_text(value) in fold_text(fact),
            "contains {}",
        ),
        Operator(
            "starts_with",
            (TEXT,),
            "text",
            lambda fact, value: matches_like(fact, containing(value, after="%")),
            lambda fact, value: fold_text(fact).startswith(fold_text(value)),
            "starts with {}",
        ),
        Operator(
            "ends_with",
            (TEXT,),
            "text",
            lambda fact, value: matches_like(fact, containing(value, before="%")),
            lambda fact, value: fold_text(fact).endswith(fold_text(value)),
            "ends with {}",
        ),
        Operator("is_set", (TEXT, NUMBER), "yes", lambda *_: true(), lambda *_: True, "is known"),
        Operator("is_empty", (TEXT, NUMBER), "yes", lambda *_: false(), lambda *_: False, "is not known"),
        Operator(
            "seniority_at_least",
            (TEXT,),
            "level",
            lambda fact, value: fact >= LEVELS[value],
            lambda fact, value: bool(fact >= LEVELS[value]),
            "is {} or higher",
        ),
    )
}
"""Name in a model → operator. `is_empty` is true exactly when the fact is missing."""


def condition_sql(condition: Condition, people: FromClause, lists: Lists) -> ColumnElement[bool]:
    """The condition over the columns of the person selectable; never NULL."""
    match condition:
        case AllOf(parts):
            return and_(true(), *(condition_sql(part, people, lists) for part in parts))
        case AnyOf(parts):
            return or_(false(), *(condition_sql(part, people, lists) for part in parts))
        case Not(part):
            return not_(condition_sql(part, people, lists))
        case Comparison():
            return _comparison_sql(condition, people, lists)


def _comparison_sql(test: Comparison, people: FromClause, lists: Lists) -> ColumnElement[bool]:
    if test.operator == "in_list" and test.value in DOMAIN_LISTS:
        known = is_known_sql("email_domain", people)
        listed: ColumnElement[bool] = people.c[DOMAIN_LISTS[str(test.value)]].is_(True)
        return or_(not_(known), listed) if test.or_unknown else and_(known, listed)
    name = _fact_name(test)
    known = is_known_sql(name, people)
    if _answers_unknown(test):
        return not_(known) if test.operator == "is_empty" else true()
    holds = OPERATORS[test.operator].sql(_column(name, people), _value(test, lists))
    return or_(not_(known), holds) if test.or_unknown else and_(known, holds)


def _answers_unknown(test: Comparison) -> bool:
    """Whether only the fact's absence matters."""
    return test.operator == "is_empty" or (test.operator == "is_set" and test.or_unknown)


def is_known_sql(name: str, people: FromClause) -> ColumnElement[bool]:
    """Whether a fact is there: not NULL, and not empty text."""
    column = _column(name, people)
    if name == "seniority" or describe(name).kind == NUMBER:
        return column.is_not(None)
    return and_(column.is_not(None), column != "")


def _column(name: str, people: FromClause) -> ColumnElement[Any]:
    if name.startswith(f"{CUSTOM}."):
        return json_text(people.c[CUSTOM], literal(name.removeprefix(f"{CUSTOM}.")))
    return people.c["seniority" if name == "seniority" else describe(name).column]


def _fact_name(test: Comparison) -> str:
    return "seniority" if test.operator == "seniority_at_least" else test.field


def _value(test: Comparison, lists: Lists) -> Any:
    return lists.get(str(test.value), frozenset()) if test.operator == "in_list" else test.value


def holds(condition: Condition, person: Row, lists: Lists) -> bool:
    """The same condition in Python over a row of the person selectable."""
    match condition:
        case AllOf(parts):
            return all(holds(part, person, lists) for part in parts)
        case AnyOf(parts):
            return any(holds(part, person, lists) for part in parts)
        case Not(part):
            return not holds(part, person, lists)
        case Comparison():
            return _comparison_holds(condition, person, lists)


def _comparison_holds(test: Comparison, person: Row, lists: Lists) -> bool:
    if test.operator == "in_list" and test.value in DOMAIN_LISTS:
        if fact(person, "email_domain") is None:
            return test.or_unknown
        return bool(person.get(DOMAIN_LISTS[str(test.value)]))
    value = fact(person, _fact_name(test))
    if test.operator == "is_empty":
        return value is None
    if value is None:
        return test.or_unknown
    return OPERATORS[test.operator].python(value, _value(test, lists))


def fact(person: Row, name: str) -> Any:
    """A fact of a person row; None when it is missing or empty text."""
    if name.startswith(f"{CUSTOM}."):
        value = json.loads(person.get(CUSTOM) or "{}").get(name.removeprefix(f"{CUSTOM}."))
        return str(value) if value not in (None, "") else None
    value = person.get("seniority" if name == "seniority" else describe(name).column)
    return None if value == "" else value


def sentence(condition: Condition) -> str:
    """The condition in words: "job title is director or higher"."""
    match condition:
        case AllOf(parts):
            return " and ".join(_inner(part) for part in parts) or "always"
        case AnyOf(parts):
            return " or ".join(_inner(part) for part in parts) or "never"
        case Not(part):
            return f"not {_inner(part)}"
        case Comparison():
            words = f"{describe(condition.field).words} {OPERATORS[condition.operator].words}"
            known = " (or not known)" if condition.or_unknown else ""
            return words.format(_value_words(condition.value)) + known


def _inner(condition: Condition) -> str:
    text = sentence(condition)
    return f"({text})" if isinstance(condition, AllOf | AnyOf) and len(condition.parts) > 1 else text


def _value_words(value: Any) -> str:
    if isinstance(value, tuple):
        joiner = " and " if value and isinstance(value[0], int) and len(value) == 2 else ", "
        return joiner.join(str(item) for item in value)
    return str(value).replace("_", " ")
