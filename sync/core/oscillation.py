"""Two writers who undo each other, over and over. Pure.

Whoever else writes a field of ours back every time (a workflow, a sync, a person) would be fought for ever:
after the third flip within a day nobody but a person can end it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sync.core.cases import same, shown

WITHIN: int = 86_400
"""Seconds that are looked back."""

FLIPS = 3
"""So many changes of a value by alternating writers, after our first, are a quarrel."""

WE, ANOTHER = "we", "another"


def quarrel(purpose: str, ours: Sequence[tuple[str | None, str | None]], live: str | None) -> str:
    """The sequence of values in words when two writers alternate; "" when they do not.

    `ours`: our proved writes of the field within a day, oldest first, each with the value that it replaced.
    """
    steps: list[tuple[str, str | None]] = []
    flips = 0
    for before, after in ours:
        if steps and not same(purpose, before, steps[-1][1]):
            steps.append((ANOTHER, before))
            flips += 1
        if steps and steps[-1][0] == ANOTHER:
            flips += 1
        steps.append((WE, after))
    if steps and not same(purpose, live, steps[-1][1]):
        steps.append((ANOTHER, live))
        flips += 1
    if flips < FLIPS or steps[-1][0] != ANOTHER:
        return ""
    return ", ".join(f"{who} {shown(value)}" for who, value in steps)
