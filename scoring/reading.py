"""Strict reading of TOML tables: every problem is noted with its line, and reading goes on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from config.errors import Problem, nearest
from config.toml import Document, KeyPath

_DURATION: Final = re.compile(r"\s*(\d{1,9})\s*([smhdw])\s*")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PERCENT: Final = re.compile(r"\s*(\d{1,3}(?:\.\d{1,3})?)\s*%\s*")
_DURATION_WORDS: Final = 'a duration such as "90s", "30m", "24h", "30d" or "8w"'
MAX_NUMBER: Final = 10**12


class Problems:
    """The problems of one file, in the order of their lines."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._found: list[Problem] = []

    def add(self, path: KeyPath, message: str, expected: str = "", near: str = "") -> None:
        """Note what is wrong at a key."""
        line = self._document.line(path)
        key = _dotted(path)
        self._found.append(Problem(message, self._document.where, line, key, expected, near))

    def line(self, path: KeyPath) -> int | None:
        """The line of a key."""
        return self._document.line(path)

    @property
    def found(self) -> list[Problem]:
        """What was noted, by line."""
        return sorted(self._found, key=lambda problem: problem.line or 0)


def _dotted(path: KeyPath) -> str:
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


class Table:
    """One table. Each getter reads one key; `done` complains about the keys that nobody asked for."""

    def __init__(self, values: Any, path: KeyPath, problems: Problems) -> None:
        self.path = path
        self.problems = problems
        self._asked: dict[str, None] = {}  # in order, each once
        self.values: Mapping[str, Any] = {}
        if isinstance(values, dict):
            self.values = values
        else:
            self.wrong(None, f"is {_kind(values)}", "a table")

    def wrong(self, key: str | None, message: str, expected: str = "", near: str = "") -> None:
        """Note a problem of one key, or of the table itself."""
        self.problems.add(self.path if key is None else (*self.path, key), message, expected, near)

    def raw(self, key: str, *, required: bool = False) -> Any:
        """The value as it stands; None when it is missing."""
        self._asked[key] = None
        if required and key not in self.values:
            self.problems.add(self.path, f"`{key}` is missing")
        return self.values.get(key)

    def has(self, key: str) -> bool:
        """Whether the key stands in the file."""
        self._asked[key] = None
        return key in self.values

    def text(self, key: str, *, required: bool = False) -> str | None:
        """Text that is not empty."""
        value = self.raw(key, required=required)
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        self.wrong(key, "is empty" if value == "" else f"is {_kind(value)}", "text")
        return None

    def name(self, key: str, *, required: bool = False) -> str | None:
        """A word of letters, digits, "-", "_" and "."."""
        value = self.text(key, required=required)
        if value is not None and not re.fullmatch(r"[\w.-]{1,64}", value, re.ASCII):
            self.wrong(key, f"{value!r} is not a name", 'letters, digits, "-", "_" or "."')
            return None
        return value

    def choice(self, key: str, choices: Collection[str], *, required: bool = False) -> str | None:
        """One of these words."""
        value = self.text(key, required=required)
        if value is not None and value not in choices:
            self.wrong(key, f"{value!r} is not known", one_of(choices), nearest(value, choices))
            return None
        return value

    def integer(
        self, key: str, *, low: int = -MAX_NUMBER, high: int = MAX_NUMBER, required: bool = False
    ) -> int | None:
        """A whole number in a range."""
        value = self.raw(key, required=required)
        if value is None:
            return None
        if not is_integer(value):
            self.wrong(key, f"is {_kind(value)}", "a whole number")
            return None
        if not low <= value <= high:
            self.wrong(key, f"{value} is out of range", f"{low} to {high}")
            return None
        return int(value)

    def duration(self, key: str, *, required: bool = False) -> int | None:
        """Whole seconds, written like "30d"."""
        value = self.raw(key, required=required)
        if value is None:
            return None
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            self.wrong(key, f"{value!r} is not a duration", _DURATION_WORDS)
            return None
        seconds = int(found[1]) * _UNITS[found[2]]
        if seconds == 0:
            self.wrong(key, f"{value!r} is too short", "longer than 0")
            return None
        return seconds

    def percent(self, key: str, *, required: bool = False) -> int | None:
        """A share such as "25%", in thousandths of a percent."""
        value = self.raw(key, required=required)
        if value is None:
            return None
        share = percent(value)
        if share is None or share == 0:
            self.wrong(key, f"{value!r} is not a share", 'a percentage above 0 such as "25%"')
            return None
        return share

    def items(self, key: str, *, required: bool = False) -> list[tuple[KeyPath, Any]]:
        """The items of an array, each with its path."""
        value = self.raw(key, required=required)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(key, f"is {_kind(value)}", "an array")
            return []
        return [((*self.path, key, index), item) for index, item in enumerate(value)]

    def tables(self, key: str, *, required: bool = False) -> list[Table]:
        """The items of an array of tables."""
        return [Table(item, path, self.problems) for path, item in self.items(key, required=required)]

    def texts(
        self, key: str, choices: Collection[str] | None = None, *, required: bool = False
    ) -> tuple[str, ...]:
        """The items of an array of text, each from `choices` when there are any."""
        found = []
        for path, item in self.items(key, required=required):
            if not isinstance(item, str) or not item:
                self.problems.add(path, f"is {_kind(item)}", "text")
            elif choices is not None and item not in choices:
                self.problems.add(path, f"{item!r} is not known", one_of(choices), nearest(item, choices))
            else:
                found.append(item)
        return tuple(found)

    def table(self, key: str, *, required: bool = False) -> Table | None:
        """A table below this one."""
        value = self.raw(key, required=required)
        return None if value is None else Table(value, (*self.path, key), self.problems)

    def done(self) -> None:
        """Every other key is an error, with the nearest that would have been right."""
        for key in self.values:
            if key not in self._asked:
                near = nearest(key, self._asked)
                self.wrong(key, "is not a known key", "" if near else one_of(self._asked), near)


def one_of(words: Iterable[str]) -> str:
    """ "one of a, b, c" for a message."""
    return "one of " + ", ".join(words)


def percent(value: object) -> int | None:
    """ "25%" → 25000 thousandths of a percent; None when it is no percentage up to 100."""
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    whole, _, part = found[1].partition(".")
    share = int(whole) * 1000 + int((part + "000")[:3])
    return share if share <= 100_000 else None


def is_integer(value: object) -> bool:
    """A whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: object) -> str:
    """What a TOML value is, for a message."""
    names = ((bool, "true or false"), (str, "text"), (int, "a number"), (float, "a fraction"))
    for type_, name in (*names, (list, "an array"), (dict, "a table")):
        if isinstance(value, type_):
            return name
    return "a date or time"
