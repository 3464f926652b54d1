"""Text from a CRM can harm neither terminal nor spreadsheet nor JSON reader."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.cli.clean import cell, clean, csv_cell, to_json

HOSTILE = [
    "\x1b[2J\x1b[H",  # clears the screen
    "\x1b]0;owned\x07",  # sets the window title
    "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07",  # a link
    "\x9b31m",  # the same by one character (C1)
    "a\rb",  # overwrites the line
    "a\bb",
    "line\nbreak",
    "tab\there",
    "nul\x00",
    "gnp\u202egpj.exe",  # reads as gnpexe.jpg
    "\u2066hidden\u2069",
    "\u2028line",
    "\ud800",
    "[bold red]markup[/]",
    "[link=http://evil.example]x[/link]",
    ":smiley:",
    "\x7f",
    "日本語 ✓ émile",
]
DIRECTION = {"Cc", "Cs", "Zl", "Zp"}
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def harmless(text: str) -> bool:
    return not any(unicodedata.category(c) in DIRECTION or c in BIDI for c in text)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_cleaned_text_is_one_harmless_line(text: str) -> None:
    assert harmless(clean(text))
    clean(text).encode("utf-8")


def test_printable_text_stays_as_it_is() -> None:
    assert clean("日本語 ✓ émile [bold]") == "日本語 ✓ émile [bold]"
    assert clean("two\n lines\tand tab") == "two  lines and tab"


@given(st.text())
def test_any_text_is_cleaned_once_and_for_all(text: str) -> None:
    once = clean(text)
    assert harmless(once)
    assert clean(once) == once


@given(
    st.recursive(
        st.text() | st.none() | st.booleans() | st.integers(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_json_loses_nothing_and_harms_nothing(value: object) -> None:
    for indent in (None, 2):
        text = to_json(value, indent=indent)
        assert json.loads(text) == value
        assert harmless(text.replace("\n", ""))
    assert "\n" not in to_json(value, indent=None)


def test_json_is_readable_where_it_can_be() -> None:
    assert to_json({"name": "Émile"}, indent=None) == '{"name": "Émile"}'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30 1", "'+49 30 1"),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =HYPERLINK(1)", "'  =HYPERLINK(1)"),
        ("\t=1", "' =1"),
        ("\r=1", "' =1"),
        ("＝1", "'＝1"),
        ("ann@example.com", "ann@example.com"),
        ("a=b", "a=b"),
        (-20.0, "-20"),
        (95.125, "95.125"),
        (None, ""),
        (True, "yes"),
    ],
)
def test_spreadsheets_get_no_formulas(value: object, expected: str) -> None:
    assert csv_cell(value) == expected


def test_cells_show_numbers_as_people_write_them() -> None:
    assert [cell(value) for value in (95.0, 24.7, 0.125, 3, None, False)] == [
        "95",
        "24.7",
        "0.125",
        "3",
        "",
        "no",
    ]
