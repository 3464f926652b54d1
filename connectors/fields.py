"""Raw payload → canonical value: pure helpers that never guess and never raise on odd data.

Text is text: "NA", "null", leading blanks, newlines and emoji pass as they are; only "" becomes None.
What cannot be read as a time or a number is None, and the caller decides whether that parks the row; the
raw payload is kept beside it in any case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_FIRST_MS: Final = -62_135_596_800_000  # the year 1, the first that a datetime knows
_LAST_MS: Final = 253_402_300_800_000  # the year 10000, the first that it does not
_DIGITS: Final = 25  # more of them make no time, and int() refuses thousands
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
LARGEST_REPLY: Final = 256 * 1024**2  # bytes, unpacked; the largest page of a CRM is a tenth of it
_MAX_INT: Final = 2**63 - 1  # what a database column holds


def text(value: object) -> str | None:
    """Text as it came; "" is None, numbers and booleans become their JSON text."""
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    return json.dumps(value, ensure_ascii=False)


def epoch_ms(value: object) -> int | None:
    """A time in any form that the CRMs use → epoch milliseconds (floor); None when it is none.

    ISO 8601 with `Z`, `+0000` or `+00:00` and any number of fraction digits; a date alone is midnight UTC;
    a number, also as text, also with a decimal point, is epoch milliseconds already.
    """
    if isinstance(value, str):
        if value[-1:] == "Z" and (found := _iso_ms(value)) is not None:  # as both CRMs write it
            return found
        stripped = value.strip()
        if _NUMBER.fullmatch(stripped) is None:
            value = _iso_ms(stripped)
        elif len(stripped) > _DIGITS:
            return None
        else:
            value = int(stripped) if stripped.lstrip("+-").isdecimal() else float(stripped)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not _FIRST_MS <= value < _LAST_MS:  # also NaN and the infinities
        return None
    return int(value // 1)


def _iso_ms(value: str) -> int | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def epoch_seconds(value: object) -> int | None:
    """As `epoch_ms`, in whole seconds (floor)."""
    found = epoch_ms(value)
    return None if found is None else found // 1000


def iso_ms(milliseconds: int) -> str:
    """Epoch milliseconds → ISO 8601 with three digits and `Z`, as both CRMs accept it in filters."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def number(value: object) -> float | None:
    """A number, also as text; None for "", for text that is no number and for infinities."""
    if isinstance(value, str):
        stripped = value.strip()
        if _NUMBER.fullmatch(stripped) is None:
            return None
        value = float(stripped)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    found = float(value) if abs(value) < 1e308 else float("inf")
    return found if abs(found) < 1e308 else None


def whole(value: object) -> int | None:
    """A whole number, also as "50" or "50.0"; None for anything else, "50.5" included."""
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        stripped = value.strip()
        found = int(stripped) if _NUMBER.fullmatch(stripped) and len(stripped) < 25 else None
    else:
        real = number(value)
        found = None if real is None or real != real // 1 else int(real)
    return found if found is not None and -_MAX_INT <= found <= _MAX_INT else None


def flag(value: object) -> bool | None:
    """true or false, also as text in any case, also 1 or 0; None for anything else."""
    if value is None or isinstance(value, bool):
        return value
    return _FLAGS.get(str(value).strip().lower())


def split_list(value: object, separator: str = ";") -> list[str]:
    """The entries of a joined list, trimmed, without empty ones and repetitions, in their order."""
    joined = text(value)
    if joined is None:
        return []
    return list(dict.fromkeys(entry for part in joined.split(separator) if (entry := part.strip())))


def json_list(entries: Iterable[str]) -> str | None:
    """A JSON array of text; None for an empty one."""
    found = list(entries)
    return to_json(found) if found else None


def to_json(value: Mapping[str, Any] | list[Any]) -> str:
    """Compact JSON text that any database takes: half a surrogate pair becomes U+FFFD."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_mended(value)).decode()


def from_json(body: bytes, shape: type[T]) -> T:
    """JSON bytes → `shape` (a msgspec Struct or plain type). Raises ValueError when they are not that."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError:
        raise  # JSON of another shape; msgspec's errors are ValueErrors
    except msgspec.DecodeError:
        return _from_odd_json(body, shape)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _from_odd_json(body: bytes, shape: type[T]) -> T:
    """For JSON that escapes half a surrogate pair, which msgspec rightly calls broken and CRMs send."""
    if b"\\ud" not in body.lower():
        raise ValueError("not JSON")
    try:
        value = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return msgspec.json.decode(msgspec.json.encode(_mended(value)), type=shape)


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_mended(key): _mended(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_mended(entry) for entry in value]
    return value
