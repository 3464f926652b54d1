"""Sentences that several commands say."""

from __future__ import annotations

from collections.abc import Iterable

from config.errors import nearest


def unknown(what: str, word: str, choices: Iterable[str]) -> str:
    """A sentence for a word that is none of the choices."""
    known = [str(choice) for choice in choices]
    found = nearest(word, known)
    return f"there is no {what} {word!r}; " + (
        f"did you mean {found!r}?" if found else f"one of {', '.join(known)}"
    )
