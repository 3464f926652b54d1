"""Sentences that several commands say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from config.errors import nearest

CRM_NAMES: Final[Mapping[str, str]] = {"salesforce": "Salesforce", "hubspot": "HubSpot"}


def crm_name(crm: str) -> str:
    """A CRM as people call it."""
    return CRM_NAMES.get(crm, crm)


def one_of(choices: Iterable[str]) -> Callable[[str], list[str]]:
    """What a shell may complete a value to."""
    known = [str(choice) for choice in choices]

    def beginning(incomplete: str) -> list[str]:
        return [word for word in known if word.startswith(incomplete)]

    return beginning


def unknown(what: str, word: str, choices: Iterable[str]) -> str:
    """A sentence for a word that is none of the choices."""
    known = [str(choice) for choice in choices]
    found = nearest(word, known)
    return f"there is no {what} {word!r}; " + (
        f"did you mean {found!r}?" if found else f"one of {', '.join(known)}"
    )
