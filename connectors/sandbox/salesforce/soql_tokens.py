"""SOQL text → tokens."""

from __future__ import annotations

import re
from typing import NamedTuple

from connectors.sandbox.core import Answer
from connectors.sandbox.salesforce.errors import fail

_PATTERN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>'(?:\\.|[^'\\])*')
  | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
  | (?P<date>\d{4}-\d\d-\d\d)
  | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*(?::\d+)?)
  | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class Token(NamedTuple):
    kind: str
    """string, datetime, date, number, name, sign or end."""
    text: str
    """A string without quotes and escapes; otherwise as written."""
    at: int


def malformed(message: str) -> Answer:
    return fail(400, "MALFORMED_QUERY", message)


def tokens(soql: str) -> list[Token]:
    """All tokens and an `end`; raises the MALFORMED_QUERY answer at a character that starts none."""
    found: list[Token] = []
    place = 0
    while place < len(soql):
        match = _PATTERN.match(soql, place)
        if match is None:
            raise malformed(f"unexpected token: {soql[place : place + 20]!r}")
        name = match.lastgroup or ""
        if name != "space":
            text = match.group()
            found.append(Token(name, _unquote(text) if name == "string" else text, place))
        place = match.end()
    found.append(Token("end", "<EOF>", place))
    return found


def _unquote(text: str) -> str:
    """The value of a quoted string. `\\%` and `\\_` stay escaped, for LIKE."""

    def one(match: re.Match[str]) -> str:
        letter = match.group(1)
        return f"\\{letter}" if letter in "%_" else _ESCAPES.get(letter.lower(), letter)

    return re.sub(r"\\(.)", one, text[1:-1], flags=re.DOTALL)
