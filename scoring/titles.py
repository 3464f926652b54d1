"""Job title → seniority, for English, German, French, Spanish, Portuguese, Dutch and Italian titles.

How a title is read: dots of abbreviations go ("V.P." is "vp"), possessives go ("director's office" is an
office), accents go; the title is cut at separators into parts, and each part at its first preposition
("Vice President of Sales" is a vice president, "Advisor to the CEO" an advisor). The best part counts,
but somebody's assistant stays an assistant whatever is named after it.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from itertools import pairwise
from typing import Final

from scoring.titles_data import (
    ASSISTANT_STEMS,
    BOARD,
    C_LEVEL,
    CONTAINS_DIRECTOR,
    CUTS,
    DEMOTING,
    DIRECTOR,
    FOUNDER,
    HEAD_COMPOUND,
    HEAD_LIKE,
    HEAD_TRADES,
    INTERN,
    JUNIOR,
    LEAD_COMPOUND,
    MANAGER,
    MANAGING,
    OWNER,
    OWNER_QUALIFIERS,
    OWNER_ROLES,
    PARTNER,
    PARTNER_JOBS,
    PARTNER_QUALIFIERS,
    PAST,
    PHRASES,
    PRESIDENT,
    SENIOR,
    TOP_MANAGER,
    VICE,
    VP,
)

RULES_VERSION: Final = 2
"""Grows when `seniority` changes its answer for any title; stored ranks of older rules are computed anew."""


class Seniority(IntEnum):
    """Ranks, lowest first; the names in lower case are what a model may write."""

    INTERN = 1
    JUNIOR = 2
    SPECIALIST = 3
    SENIOR = 4
    MANAGER = 5
    DIRECTOR = 6
    VP = 7
    C_LEVEL = 8
    OWNER = 9


LEVELS: Final = {level.name.lower(): int(level) for level in Seniority}
"""Name in a model → rank."""

_POSSESSIVE = re.compile(r"\b\w+['’`´]s?\b(?=\s)")
_ABBREVIATION = re.compile(r"\b(?:\w\.){2,}(?:\w\b)?")
_SEPARATOR = re.compile(r"[,;:|/&+()\[\]\n•·–—]|\s-\s|\s+(?:and|und|et|y|e|en)\s+")
_WORD = re.compile(r"\w+")
_CHIEF_OFFICER = re.compile(r"\bchief\b[\w\s&,/-]{0,60}\bofficer\b")


def seniority(title: str | None) -> int | None:
    """The rank of a title, a value of `Seniority`; None when the title is missing or has no letters.

    A title that says nothing about rank ("Software Engineer") is a specialist.
    """
    text = _plain(title or "")
    if not any(letter.isalpha() for letter in text):
        return None
    parts = [words for part in _SEPARATOR.split(text) if (words := _WORD.findall(part))]
    if not parts:
        return None
    if _is_assistant(parts[0]):
        return int(_assistant(parts[0]))
    if _is_chief_officer(text):
        return int(Seniority.C_LEVEL)
    return int(max(_part(words) for words in parts))


def _plain(title: str) -> str:
    """Lower case without accents, abbreviation dots and possessives."""
    text = unicodedata.normalize("NFKD", title.replace("ß", "ss")).casefold()
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = _ABBREVIATION.sub(lambda found: found[0].replace(".", ""), text)
    text = _POSSESSIVE.sub(" ", text + " ")
    text = text.replace("-/", "/")
    return re.sub(r"(?<=\w)[:*_/](?:in|innen|r|ne|se|e|a)\b", "", text)


def _is_chief_officer(text: str) -> bool:
    """ "Chief Product & Technology Officer": looked for before the title is cut into parts."""
    found = _CHIEF_OFFICER.search(text)
    return found is not None and not CUTS.intersection(_WORD.findall(text[: found.start()]))


def _is_assistant(words: list[str]) -> bool:
    return any(stem in word for word in words for stem in ASSISTANT_STEMS)


def _assistant(words: list[str]) -> Seniority:
    """An assistant director is a manager; anybody else's assistant, or a plain one, is not."""
    head = _until_cut(words)
    rest = [word for word in head if not any(stem in word for stem in ASSISTANT_STEMS)]
    demoted = len(rest) < len(head) and bool(rest) and _part(rest) >= Seniority.DIRECTOR
    return Seniority.MANAGER if demoted else Seniority.JUNIOR


