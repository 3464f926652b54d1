"""What a representative reads beside a new MQL. Pure: facts in, one line of text out.

    MQL since 2026-11-20, fast track demo: 95 points, A1. Why: demo request +40, pricing pages +25.
    Last: demo requested "Book a demo" 2026-11-20; page view "example.com/pricing" 2026-11-19.
    Content: "ROI whitepaper". Source: Web.

In order of importance; what does not fit into the field is left out, whole parts and items at a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SHORT: Final = 255
"""What the shortest usual text field holds: taken where a CRM does not say."""
LONGEST: Final = 1_000
"""More than that nobody reads beside a lead."""
ITEM: Final = 60
"""Characters of one title."""

CONTENT: Final = frozenset({"content_downloaded", "webinar_registered", "webinar_attended"})
"""Kinds of engagement whose asset somebody has read or seen."""


@dataclass(frozen=True, slots=True)
class Did:
    """Something that the person did; `day` is an ISO date."""

    kind: str
    asset: str | None
    day: str


@dataclass(frozen=True, slots=True)
class HandOffFacts:
    """What made somebody an MQL. `rules`: (rule, points), largest first; `did`: newest first."""

    since: str
    entered_by: str
    points: float | None
    grade: str | None
    rules: Sequence[tuple[str, float]]
    did: Sequence[Did]
    source: str | None


def hand_off_text(facts: HandOffFacts, limit: int) -> str:
    """The text, at most `limit` characters."""
    text = _opening(facts)
    parts = (
        ("Why", ", ", [f"{_words(rule)} {points:+g}" for rule, points in facts.rules if points > 0]),
        ("Last", "; ", _last(facts.did)),
        ("Content", ", ", _content(facts.did)),
        ("Source", "", [_short(facts.source)] if facts.source else []),
    )
    for name, joiner, items in parts:
        text += _fitting(name, joiner, items, limit - len(text))
    return text if len(text) <= limit else text[: max(0, limit - 1)].rstrip() + "…"


def _fitting(name: str, joiner: str, items: Sequence[str], room: int) -> str:
    """` Name: a, b.` with as many items as there is room for; "" when not even one fits."""
    for count in range(len(items), 0, -1):
        part = f" {name}: {joiner.join(items[:count])}."
        if len(part) <= room:
            return part
    return ""


def _opening(facts: HandOffFacts) -> str:
    by = "" if facts.entered_by == "threshold" else f", {_words(facts.entered_by)}"
    total = "" if facts.points is None else f": {facts.points:g} points, {facts.grade}"
    return f"MQL since {facts.since}{by}{total}."


def _last(did: Sequence[Did]) -> list[str]:
    """The three newest, each thing once."""
    seen: dict[tuple[str, str], str] = {}
    for one in did:
        title = f' "{_short(one.asset)}"' if one.asset else ""
        seen.setdefault((one.kind, title), f"{_words(one.kind)}{title} {one.day}")
    return list(seen.values())[:3]


def _content(did: Sequence[Did]) -> list[str]:
    """Titles of content, newest first, each once."""
    titles = [f'"{_short(one.asset)}"' for one in did if one.kind in CONTENT and one.asset]
    return list(dict.fromkeys(titles))[:5]


def _words(name: str) -> str:
    """`fast_track:demo_request` → `fast track demo request`."""
    return re.sub(r"[_:]+", " ", name).strip()


def _short(text: str) -> str:
    """A title on one line, without control characters; an address without scheme and query."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if re.match(r"https?://", line, re.IGNORECASE):
        line = re.sub(r"[?#].*", "", line.partition("://")[2]).rstrip("/")
    line = line.replace('"', "'")
    return line if len(line) <= ITEM else line[: ITEM - 1].rstrip() + "…"
