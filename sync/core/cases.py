"""What may be decided about one field of one record, and what a policy looks at. Pure.

SetField    set it, for this reason
Leave       do not; `until_ms` is set when only the moment is wrong
Moved       the record is gone; `to` is its survivor where there is one
AskPerson   cannot be told safely; a person has to look
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from connectors.records import Author, Crm, FieldVersion, Live, RecordRef
from sync.core.authors import OurWrite, newest_by

LIFECYCLE_LADDER = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
)
"""HubSpot's default order of lifecycle stages, low to high."""

MACHINE = "machine"
"""The policy of our own fields, which no person edits."""

REPAIR = "repair"
"""The policy of an intent that puts back a person's edit which our write covered."""

UNDO = "undo"
"""The policy of an intent that puts back what stood there before our write, by somebody's order."""

DEMOTE = "demote"
"""The policy of an intent that takes a lifecycle stage back, by somebody's order."""

REASSIGN = "reassign"
"""The policy of an owner intent that takes an MQL nobody touched in time on to the next in turn."""

RESTORING = (REPAIR, UNDO, DEMOTE)
"""Policies that set a value which is not ours, on fields that the configuration need not name any more."""

ORDERED = (UNDO, DEMOTE)
"""Policies of what somebody ordered: it never goes out without the word of whoever did."""


class Why(StrEnum):
    """One word for the reason of a decision or an end, as the outbox stores it."""

    WANTED = "wanted"
    EQUAL = "equal"
    HUMAN = "human"
    AUTOMATION = "automation"
    POLICY = "policy"
    QUIET = "quiet"
    MOVED = "moved"
    GONE = "gone"
    STALE = "stale"
    NOT_NEEDED = "not_needed"
    NEWER = "newer"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    OWNER_ELSEWHERE = "owner_elsewhere"
    OWNER_REFUSED = "owner_refused"
    OVERRIDDEN = "overridden_by_automation"
    REPEATED = "repeated"
    UNDONE = "undone"
    RELEASED = "released"
    QUARREL = "quarrel"
    REFUSED = "refused"
    SILENT = "refused_silently"
    CANNOT_TELL = "cannot_tell"
    KEPT_CHANGING = "kept_changing"
    REPAIR_FAILED = "repair_failed"
    UNKNOWN = "unknown"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class SetField:
    """Set the field to `value`."""

    value: str | None
    reason: str
    why: Why = Why.WANTED


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave the field alone; for good, or until `until_ms` (the CRM's clock)."""

    why: Why
    reason: str
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """The record is gone; the change belongs to `to`, to be decided anew there (None: nowhere)."""

    to: RecordRef | None
    reason: str
    why: Why = Why.MOVED


@dataclass(frozen=True, slots=True)
class AskPerson:
    """Nobody but a person can tell."""

    reason: str
    why: Why = Why.CANNOT_TELL


Decision = SetField | Leave | Moved | AskPerson


@dataclass(frozen=True, slots=True)
class Target:
    """One field that may be written, and its policy. `from_` holds None for "empty"."""

    crm: str
    object: str
    purpose: str
    field: str
    policy: str
    from_: frozenset[str | None] = frozenset()
    ladder: tuple[str, ...] = ()
    human_only: frozenset[str] = frozenset()
    demote_from: frozenset[str] = frozenset()
    free_owners: frozenset[str] = frozenset()  # ids that own records without anybody having chosen them
    pinned_ms: int | None = None  # `human_wins`: how long a person's edit holds; None: until released

    @property
    def forward_only(self) -> bool:
        """HubSpot keeps the current lifecycle stage when it is asked to go back."""
        return self.crm == Crm.HUBSPOT and self.field == "lifecyclestage"

    @property
    def steps(self) -> tuple[str, ...]:
        """The values of a ladder, low to high."""
        return self.ladder or (LIFECYCLE_LADDER if self.forward_only else ())


@dataclass(frozen=True, slots=True)
class Verified:
    """What we last proved to stand in the field, and when (the CRM's clock)."""

    value: str | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class Known:
    """What we know about one field of one record beside its live state.

    `seen` is the value that the decision was first made on; `ours` are our own writes of this field that
    were sent; `our_source` is the author word that HubSpot shows for them ("" until learnt). `emptied`: the
    first of two steps of this change went out, so it may be us who left the field empty. `earlier`: the
    verified value is of an earlier time as an MQL. `released_ms`: an administrator let go what stood there
    then. `mirrored`: the live state is what the mirror has, which knows no authors.
    """

    seen: str | None = None
    verified: Verified | None = None
    ours: tuple[OurWrite, ...] = ()
    our_source: str = ""
    quiet_ms: int = 0
    emptied: bool = False
    earlier: bool = False
    released_ms: int = 0
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a policy looks at."""

    target: Target
    live: Live
    desired: str | None
    known: Known
    value: str | None
    versions: tuple[FieldVersion, ...] = field(default_factory=tuple)

    @property
    def person_since_verified(self) -> FieldVersion | None:
        """The newest version that a person wrote after our last verified value."""
        newest = newest_by(self.versions, Author.PERSON)
        verified = self.known.verified
        if newest is None or verified is None or newest.at_ms > verified.at_ms:
            return newest
        same_moment = newest.at_ms == verified.at_ms and newest is self.versions[0]
        return newest if same_moment and newest.value != verified.value else None


def same(purpose: str, left: str | None, right: str | None) -> bool:
    """Whether two values of a field of that purpose are one value ("" is empty; 55 is 55.0)."""
    left, right = left or None, right or None
    if left == right:
        return True
    if left is None or right is None:
        return False
    if purpose == "owner":
        return same_owner(left, right)
    if purpose == "score":
        return _number(left) is not None and _number(left) == _number(right)
    if purpose == "mql_date":
        return left[:10] == right[:10]
    return False


def same_owner(left: str, right: str) -> bool:
    """Owner ids, equal across Salesforce's 15 and 18 character forms."""
    if {len(left), len(right)} == {15, 18}:
        return left[:15] == right[:15]
    return left == right


def shown(value: str | None) -> str:
    """A value as it stands in a reason."""
    return "empty" if not value else f'"{value}"'


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None  # a text field may hold "NaN", which equals nothing
