"""Whose lead this is. Pure: pools and facts in, one answer out.

One turn per person, and the same human in every CRM. An owner whom a person chose in one CRM is carried to
the records that nobody owns, and costs no turn. Turns are smooth weighted round robin; because its state
is a function of how many turns each member had, a turn that was given back is simply taken next.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.records import Crm, RecordRef

OPERATORS = frozenset({"in", "equals", "glob", "is_set"})
"""What a routing rule may ask of a fact; text is compared ignoring case."""

QUEUE_PREFIX = "queue:"
DEFAULT_POOL = "default"


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of a pool: normalised address and weight."""

    email: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Holding:
    """One record of a person and who owns it. `free`: why it may be claimed, "" when somebody was chosen."""

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


def next_turn(members: Sequence[Member], taken: Mapping[str, int]) -> Member | None:
    """Whose turn it is after `taken` turns per member: smooth weighted round robin; first wins a tie."""
    turns = 1 + sum(taken.get(member.email, 0) for member in members)
    total = sum(member.weight for member in members)
    return max(
        members,
        key=lambda member: turns * member.weight - total * taken.get(member.email, 0),
        default=None,
    )


def may_own(crm: str, object_name: str, kind: str, *, active: bool) -> bool:
    """Whether an owner of that kind can be set on that object (a queue cannot own a Contact)."""
    if kind == "queue":
        return crm == Crm.SALESFORCE and object_name == "Lead"
    return kind == "person" and active


def pool_for(
    facts: Mapping[str, object], rules: Sequence[tuple[Mapping[str, Any], str]], pools: Collection[str]
) -> str | None:
    """The pool of a person: of the first rule that matches, else the default one; None: there is none."""
    for when, pool in rules:
        if pool in pools and all(_holds(facts.get(name), asked) for name, asked in when.items()):
            return pool
    return DEFAULT_POOL if DEFAULT_POOL in pools else None


def unknown_operators(when: Mapping[str, Any]) -> list[str]:
    """What a rule asks that we do not understand, as `field.operator`."""
    wrong = []
    for name, asked in when.items():
        if isinstance(asked, Mapping):
            wrong += [f"{name}.{operator}" for operator in asked if operator not in OPERATORS]
    return wrong


def _holds(fact: object, asked: Any) -> bool:
    text = "" if fact is None else str(fact).strip().casefold()
    if not isinstance(asked, Mapping):
        return text == str(asked).strip().casefold()
    return all(_compare(text, operator, value) for operator, value in asked.items())


def _compare(text: str, operator: str, value: Any) -> bool:
    if operator == "in":
        return text in {str(one).strip().casefold() for one in value}
    if operator == "equals":
        return text == str(value).strip().casefold()
    if operator == "glob":
        return fnmatch.fnmatchcase(text, str(value).casefold())
    return operator == "is_set" and bool(text) is bool(value)
