"""What a pull delivers: feeds, cursors and pages."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from connectors.records.deals import DealRecord, LinkSet
from connectors.records.engagements import Dismissed, EngagementRecord, ListPart
from connectors.records.people import CompanyRecord, Owner, PersonRecord
from connectors.records.refs import Poison, Tombstone


class FeedKind(StrEnum):
    """What a feed brings; the order here is the order in which a pass pulls them."""

    OWNERS = "owners"
    COMPANIES = "companies"
    PEOPLE = "people"
    DEALS = "deals"
    LINKS = "links"
    ENGAGEMENTS = "engagements"
    DELETIONS = "deletions"


@dataclass(frozen=True, slots=True)
class Feed:
    """One stream of changes with a cursor of its own.

    `name` is unique and stable (the cursor is stored under it), for example `salesforce.Lead` or
    `hubspot.contacts.archived`; `object` is the heading under which its counts are reported.
    `optional` feeds that the account does not offer are reported and skipped, never an error.
    `swept`: the ids of the object can be listed, and a full pass compares them with ours.
    `every`: a feed that reads again what others have read, at most once in so many seconds (0: at each pull).
    """

    name: str
    crm: str
    object: str
    kind: FeedKind
    optional: bool = False
    swept: bool = False
    every: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a feed is stored. Written with the rows of the page that it follows.

    Everything up to `since_ms` is stored. While `until_ms` is set a window (since_ms - overlap, until_ms]
    is under way and `position` says where in it to go on; a finished window moves `since_ms` to its end.
    `state` is the connector's own (a job id, a road taken), any JSON text.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    position: str | None = None
    state: str | None = None

    def to_json(self) -> str:
        """The cursor as the mirror stores it."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Cursor:
        """The cursor that `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a feed, stored in one transaction together with `cursor`.

    `seen` counts the rows the CRM showed as live (rows delivered as deleted or archived are tombstones
    and are not in `seen`); seen = stored + unchanged + parked. `complete` marks the last page of the pass.
    `lists`, at the end of a pass over lists: those that are followed; what is known of others is dropped.
    `left`: about how many rows of this pass come after it; None where the CRM does not tell.
    """

    feed: Feed
    cursor: Cursor
    server_ms: int
    complete: bool
    calls: int = 1
    seen: int = 0
    people: tuple[PersonRecord, ...] = ()
    companies: tuple[CompanyRecord, ...] = ()
    deals: tuple[DealRecord, ...] = ()
    links: tuple[LinkSet, ...] = ()
    engagements: tuple[EngagementRecord, ...] = ()
    owners: tuple[Owner, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()
    poison: tuple[Poison, ...] = ()
    list_parts: tuple[ListPart, ...] = ()
    lists: tuple[str, ...] | None = None
    dismissed: tuple[Dismissed, ...] = ()
    left: int | None = None
