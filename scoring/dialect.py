"""Every difference between SQLite and PostgreSQL that scoring meets, one named element each.

Text is compared ignoring the case of ASCII letters only, because that is what both databases and Python
can be held to alike, whatever the locale. SQLite's LIKE does so by itself.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Text, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

_ESCAPE: Final = "!"
_FOLD: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def fold_text(text: str) -> str:
    """Python's side of `folded`: ASCII letters in lower case, everything else as it is."""
    return text.translate(_FOLD)


class folded(FunctionElement[str]):  # noqa: N801 (reads like a function of SQL)
    """Text with its ASCII letters in lower case."""

    type = Text()
    inherit_cache = True


class like_folded(FunctionElement[bool]):  # noqa: N801
    """`text LIKE pattern` (already folded, escaped with "!"), ignoring ASCII case."""

    type = Boolean()
    inherit_cache = True


class smaller(FunctionElement[int]):  # noqa: N801
    """The smallest of several values that are not NULL."""

    type = BigInteger()
    inherit_cache = True


class json_text(FunctionElement[str]):  # noqa: N801
    """The text at one key of a JSON object in a text column; NULL when it is missing or null."""

    type = Text()
    inherit_cache = True


@compiles(folded, "sqlite")
def _folded_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(folded, "postgresql")
def _folded_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f'lower({compiler.process(element.clauses, **options)} COLLATE "C")'


@compiles(like_folded, "sqlite")
def _like_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    text, pattern = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({text} LIKE {pattern} ESCAPE '{_ESCAPE}')"


@compiles(like_folded, "postgresql")
def _like_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    text, pattern = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(lower({text} COLLATE \"C\") LIKE {pattern} ESCAPE '{_ESCAPE}')"


@compiles(smaller, "sqlite")
def _smaller_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"min({compiler.process(element.clauses, **options)})"


@compiles(smaller, "postgresql")
def _smaller_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"least({compiler.process(element.clauses, **options)})"


@compiles(json_text, "sqlite")
def _json_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    text, key = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(SELECT CAST(value AS TEXT) FROM json_each({text}) WHERE key = {key})"  # noqa: S608 (parts are compiled expressions)


@compiles(json_text, "postgresql")
def _json_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    text, key = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(CAST({text} AS JSON) ->> CAST({key} AS TEXT))"


def like_pattern(glob: str) -> str:
    """A glob (`*` any text, `?` one character) as a folded LIKE pattern."""
    return "".join({"*": "%", "?": "_"}.get(letter, _literal(letter)) for letter in fold_text(glob))


def containing(text: str, *, before: str = "", after: str = "") -> str:
    """A folded LIKE pattern for exactly this text, with `%` put before or after."""
    return before + "".join(_literal(letter) for letter in fold_text(text)) + after


def _literal(letter: str) -> str:
    return f"{_ESCAPE}{letter}" if letter in ("%", "_", _ESCAPE) else letter


def matches_like(text: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Whether a column matches a pattern of `like_pattern` or `containing`."""
    return like_folded(text, literal(pattern))


@functools.lru_cache(maxsize=4096)
def glob_matches(text: str, glob: str) -> bool:
    """Python's side of the glob: greedy with one step back, so no text can make it slow."""
    text, glob = fold_text(text), fold_text(glob)
    at = position = 0
    star, resume = -1, 0
    while at < len(text):
        if position < len(glob) and glob[position] == "*":
            star, resume = position, at
            position += 1
        elif position < len(glob) and glob[position] in ("?", text[at]):
            at += 1
            position += 1
        elif star >= 0:
            resume += 1
            at, position = resume, star + 1
        else:
            return False
    return all(letter == "*" for letter in glob[position:])
