"""TOML text → values plus the line of each key, so that a message can name file and line.

`tomllib` says what a file means and whether it is TOML at all; it forgets where things stood. Beside it
one scanner walks over keys, headers and brackets of text that `tomllib` has already accepted and notes
the line of each. A property test holds the two to the same keys.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from config.errors import ConfigError, Problem

MAX_BYTES: Final = 1024 * 1024  # a configuration is never larger; what is larger is not one

KeyPath = tuple[str | int, ...]
"""Keys and array positions from the top of the file: `("routing", "rules", 0, "pool")`."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a TOML file says (`values`, as tomllib gives it) and where it says so."""

    where: str
    values: dict[str, Any]
    lines: dict[KeyPath, int] = field(repr=False)

    def line(self, path: KeyPath) -> int | None:
        """The 1-based line of that key, else of its nearest ancestor that stands in the file."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None


def parse(text: str, where: str) -> Document:
    """Read TOML. `where` names the file in messages.

    Raises ConfigError with one problem when the text is too large or is not TOML: a syntax error is
    reported alone, since nothing after it can be trusted.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _problem(where, f"the file is larger than {MAX_BYTES // 1024} KiB")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        values = tomllib.loads(text)
        lines = _Scanner(text).scan()
    except tomllib.TOMLDecodeError as error:
        raise _syntax_problem(where, text, str(error)) from None
    except RecursionError:
        raise _problem(where, "tables or arrays are nested too deeply") from None
    except ValueError:
        raise _problem(where, "a number is too long to be read") from None
    return Document(where, values, lines)


def read(path: Path) -> Document:
    """Read a TOML file; ConfigError also when it cannot be read or is not UTF-8."""
    return parse(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The text of a configuration file, at most MAX_BYTES of it; ConfigError when it cannot be had."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _problem(str(path), f"cannot be read: {error.strerror or 'input/output error'}") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) > MAX_BYTES:
            raise _problem(str(path), f"the file is larger than {MAX_BYTES // 1024} KiB") from None
        line = data.count(b"\n", 0, error.start) + 1
        raise _problem(str(path), "is not UTF-8 text", line) from None


def _problem(where: str, message: str, line: int | None = None) -> ConfigError:
    return ConfigError([Problem(message, where=where, line=line)])


def _syntax_problem(where: str, text: str, message: str) -> ConfigError:
    """tomllib's sentence without its position, which becomes the line."""
    found = re.search(r" \(at line (\d+), column \d+\)$", message)
    if found:
        return _problem(where, f"not valid TOML: {message[: found.start()]}", int(found[1]))
    last = text.rstrip("\n").count("\n") + 1
    return _problem(where, f"not valid TOML: {message.removesuffix(' (at end of document)')}", last)


_SPACE = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'  # up to two quotes may stand before the closing three
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^\s,\]}#]+(?: \d\d:[^\s,\]}#]+)?")  # a date may be followed by a blank and a time


class _Scanner:
    """Notes the line of every key, header and array item of text that is known to be TOML."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._lines: dict[KeyPath, int] = {}
        self._items: dict[KeyPath, int] = {}  # arrays of tables: index of the last [[header]]

    def scan(self) -> dict[KeyPath, int]:
        """Walk over the whole text once."""
        table: KeyPath = ()
        self._skip_space()
        while self._at < len(self._text):
            if self._peek("["):
                table = self._header()
            else:
                self._key_value(table)
            self._skip_space()
        return self._lines

    def _header(self) -> KeyPath:
        """`[a.b]` or `[[a.b]]`: the path that the keys below it stand in."""
        is_array = self._peek("[[")
        self._at += 2 if is_array else 1
        keys = self._dotted_key()
        self._at += 2 if is_array else 1
        path: KeyPath = ()
        for key in keys[:-1]:
            path = self._current((*path, key))
        path = (*path, keys[-1])
        if is_array:
            self._items[path] = self._items.get(path, -1) + 1
            self._note(path)
            path = (*path, self._items[path])
        else:
            path = self._current(path)
        self._note(path)
        return path

    def _current(self, path: KeyPath) -> KeyPath:
        """The table that a header's prefix means: the newest item where it is an array of tables."""
        self._note(path)
        return (*path, self._items[path]) if path in self._items else path

    def _key_value(self, table: KeyPath) -> None:
        path = table
        for key in self._dotted_key():
            path = (*path, key)
            self._note(path)
        self._at += 1  # the equals sign
        self._skip_space()
        self._value(path)

    def _dotted_key(self) -> list[str]:
        """One or more keys with dots between them, up to what ends them (`=` or `]`)."""
        keys = []
        while True:
            self._skip_space()
            keys.append(self._key())
            self._skip_space()
            if not self._peek("."):
                return keys
            self._at += 1

    def _key(self) -> str:
        bare = _BARE_KEY.match(self._text, self._at)
        if bare:
            self._at = bare.end()
            return bare[0]
        start = self._at
        self._string()
        unquoted = tomllib.loads(f"key = {self._text[start : self._at]}")["key"]
        return str(unquoted)

    def _value(self, path: KeyPath) -> None:
        if self._peek("["):
            self._array(path)
        elif self._peek("{"):
            self._inline_table(path)
        elif self._peek('"') or self._peek("'"):
            self._string()
        else:
            self._match(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        self._skip_space()
        index = 0
        while not self._peek("]"):
            self._note((*path, index))
            self._value((*path, index))
            index += 1
            self._skip_comma()
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        self._skip_space()
        while not self._peek("}"):
            self._key_value(path)
            self._skip_comma()
        self._at += 1

    def _skip_comma(self) -> None:
        self._skip_space()
        if self._peek(","):
            self._at += 1
            self._skip_space()

    def _string(self) -> None:
        self._match(_STRING)

    def _skip_space(self) -> None:
        self._match(_SPACE)

    def _match(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        if found is None:  # tomllib accepted what this scanner does not know
            raise AssertionError(f"the scanner does not know the text at offset {self._at}")
        self._at = found.end()

    def _peek(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _note(self, path: KeyPath) -> None:
        """Remember the line of a path the first time it is met."""
        if path not in self._lines:
            self._line += self._text.count("\n", self._counted, self._at)
            self._counted = self._at
            self._lines[path] = self._line
