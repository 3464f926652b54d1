"""Salesforce record ids: 15 characters that mind case, or 18 with three check characters that do not.

Source: Salesforce Help "Salesforce ID" and Object Reference "ID Field Type": prefix of three characters, then
instance and counter in base 62; every five characters give one check character from their upper-case bits.
"""

from __future__ import annotations

import re
from collections.abc import Callable

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
MASTER_RECORD_TYPE = "012000000000000AAA"
"""Stands for "no record type" in describe and in the UI API."""

_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")


def to_18(text: str) -> str:
    """The 18-character form of a 15-character id; an 18-character one is returned as it is."""
    if len(text) != 15:
        return text
    checks = ""
    for start in (0, 5, 10):
        bits = sum(1 << place for place, letter in enumerate(text[start : start + 5]) if "A" <= letter <= "Z")
        checks += CHECKS[bits]
    return text + checks


def looks_like_id(text: object) -> bool:
    return isinstance(text, str) and _SHAPE.fullmatch(text) is not None


def base62(number: int, width: int) -> str:
    letters = []
    for _ in range(width):
        number, rest = divmod(number, 62)
        letters.append(DIGITS[rest])
    return "".join(reversed(letters))


def counter(prefix: str, start: int = 14_776_336) -> Callable[[], str]:
    """A maker of ids in ascending order, e.g. 00Q5g0000011000EAQ."""
    state = [start]

    def new_id() -> str:
        state[0] += 1
        return to_18(f"{prefix}5g0{base62(state[0], 9)}")

    return new_id