def _until_cut(words: list[str]) -> list[str]:
    """The words before the first preposition: the rest says whose or of what."""
    for index, word in enumerate(words):
        if word in CUTS and index > 0:
            return words[:index]
    return words


def _part(words: list[str]) -> Seniority:
    """The rank of one part of a title."""
    if _is_assistant(words):
        return _assistant(words)
    joined = " ".join(words)
    for phrase, name in PHRASES.items():
        if re.search(rf"\b{phrase}\b", joined):
            return Seniority[name]
    words = _until_cut(words)
    if words[0] in PAST:
        return Seniority.SPECIALIST
    if any(word in INTERN for word in words) or words[-1] == "student":
        return Seniority.INTERN
    rank = _leader(words)
    if rank is not None and any(word in DEMOTING for word in words):
        return Seniority.MANAGER
    return rank or _follower(words)


def _leader(words: list[str]) -> Seniority | None:
    """Director or higher, or None."""
    if any(word in FOUNDER for word in words) or _is_owner(words) or _is_partner(words):
        return Seniority.OWNER
    if any(word in VP for word in words) or _is_vice_president(words):
        return Seniority.VP
    if any(word in C_LEVEL | PRESIDENT | BOARD or word.endswith(MANAGING) for word in words):
        return Seniority.C_LEVEL
    if any(pair in TOP_MANAGER for pair in pairwise(words)):
        return Seniority.C_LEVEL
    if any(word in DIRECTOR or word.endswith(CONTAINS_DIRECTOR) for word in words) or _is_head(words):
        return Seniority.DIRECTOR
    return None


def _is_vice_president(words: list[str]) -> bool:
    return any(first in VICE and second in PRESIDENT for first, second in pairwise(words))


def _is_owner(words: list[str]) -> bool:
    """An owner of a business; a product, process or data owner is not, nor is "owner relations"."""
    for index, word in enumerate(words):
        before, after = words[:index][-1:], words[index + 1 :][:1]
        if word in OWNER and OWNER_QUALIFIERS.issuperset(before) and OWNER_ROLES.issuperset(after):
            return True
    return False


def _is_partner(words: list[str]) -> bool:
    """Partner as the whole part or its first words; a partner manager or a business partner is not."""
    position = next((index for index, word in enumerate(words) if word in PARTNER), None)
    if position is None or not PARTNER_QUALIFIERS.issuperset(words[:position]):
        return False
    return not PARTNER_JOBS.intersection(words[position + 1 :])


def _is_head(words: list[str]) -> bool:
    """Head of something: "Head Sales", "Global Head", "Leiter", "Vertriebsleiter"; a head nurse is not."""
    if words[0] == "head":
        return not HEAD_TRADES.intersection(words[1:2])
    if words[-1] == "head" or words[0] in HEAD_LIKE or words[-1] in HEAD_LIKE:
        return "team" not in words
    return any(word.endswith(HEAD_COMPOUND) and not word.startswith(LEAD_COMPOUND) for word in words)


def _follower(words: list[str]) -> Seniority:
    """Below a director."""
    if any(word in MANAGER or word.endswith(HEAD_COMPOUND) for word in words) or "head" in words:
        return Seniority.MANAGER
    if any(word in SENIOR for word in words):
        return Seniority.SENIOR
    if any(word in JUNIOR for word in words):
        return Seniority.JUNIOR
    return Seniority.SPECIALIST
