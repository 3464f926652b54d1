"""The shapes of a simulated population: plain rows on a time line that knows no store.

Times are seconds relative to "now" (negative: past, positive: future), so that one population can be laid
under any clock. Records name each other by key; ids are made by whoever loads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

DAY = 86_400.0

Values = Mapping[str, Any]


class When(float):
    """A field value that is a moment, in seconds relative to now."""


class OnDay(float):
    """A field value that is a calendar day, in seconds relative to now."""


class Row(NamedTuple):
    """A record that comes into being at `at`. `links`: field → key of the record whose id it holds.

    `touched`: when it was last modified (≥ at). `joins`: keys of records it is associated with (HubSpot).
    `maker`: key of the owner who made it, else somebody of the org's own.
    """

    crm: str
    object: str
    key: str
    at: float
    touched: float
    fields: Values
    links: Mapping[str, str] = {}
    joins: tuple[str, ...] = ()
    maker: str = ""


class Change(NamedTuple):
    """Fields of an existing record that change at `at`; `author` is who did it (person, automation).

    `actor`: key of the owner who did it, when it was a person.
    """

    crm: str
    key: str
    at: float
    fields: Values
    author: str
    links: Mapping[str, str] = {}
    actor: str = ""


class Removal(NamedTuple):
    """Somebody deletes or archives a record at `at`, or merges it into the record `into`."""

    crm: str
    key: str
    at: float
    into: str = ""


class WebEvent(NamedTuple):
    """A HubSpot contact looked at a page."""

    contact: str
    at: float
    url: str
    title: str


class Submission(NamedTuple):
    """Somebody sent a form with this address; `contact` is the HubSpot contact, if there is one."""

    form: str
    at: float
    email: str
    contact: str | None
    values: Values
    page: str


class MailEvent(NamedTuple):
    """Something happened to an e-mail: SENT, DELIVERED, OPEN, CLICK, BOUNCE, STATUSCHANGE."""

    kind: str
    at: float
    recipient: str
    mailing: int  # index in people_pools.MAILINGS
    bot: bool = False
    detail: str = ""  # the URL of a CLICK, the new status of a STATUSCHANGE


Happening = Row | Change | Removal | WebEvent | Submission | MailEvent


class OwnerRow(NamedTuple):
    """Somebody or something that owns records: `kind` is rep, manager, integration or queue."""

    key: str
    email: str
    first: str
    last: str
    kind: str
    active: bool
    salesforce: bool
    hubspot: bool


class Employer(NamedTuple):
    """A company as it really is."""

    key: str
    name: str
    domain: str
    size: int | None
    industry: tuple[str, str]
    place: int  # index in people_pools.PLACES
    kind: str  # prospect, customer, competitor, school, free
    salesforce: bool
    hubspot: bool


@dataclass(slots=True)
class Human:
    """One human as they really are, and the keys of the records that stand for them."""

    number: int
    first: str
    last: str
    email: str
    title: str
    senior: bool
    employer: Employer
    city: str
    plan: str  # which journey they make, see people_acts
    born: float  # when they first became known, relative to now
    hubspot: str | None = None
    lead: str | None = None
    contact: str | None = None
    hs_email: str | None = None
    phone: str = ""
    opted_out: bool = False
    converted: bool = False
    owner: str | None = None
    notes: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Population:
    """Everything: what lies before now (`past`), and what comes after (`future`, soonest first)."""

    owners: list[OwnerRow]
    employers: list[Employer]
    humans: list[Human]
    past: list[Happening]
    future: list[Happening]
