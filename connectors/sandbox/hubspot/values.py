"""Values: what a client sends → what is stored (text or None), and moments ↔ text.

Every property value is text or null; ISO times carry a varying fraction (airbyte #60879). Error texts
as quoted in community threads; where none was found, the text is ours, the `error` code HubSpot's.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

from connectors.sandbox.hubspot.schema_types import Property

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_FIRST_MOMENT = -62_135_596_800_000  # milliseconds at the beginning of the year 1
_LAST_MOMENT = 250_000_000_000_000  # epoch milliseconds, in the year 9892


class ValueRefusedError(Exception):
    """A value that the portal refuses."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def entry(self, name: str) -> dict[str, Any]:
        """As it stands in the list inside the error's message."""
        return {"isValid": False, "message": self.message, "error": self.code, "name": name}


def clean(prop: Property | None, name: str, value: Any) -> str | None:
    """The value to store; "" and null clear. Raises ValueRefusedError."""
    if prop is None:
        raise ValueRefusedError(f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST")
    if not prop.settable:
        raise ValueRefusedError(
            f'"{name}" is a read only property; its value cannot be set.', "READ_ONLY_VALUE"
        )
    if isinstance(value, bool):
        value = "true" if value else "false"
    if value is None or value == "":
        return None
    if isinstance(value, dict | list):
        raise ValueRefusedError(f"{value} is neither text, number nor truth value", "INVALID_STRING")
    text = str(value)
    if prop.type == "enumeration":
        return _choice(prop, text)
    if prop.type == "bool":
        return _choice(prop, text.lower())
    if prop.type == "number":
        return _number(text)
    if prop.type in ("date", "datetime"):
        return _time(prop.type, text)
    if name == "email":
        return _email(text)
    return text


def _choice(prop: Property, text: str) -> str:
    if not prop.options:
        return text
    parts = [part for part in text.split(";") if part] if prop.field_type == "checkbox" else [text]
    for part in parts:
        if not any(option.value == part for option in prop.options):
            listed = ", ".join(f"label: {option.label}, value: {option.value}" for option in prop.options)
            message = f"{part} was not one of the allowed options: [{listed}]"
            raise ValueRefusedError(message, "INVALID_OPTION")
    return ";".join(parts)


def _number(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueRefusedError(f"{text} was not a valid number.", "INVALID_INTEGER")
    return text.strip()


def _email(text: str) -> str:
    address = text.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise ValueRefusedError(f"Email address {text} is invalid", "INVALID_EMAIL")
    return address


def _time(kind: str, text: str) -> str:
    moment = parse_moment(text)
    if moment is None:
        raise ValueRefusedError(f"{text} was not a valid {kind}.", "INVALID_DATE")
    if kind == "datetime":
        return iso(moment)
    if moment % 86_400:
        raise ValueRefusedError(f"{text} is at {iso(moment)[11:23]} UTC, not midnight!", "INVALID_DATE")
    return iso(moment)[:10]


def parse_moment(text: str) -> float | None:
    """Epoch seconds of epoch-milliseconds text or ISO text; None when it is neither."""
    stripped = text.strip()
    if re.fullmatch(r"-?\d{1,15}(\.0+)?", stripped, re.ASCII):
        millis = int(stripped.partition(".")[0])
        return millis / 1000 if _FIRST_MOMENT <= millis < _LAST_MOMENT else None
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def iso(moment: float, *, short: bool = False) -> str:
    """`2026-11-22T07:35:32.120Z`; `short` drops trailing zeros of the fraction."""
    millis = round(moment * 1000)
    text = datetime.fromtimestamp(millis // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{millis % 1000:03d}"
    if short:
        fraction = fraction.rstrip("0")
        return f"{text}.{fraction}Z" if fraction else f"{text}Z"
    return f"{text}.{fraction}Z"
