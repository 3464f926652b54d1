"""Salesforce's values and ours: times, ids, text. Pure functions."""

from __future__ import annotations

import email.utils
import functools
import json
import re
from datetime import UTC, datetime
from typing import Any, Final

_DATETIME: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:?\d{2})", re.ASCII
)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ID: Final = re.compile(r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?")
_SUFFIX: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def parse_ms(value: object) -> int | None:
    """Epoch milliseconds of `2026-11-22T07:35:32.000+0000`, `…Z` or a date (00:00 UTC); else None."""
    return _moment_ms(value) if isinstance(value, str) else None


@functools.lru_cache(maxsize=4096)
def _moment_ms(value: str) -> int | None:
    """Stamps have whole seconds and several of a row are often the same, hence the cache."""
    if len(value) == 28 and value.endswith(".000+0000"):  # as the REST API writes them
        try:
            return int(datetime.fromisoformat(value).timestamp()) * 1000
        except ValueError:
            return None
    match = _DATETIME.fullmatch(value)
    try:
        if match is not None:
            zone = "+00:00" if match[4] == "Z" else match[4]
            moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}")
            return int(moment.timestamp()) * 1000 + int((match[3] or "0")[:3].ljust(3, "0"))
        if _DATE.fullmatch(value):
            return int(datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        return None
    return None


def soql_datetime(ms: int) -> str:
    """A SOQL date-time literal; in UTC with Z, so that no `+` needs care in a URL."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def http_date(ms: int) -> str:
    """RFC 1123, as conditional headers want it; whole seconds."""
    return email.utils.format_datetime(datetime.fromtimestamp(ms // 1000, UTC), usegmt=True)


def is_id(text: object) -> bool:
    """True for what looks like a record id of 15 or 18 characters."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def id18(text: str) -> str:
    """The 18-character, case-safe form of a record id; other text comes back as it is."""
    if len(text) != 15 or not is_id(text):
        return text
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << place for place, char in enumerate(text[start : start + 5]) if char.isupper())
        suffix += _SUFFIX[bits]
    return text + suffix


def as_text(value: Any) -> str | None:
    """A field's value as text: numbers without a needless `.0`, booleans `true`/`false`, "" as None."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, (str, int)):
        return str(value)
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def as_int(value: Any) -> int | None:
    """A whole number, also from `50.0`; None when there is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value)


def as_str(value: Any) -> str | None:
    """Text as it came; None for null and for what is no text."""
    return value if isinstance(value, str) else as_text(value)


def at_path(row: dict[str, Any], path: str) -> Any:
    """The value at a SOQL path such as `Campaign.Type`; None when any part of it is null or absent."""
    if "." not in path:
        return row.get(path)
    value: Any = row
    for part in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value
