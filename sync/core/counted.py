"""Numbers with their noun, as every sentence says them."""

from __future__ import annotations

from typing import Final

IRREGULAR: Final = {"person": "people", "has": "have", "is": "are", "was": "were", "entry": "entries"}


def some(number: int, noun: str) -> str:
    """`1 change`, `2 changes`, `1,000 people`; the last word of `noun` is the one that changes."""
    return f"{number:,} {plural(number, noun)}"


def plural(number: int, noun: str) -> str:
    """The noun (or small verb) as it is said of so many."""
    if number == 1:
        return noun
    head, space, last = noun.rpartition(" ")
    return head + space + IRREGULAR.get(last, f"{last}s")
