"""Blast radius: how much may go out unasked. Pure.

Over a limit nothing is lost and nothing else stops: the plan waits for somebody's word. The limits look at
the fields that people read and work by; our own fields (policy `machine`) change every day for everybody
and count only at the first run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SHARE_FROM_PEOPLE = 100
"""The share of people is looked at from this many people on."""

SHRUNK_SHARE = 0.2
"""A mirror that lost this share of its live records since the last writing run is not believed."""

SHRUNK_FROM_RECORDS = 100
"""That is looked at where there were this many live records: among a few, one merge is a large share."""


class Limit(StrEnum):
    """The limits, by the name of their setting where they have one."""

    FIRST_RUN = "first_run_needs_approval"
    RECORDS = "records_per_run"
    SHARE = "share_of_people"
    PER_OWNER = "per_owner_per_day"
    DEMOTIONS = "demotions"
    CLEARS = "clears"
    SHRUNK = "mirror_shrank"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is usual. `first_run` False: the first run needs nobody's word."""

    first_run: bool = True
    records_per_run: int = 500
    share_of_people: float = 0.05
    per_owner_per_day: int = 50


@dataclass(frozen=True, slots=True)
class Blast:
    """What would go out, and what it is measured against.

    `changes` counts all fields; `records` and `people` only those with a field that people work by.
    `owners`: per owner, what the last day brought plus what would come now. `approved`: this model with
    this mapping was approved before. `live_before`: live records at the last writing run (0: never).
    """

    changes: int
    records: int
    people: int
    population: int
    approved: bool
    owners: Mapping[str, int] = field(default_factory=dict)
    demotions: int = 0
    clears: int = 0
    live_now: int = 0
    live_before: int = 0


@dataclass(frozen=True, slots=True)
class Blocked:
    """One limit that is exceeded, with its numbers."""

    limit: Limit
    planned: float
    allowed: float
    sentence: str


def blocked_by(blast: Blast, limits: Limits) -> tuple[Blocked, ...]:
    """Every limit that this exceeds; empty when it may go out, and always when there is nothing to send."""
    if not blast.changes:
        return ()
    found: list[Blocked] = []
    if limits.first_run and not blast.approved:
        text = "the first writing run with this model and mapping needs approval"
        found.append(Blocked(Limit.FIRST_RUN, blast.changes, 0, text))
    if blast.records > limits.records_per_run:
        text = f"{blast.records} records in one run; usual are at most {limits.records_per_run}"
        found.append(Blocked(Limit.RECORDS, blast.records, limits.records_per_run, text))
    found += _share(blast, limits)
    found += _owners(blast, limits)
    if blast.demotions:
        text = f"{blast.demotions} fields would go down a step"
        found.append(Blocked(Limit.DEMOTIONS, blast.demotions, 0, text))
    if blast.clears:
        found.append(Blocked(Limit.CLEARS, blast.clears, 0, f"{blast.clears} fields would be emptied"))
    before = blast.live_before
    if before >= SHRUNK_FROM_RECORDS and blast.live_now < before * (1 - SHRUNK_SHARE):
        text = f"the mirror shrank from {before} to {blast.live_now} live records"
        found.append(Blocked(Limit.SHRUNK, blast.live_now, before, text))
    return tuple(found)


def _share(blast: Blast, limits: Limits) -> list[Blocked]:
    if blast.population < SHARE_FROM_PEOPLE:
        return []
    allowed = int(blast.population * limits.share_of_people)
    if blast.people <= allowed:
        return []
    share = blast.people / blast.population
    text = (
        f"{blast.people} of {blast.population} people ({share:.1%}); "
        f"usual are at most {limits.share_of_people:.0%}"
    )
    return [Blocked(Limit.SHARE, blast.people, allowed, text)]


def _owners(blast: Blast, limits: Limits) -> list[Blocked]:
    return [
        Blocked(
            Limit.PER_OWNER,
            count,
            limits.per_owner_per_day,
            f"{owner} would get {count} records in a day; usual are at most {limits.per_owner_per_day}",
        )
        for owner, count in sorted(blast.owners.items())
        if count > limits.per_owner_per_day
    ]
