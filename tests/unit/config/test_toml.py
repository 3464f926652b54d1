"""The scanner of keys beside tomllib: same keys, right lines, honest errors."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ConfigError
from config.toml import MAX_BYTES, KeyPath, parse, read

EXAMPLE = '''\
title = "x"            # 1
"quoted key".inner = 1
[routing.pools.default]
members = [
  { email = "ann@example.com", weight = 2 },
  # a comment, with [brackets] and "quotes
  { email = "bob@example.com" },
]
fallback = """
two
lines""" # 9
[[routing.rules]]
pool = "a"
[[routing.rules]]
when = { country = { in = ["DE", "AT"] } }
pool = "b"
[[routing.rules.more]]
at = 1979-05-27 07:32:00Z
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 1),
        (("quoted key",), 2),
        (("quoted key", "inner"), 2),
        (("routing",), 3),
        (("routing", "pools", "default"), 3),
        (("routing", "pools", "default", "members"), 4),
        (("routing", "pools", "default", "members", 0, "weight"), 5),
        (("routing", "pools", "default", "members", 1), 7),
        (("routing", "pools", "default", "fallback"), 9),
        (("routing", "rules"), 12),
        (("routing", "rules", 0, "pool"), 13),
        (("routing", "rules", 1), 14),
        (("routing", "rules", 1, "when", "country", "in", 1), 15),
        (("routing", "rules", 1, "pool"), 16),
        (("routing", "rules", 1, "more", 0, "at"), 18),
        (("routing", "rules", 1, "absent", "deeper"), 14),  # the nearest ancestor
        (("nothing",), None),
        ((), None),
    ],
)
def test_line_of_a_key(path: KeyPath, line: int | None) -> None:
    assert parse(EXAMPLE, "x.toml").line(path) == line


def test_windows_line_ends_and_byte_order_mark_change_nothing() -> None:
    plain = parse(EXAMPLE, "x.toml")
    windows = parse("\ufeff" + EXAMPLE.replace("\n", "\r\n"), "x.toml")
    assert windows.values == plain.values
    assert windows.lines == plain.lines


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a = 1\nb = \n", 2, "Invalid value"),
        ("a = 1\n\na = 2\n", 3, "Cannot overwrite a value"),
        ("[a]\n[a]\n", 2, "Cannot declare"),
        ('a = "x\n', 1, "Illegal character"),
        ("a = [1,\n2\n", 2, "Unclosed array"),
        ("a = 'x'\n\nb", 3, "Expected '=' after a key"),
        ("a = 2026-02-31\n", 1, "Invalid date or datetime"),
        ('a = "\\q"', 1, "Unescaped"),
    ],
)
def test_syntax_error_has_file_and_line(text: str, line: int, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "x.toml")
    (problem,) = caught.value.problems
    assert (problem.where, problem.line) == ("x.toml", line)
    assert "not valid TOML" in problem.message
    assert part in problem.message
    assert "column" not in problem.message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a = 1 #" + "x" * MAX_BYTES, "larger than 1024 KiB"),
        ("a = '" + "é" * (MAX_BYTES // 2) + "'", "larger than 1024 KiB"),
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("a = " + "9" * 5000, "too long"),
    ],
    ids=["characters", "bytes", "depth", "digits"],
)
def test_hostile_text_is_refused_in_one_sentence(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "x.toml")
    assert part in str(caught.value)
    assert len(str(caught.value)) < 200


def test_reading_a_file_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ConfigError, match=r"x\.toml:2: is not UTF-8 text"):
        read(file)


def test_reading_a_folder_or_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read(tmp_path / "absent.toml")


# --- held to tomllib -----------------------------------------------------------------------------

_names = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True),
    st.text(st.sampled_from("a b.'\"=[]{}#,\\é\t"), max_size=5),
)
_texts = st.text(st.sampled_from("ab \n\t'\"\\#[]{},=é"), max_size=12)
_scalars = st.one_of(
    st.integers(-(10**9), 10**9), st.booleans(), st.floats(allow_nan=False), _texts, st.datetimes()
)
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=8,
)
_documents = st.dictionaries(_names, _values, max_size=5)


class Writer:
    """Writes a document as TOML in a style drawn by Hypothesis and knows the line of each path."""

    def __init__(self, draw: st.DataObject) -> None:
        self.out = ""
        self.lines: dict[KeyPath, int] = {}
        self._draw = draw

    def document(self, values: dict[str, Any]) -> None:
        tables = {key: value for key, value in values.items() if self._is_table(value) and self._coin()}
        for key, value in values.items():
            if key not in tables:
                self._key_value((), key, value)
        for key, value in tables.items():
            if isinstance(value, list):
                for index, item in enumerate(value):
                    self._header((key,), "[[", "]]", (key, index))
                    for inner, deeper in item.items():
                        self._key_value((key, index), inner, deeper)
            else:
                self._header((key,), "[", "]", (key,))
                for inner, deeper in value.items():
                    self._key_value((key,), inner, deeper)

    def _is_table(self, value: Any) -> bool:
        if isinstance(value, list):
            return bool(value) and all(isinstance(item, dict) for item in value)
        return isinstance(value, dict)

    def _header(self, keys: tuple[str, ...], opening: str, closing: str, path: KeyPath) -> None:
        self._filler()
        self._note(keys)
        self._note(path)
        names = " . ".join(self._key(key) for key in keys)
        self.out += f"{opening} {names}{closing} # [not] {{a}} 'header\n"

    def _key_value(self, table: KeyPath, key: str, value: Any) -> None:
        self._filler()
        path = (*table, key)
        self._note(path)
        name = self._key(key)
        if isinstance(value, dict) and value and self._coin():  # a = {b = 1} written as a.b = 1
            for inner, deeper in value.items():
                self._note((*path, inner))
                self.out += f"{name} .{self._key(inner)}= "
                self._value((*path, inner), deeper)
                self.out += "\n"
        else:
            self.out += f"{name} = "
            self._value(path, value)
            self.out += "\n"

    def _value(self, path: KeyPath, value: Any) -> None:
        if isinstance(value, dict):
            self.out += "{ "
            for position, (key, deeper) in enumerate(value.items()):
                self.out += ", " if position else ""
                self._note((*path, key))
                self.out += f"{self._key(key)} = "
                self._value((*path, key), deeper)
            self.out += " }"
        elif isinstance(value, list):
            self.out += "["
            for position, item in enumerate(value):
                self.out += self._break()
                self._note((*path, position))
                self._value((*path, position), item)
                self.out += self._break() + ("," if position < len(value) - 1 or self._coin() else "")
            self.out += self._break() + "]"
        else:
            self.out += self._scalar(value)

    def _scalar(self, value: Any) -> str:
        if isinstance(value, str):
            if self._coin() and "\\" not in value and "'''" not in value and not value.endswith("'"):
                return f"'''\n{value}'''"
            if self._coin():
                quoted = value.replace("\\", "\\\\").replace('"""', '""\\"')
                return f'"""\n{quoted}"""' if not quoted.endswith('"""') else self._basic(value)
            return self._basic(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if hasattr(value, "isoformat"):
            return str(value.isoformat(sep=" " if self._coin() else "T"))
        return repr(value)

    def _basic(self, value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        return f'"{escaped}"'

    def _key(self, key: str) -> str:
        bare = key != "" and all(c.isascii() and (c.isalnum() or c in "_-") for c in key)
        if bare and self._coin():
            return key
        if self._coin() and "'" not in key:
            return f"'{key}'"
        return self._basic(key)

    def _filler(self) -> None:
        self.out += self._draw.draw(st.sampled_from(["", "", "\n", "  ", "# ] } = 'comment\n"]))

    def _break(self) -> str:
        return str(self._draw.draw(st.sampled_from(["", " ", "\n", " # ,]\n"])))

    def _coin(self) -> bool:
        return bool(self._draw.draw(st.booleans()))

    def _note(self, path: KeyPath) -> None:
        self.lines.setdefault(path, self.out.count("\n") + 1)


def _paths(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    found = {path} if path else set()
    items: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value)
    return found.union(*(_paths(inner, (*path, key)) for key, inner in items))


@settings(max_examples=150, deadline=None)
@given(values=_documents, data=st.data())
def test_scanner_knows_every_key_of_tomllib_and_its_line(values: dict[str, Any], data: st.DataObject) -> None:
    writer = Writer(data)
    writer.document(values)
    document = parse(writer.out, "x.toml")
    assert document.values == tomllib.loads(writer.out)
    assert set(document.lines) == _paths(document.values)
    assert document.lines == writer.lines
