"""Text that came from a CRM or a file, made harmless for terminals, spreadsheets and JSON readers."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from sync.core.harmless import CONTROLS, HARMFUL
from sync.core.harmless import clean as clean

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")


def cell(value: object) -> str:
    """A value as a table shows it: empty for None, numbers without needless decimals."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return clean(str(value))


def csv_cell(value: object) -> str:
    """A value for a CSV file: text that a spreadsheet would run as a formula is quoted by an apostrophe."""
    text = cell(value)
    if isinstance(value, str) and text.lstrip(" ").startswith(_FORMULA):
        return f"'{text}"
    return text


def to_json(value: Any, *, indent: int | None = 2) -> str:
    """JSON in which no character can harm a terminal; nothing is lost, what is harmful is escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    return re.sub(f"[{CONTROLS}]", _escape, text) if indent is None else _escape_lines(text)


def _escape_lines(text: str) -> str:
    """Escape each line by itself: the line breaks between them are ours (json escapes those in text)."""
    return "\n".join(HARMFUL.sub(_escape, line) for line in text.split("\n"))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
