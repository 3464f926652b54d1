"""SOQL tokens → a query tree (SOQL and SOSL Reference, "SOQL SELECT Syntax").

Understood: field paths, COUNT(), aggregates with GROUP BY, FIELDS(ALL|STANDARD|CUSTOM), child subqueries in
SELECT, semi- and anti-joins, WHERE with AND/OR/NOT and parentheses, comparison, LIKE, IN, NOT IN, null,
dates, date-times, date literals, ORDER BY with NULLS FIRST/LAST, LIMIT, OFFSET, ALL ROWS, FOR VIEW.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from connectors.sandbox.salesforce.soql_tokens import Token, malformed, tokens

AGGREGATES = ("COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM", "AVG")
COMPARISONS = ("=", "!=", "<>", "<", "<=", ">", ">=")


@dataclass(frozen=True)
class Literal:
    kind: str
    """string, number, date, datetime, boolean, null or relative (a date literal such as LAST_N_DAYS:30)."""
    value: Any


@dataclass(frozen=True)
class Compare:
    path: str
    operator: str
    """=, !=, <, <=, >, >=, LIKE, IN or NOT IN."""
    values: tuple[Literal, ...] = ()
    subquery: Query | None = None


@dataclass(frozen=True)
class Combine:
    how: str
    """AND, OR or NOT."""
    parts: tuple[Condition, ...]


Condition = Compare | Combine


@dataclass(frozen=True)
class Order:
    path: str
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True)
class Aggregate:
    function: str
    path: str
    alias: str


@dataclass
class Query:
    object_name: str = ""
    paths: list[str] = field(default_factory=list)
    aggregates: list[Aggregate] = field(default_factory=list)
    children: list[Query] = field(default_factory=list)
    field_sets: list[str] = field(default_factory=list)
    count_only: bool = False
    where: Condition | None = None
    group_by: list[str] = field(default_factory=list)
    order: list[Order] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0
    all_rows: bool = False


def parse(soql: str) -> Query:
    """The tree of one statement; raises the MALFORMED_QUERY answer."""
    reader = _Reader(soql)
    query = reader.query()
    reader.expect_end()
    return query


class _Reader:
    def __init__(self, soql: str) -> None:
        self._tokens = tokens(soql)
        self._place = 0
        self._aliases = 0

    # -- moving --------------------------------------------------------------------------------------------

    @property
    def _now(self) -> Token:
        return self._tokens[self._place]

    def _next(self) -> Token:
        token = self._tokens[self._place]
        self._place += 1
        return token

    def _is(self, *words: str) -> bool:
        """Whether the coming tokens are these keywords or signs."""
        coming = self._tokens[self._place : self._place + len(words)]
        return len(coming) == len(words) and all(
            token.kind in ("name", "sign") and token.text.upper() == word
            for token, word in zip(coming, words, strict=True)
        )

    def _take(self, *words: str) -> bool:
        if self._is(*words):
            self._place += len(words)
            return True
        return False

    def _need(self, *words: str) -> None:
        if not self._take(*words):
            raise self._unexpected(" ".join(words))

    def _name(self) -> str:
        if self._now.kind != "name":
            raise self._unexpected("a name")
        return self._next().text

    def _number(self) -> int:
        token = self._next()
        if token.kind != "number" or not token.text.isdigit():
            raise malformed(f"unexpected token: '{token.text}', expecting a number")
        return int(token.text)

    def _unexpected(self, expected: str) -> Exception:
        return malformed(f"unexpected token: '{self._now.text}', expecting {expected}")

    def expect_end(self) -> None:
        if self._now.kind != "end":
            raise malformed(f"unexpected token: '{self._now.text}'")

    # -- statement -----------------------------------------------------------------------------------------

    def query(self) -> Query:
        query = Query()
        self._need("SELECT")
        self._select(query)
        self._need("FROM")
        query.object_name = self._name()
        if self._now.kind == "name" and not self._is_clause():
            self._name()  # an alias of the object; paths that use it are rare and refused as unknown fields
        if self._take("USING", "SCOPE"):
            self._name()
        if self._take("WHERE"):
            query.where = self._condition()
        if self._take("WITH"):
            self._name()  # SECURITY_ENFORCED, USER_MODE: the sandbox's user sees everything
        if self._take("GROUP", "BY"):
            query.group_by = self._names()
        if self._take("ORDER", "BY"):
            query.order = self._orders()
        if self._take("LIMIT"):
            query.limit = self._number()
        if self._take("OFFSET"):
            query.offset = self._number()
        query.all_rows = self._take("ALL", "ROWS")
        while self._take("FOR"):
            self._name()
        return query

    def _is_clause(self) -> bool:
        words = ("WHERE", "USING", "WITH", "GROUP", "ORDER", "LIMIT", "OFFSET", "ALL", "FOR")
        return self._now.text.upper() in words

    def _names(self) -> list[str]:
        names = [self._name()]
        while self._take(","):
            names.append(self._name())
        return names

    def _select(self, query: Query) -> None:
        while True:
            self._select_one(query)
            if not self._take(","):
                return

    def _select_one(self, query: Query) -> None:
        if self._take("("):
            query.children.append(self.query())
            self._need(")")
            return
        name = self._name()
        if not self._take("("):
            query.paths.append(name)
            return
        function = name.upper()
        if function == "COUNT" and self._take(")"):
            query.count_only = True
        elif function == "FIELDS":
            query.field_sets.append(self._name().upper())
            self._need(")")
        elif function in AGGREGATES:
            path = self._name()
            self._need(")")
            query.aggregates.append(Aggregate(function, path, self._alias()))
        elif function in ("TOLABEL", "FORMAT"):
            query.paths.append(self._name())
            self._need(")")
        else:
            raise malformed(f"unexpected function: {name}")

    def _alias(self) -> str:
        if self._now.kind == "name" and not self._is("FROM"):
            return self._name()
        self._aliases += 1
        return f"expr{self._aliases - 1}"

    def _orders(self) -> list[Order]:
        orders = [self._order()]
        while self._take(","):
            orders.append(self._order())
        return orders

    def _order(self) -> Order:
        path = self._name()
        if path.upper() in AGGREGATES and self._take("("):
            path = f"{path.upper()}({'' if self._is(')') else self._name()})"
            self._need(")")
        descending = self._take("DESC")
        if not descending:
            self._take("ASC")
        nulls_last = False
        if self._take("NULLS"):
            nulls_last = self._take("LAST")
            if not nulls_last:
                self._need("FIRST")
        return Order(path, descending, nulls_last)

    # -- conditions ----------------------------------------------------------------------------------------

    def _condition(self) -> Condition:
        """AND and OR must not be mixed without parentheses, as Salesforce demands."""
        first = self._term()
        if not (self._is("AND") or self._is("OR")):
            return first
        how = self._now.text.upper()
        parts = [first]
        while self._take(how):
            parts.append(self._term())
        if self._is("AND") or self._is("OR"):
            raise malformed(f"unexpected token: '{self._now.text}'")
        return Combine(how, tuple(parts))

    def _term(self) -> Condition:
        if self._take("NOT"):
            return Combine("NOT", (self._term(),))
        if self._take("("):
            inside = self._condition()
            self._need(")")
            return inside
        return self._compare()

    def _compare(self) -> Compare:
        path = self._name()
        if self._take("NOT", "IN"):
            return self._membership(path, "NOT IN")
        if self._take("IN"):
            return self._membership(path, "IN")
        if self._take("LIKE"):
            return Compare(path, "LIKE", (self._literal(),))
        token = self._next()
        if token.kind != "sign" or token.text not in COMPARISONS:
            raise malformed(f"unexpected token: '{token.text}'")
        operator = "!=" if token.text == "<>" else token.text
        return Compare(path, operator, (self._literal(),))

    def _membership(self, path: str, operator: str) -> Compare:
        self._need("(")
        if self._is("SELECT"):
            subquery = self.query()
            self._need(")")
            return Compare(path, operator, subquery=subquery)
        values = [self._literal()]
        while self._take(","):
            values.append(self._literal())
        self._need(")")
        return Compare(path, operator, tuple(values))

    def _literal(self) -> Literal:
        token = self._next()
        if token.kind == "date":
            _check_date(token.text)
        if token.kind in ("string", "date", "datetime"):
            return Literal(token.kind, token.text)
        if token.kind == "number":
            number = float(token.text)
            return Literal("number", int(number) if number.is_integer() else number)
        word = token.text.upper()
        if token.kind == "name" and word in ("TRUE", "FALSE"):
            return Literal("boolean", word == "TRUE")
        if token.kind == "name" and word == "NULL":
            return Literal("null", None)
        if token.kind == "name":
            return Literal("relative", word)
        raise malformed(f"unexpected token: '{token.text}'")


def _check_date(text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise malformed(f"invalid date: {text}") from None
