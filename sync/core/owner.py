"""Whose lead this is. Pure: pools, facts and the time in, one answer out.

One turn per person, and the same human in every CRM. An owner whom a person chose in one CRM is carried to
the records that nobody owns, and costs no turn. Turns are smooth weighted round robin; because its state
is a function of how many turns each member had, a turn that was given back is simply taken next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from config.hours import WorkingHours
from connectors.records import Crm, RecordRef
from scoring.model import Condition
from scoring.operators import Row, holds

QUEUE_PREFIX = "queue:"
DEFAULT_POOL = "default"

DAY: Final = 86_400
"""Capacity is counted over so many seconds back from now."""

AFTER_HOURS, FULL, ABSENT = "outside working hours", "at capacity", "absent"
YIELDING: Final = ((), (AFTER_HOURS,), (AFTER_HOURS, FULL), (AFTER_HOURS, FULL, ABSENT))
"""What is overlooked, step by step, so that a lead never stays with nobody."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of a pool: normalised address, weight, and when they take leads.

    `capacity`: most turns in a rolling day. `absent`: first and last days, both included, by the zone of
    `hours` (UTC without them).
    """

    email: str
    weight: int = 1
    capacity: int | None = None
    hours: WorkingHours | None = None
    absent: tuple[tuple[date, date], ...] = ()

    def obstacle(self, now: int, lately: int) -> str:
        """Why this member takes no lead now, "" when they do. `lately`: their turns of the last day."""
        if self.is_absent(now):
            return ABSENT
        if self.capacity is not None and lately >= self.capacity:
            return FULL
        return AFTER_HOURS if self.hours is not None and not self.hours.open_at(now) else ""

    def is_absent(self, now: int) -> bool:
        """Whether today is a day away."""
        today = datetime.fromtimestamp(now, UTC).date() if self.hours is None else self.hours.day_of(now)
        return any(first <= today <= last for first, last in self.absent)


@dataclass(frozen=True, slots=True)
class Rule:
    """People for whom `when` holds go to `pool`. `company_owner` None: as the pool says."""

    when: Condition
    pool: str
    company_owner: bool | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """One record of a person and who owns it. `free`: why it may be claimed, "" when somebody was chosen.

    `owner_email` is the human's one address (`routing.same`), not the CRM's.
    """

    ref: RecordRef
    owner_email: str | None
    free: str


@dataclass(frozen=True, slots=True)
class Carry:
    """Somebody was chosen already: the free records get the same human; no turn."""

    email: str
    free: tuple[RecordRef, ...]


@dataclass(frozen=True, slots=True)
class TakeTurn:
    """Nobody was chosen anywhere: the next of the pool."""

    free: tuple[RecordRef, ...]


@dataclass(frozen=True, slots=True)
class LeaveOwner:
    """Nothing to set, and why."""

    reason: str


def who_decides(holdings: Sequence[Holding]) -> Carry | TakeTurn | LeaveOwner:
    """Whether an owner is carried over, a turn is taken, or nothing is to be done, for one person."""
    free = tuple(holding.ref for holding in holdings if holding.free)
    chosen = [holding for holding in holdings if not holding.free]
    if not free:
        return LeaveOwner("every record has an owner that somebody chose")
    if not chosen:
        return TakeTurn(free)
    emails = sorted({holding.owner_email for holding in chosen if holding.owner_email})
    if len(emails) != 1:
        return LeaveOwner("the chosen owner is not one known human")
    return Carry(emails[0], free)


def normal_email(address: str) -> str:
    """An address as owners are compared: trimmed, case-folded."""
    return address.strip().casefold()


def roster(members: Sequence[Member]) -> str:
    """A short name for "these people with these weights"; turns are counted within one roster."""
    text = ",".join(f"{member.email}:{member.weight}" for member in members)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def available(
    members: Sequence[Member], now: int, lately: Mapping[str, int], overlook: Sequence[str] = ()
) -> list[Member]:
    """Members who take a lead at this moment; `overlook` names obstacles that do not count.

    A member for whom two things stand in the way is told by the graver one: absent before at capacity
    before outside working hours.
    """
    return [
        member for member in members if member.obstacle(now, lately.get(member.email, 0)) in ("", *overlook)
    ]


def next_turn(
    members: Sequence[Member], taken: Mapping[str, int], lately: Mapping[str, int] | None = None
) -> Member | None:
    """Whose turn it is after `taken` turns per member of this roster: smooth weighted round robin.

    A tie goes to whoever had the fewest turns `lately` for their weight, then to the first; so rosters that
    come and go with working hours do not all begin with the same person.
    """
    turns = 1 + sum(taken.get(member.email, 0) for member in members)
    total = sum(member.weight for member in members)
    recent = lately or {}
    return max(
        members,
        key=lambda member: (
            turns * member.weight - total * taken.get(member.email, 0),
            -recent.get(member.email, 0) / member.weight,
        ),
        default=None,
    )


def may_own(crm: str, object_name: str, kind: str, *, active: bool) -> bool:
    """Whether an owner of that kind can be set on that object (a queue cannot own a Contact)."""
    if kind == "queue":
        return crm == Crm.SALESFORCE and object_name == "Lead"
    return kind == "person" and active


def rule_for(facts: Row, rules: Sequence[Rule]) -> Rule | None:
    """The first rule that matches a row of the table of people."""
    return next((rule for rule in rules if holds(rule.when, facts, {})), None)
