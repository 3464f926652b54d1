"""HubSpot as a `connectors.base.Connector`: each call goes to the part that knows how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from config.settings import HubSpotSettings
from config.world import World
from connectors import fields
from connectors.errors import NotOffered, RecordRejected, RightMissing
from connectors.hubspot.account import Account
from connectors.hubspot.activities import ACTIVITIES, OPTIONAL, Activities
from connectors.hubspot.catalogue import Catalogue
from connectors.hubspot.events import Events
from connectors.hubspot.forms import Submissions
from connectors.hubspot.known import KnownIds
from connectors.hubspot.links import Links
from connectors.hubspot.lists import SOURCE as LIST_SOURCE
from connectors.hubspot.lists import Memberships
from connectors.hubspot.live import PERSON_SOURCES, PLAIN_BATCH, READ_BATCH, LiveReader
from connectors.hubspot.objects import Objects
from connectors.hubspot.owners import Owners
from connectors.hubspot.parallel import FIRST_SYNC, FirstSync
from connectors.hubspot.reader import AccountDetails, Batch, ObjectPage, Row
from connectors.hubspot.records import COMPANIES, CONTACTS, DEALS, read_row
from connectors.hubspot.replies import CRM
from connectors.hubspot.tasks import TASK_SCOPE, Tasks
from connectors.hubspot.writer import WRITE_BATCH, Writer
from connectors.options import PullOptions
from connectors.records import (
    Capabilities,
    Cursor,
    Feed,
    FeedKind,
    Identity,
    Limits,
    Live,
    NewTask,
    Offered,
    Outcome,
    Owner,
    Page,
    RecordRef,
    Write,
)
from connectors.throttle import Budget

FORM_SUBMISSIONS: Final = "hubspot.form_submissions"
WEB_EVENTS: Final = "hubspot.web_events"
EMAIL_EVENTS: Final = "hubspot.email_events"
LIST_MEMBERSHIPS: Final = "hubspot.list_memberships"
ARCHIVED: Final = ".archived"
CALCULATED: Final = ".calculated"
HALF_A_DAY_MS: Final = 14 * 3_600_000
"""No time zone is further from UTC."""
ARCHIVED_EVERY: Final = 3600  # seconds between two looks at what was archived of activities


def _feed(
    name: str,
    kind: FeedKind,
    *,
    object_name: str = "",
    optional: bool = False,
    swept: bool = False,
    every: int = 0,
) -> Feed:
    return Feed(f"{CRM}.{name}", CRM, object_name or name, kind, optional, swept, every)


def _archive_of(activity: str) -> Feed:
    """What was archived of an activity."""
    name = f"{activity}{ARCHIVED}"
    return _feed(name, FeedKind.DELETIONS, object_name=activity, optional=True, every=ARCHIVED_EVERY)


FEEDS: Final[tuple[Feed, ...]] = (
    _feed("owners", FeedKind.OWNERS, optional=True),
    _feed(COMPANIES, FeedKind.COMPANIES, optional=True, swept=True),
    _feed(CONTACTS, FeedKind.PEOPLE, swept=True),
    _feed(DEALS, FeedKind.DEALS, optional=True, swept=True),
    _feed("associations", FeedKind.LINKS, optional=True),
    _feed("form_submissions", FeedKind.ENGAGEMENTS, optional=True),
    _feed("web_events", FeedKind.ENGAGEMENTS, optional=True),
    _feed("email_events", FeedKind.ENGAGEMENTS, optional=True),
    *(_feed(name, FeedKind.ENGAGEMENTS, optional=True) for name in ACTIVITIES),
    *(
        _feed(f"{name}{ARCHIVED}", FeedKind.DELETIONS, object_name=name, optional=name != CONTACTS)
        for name in (CONTACTS, COMPANIES, DEALS)
    ),
    *(_archive_of(name) for name in ACTIVITIES),
)
"""Every feed that is pulled as shipped, in pulling order."""

OFF: Final[Mapping[str, str]] = {
    **{name: f"{CRM}.{name}" for name in OPTIONAL},
    "list_memberships": LIST_SOURCE,
}
"""Object → engagement source of feeds that no shipped rule makes use of: pulled when a rule does, or when the
configuration says so."""

KINDS: Final[Mapping[str, FeedKind]] = {
    COMPANIES: FeedKind.COMPANIES,
    CONTACTS: FeedKind.PEOPLE,
    DEALS: FeedKind.DEALS,
}


def feeds_of(options: PullOptions) -> tuple[Feed, ...]:
    """Every feed by this configuration, in pulling order."""
    again = [
        _feed(f"{name}{CALCULATED}", kind, object_name=name, optional=True, every=options.refresh_calculated)
        for name, kind in KINDS.items()
        if options.refresh_calculated and options.mapped.get(name)
    ]
    asked = {name: options.of(f"{CRM}.{name}").on for name in OFF}
    further = [
        _feed(name, FeedKind.ENGAGEMENTS, optional=True)
        for name, source in OFF.items()
        if asked[name] or (asked[name] is None and options.engagement.uses(source))
    ]
    further += [_archive_of(feed.object) for feed in further if feed.object in OPTIONAL]
    order = list(FeedKind)
    return tuple(sorted([*FEEDS, *again, *further], key=lambda feed: order.index(feed.kind)))


class HubSpotConnector:
    """One HubSpot account. Signing in is lazy: the first call does what is needed."""

    def __init__(
        self,
        settings: HubSpotSettings,
        options: PullOptions,
        world: World,
        budget: Budget,
        person_sources: Sequence[str] = PERSON_SOURCES,
        first_sync: FirstSync = FIRST_SYNC,
    ) -> None:
        self._world = world
        self._account = Account(settings, world, budget)
        self._catalogue = Catalogue(self._account)
        self._contacts = KnownIds()
        self._objects = Objects(self._account, self._catalogue, options, first_sync, self._contacts)
        self._feeds = feeds_of(options)
        self._links = Links(self._account, options, first_sync, self._contacts)
        self._submissions = Submissions(self._account, options)
        self._events = Events(self._account, options)
        self._activities = Activities(self._account, options, first_sync)
        self._memberships = Memberships(self._account, options)
        self._owners = Owners(self._account)
        self._live = LiveReader(self._account, self._owners.all, person_sources)
        self._writer = Writer(self._account, self._catalogue.offered, self._catalogue.forget)
        self._tasks = Tasks(self._account)

    def __repr__(self) -> str:
        return f"HubSpotConnector({self._account.transport.origin!r})"

    @property
    def crm(self) -> str:
        return CRM

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            conditional_write=False,
            read_batch=READ_BATCH,
            write_batch=WRITE_BATCH,
            field_history=True,
            plain_batch=PLAIN_BATCH,
        )

    @property
    def calls(self) -> int:
        return self._account.calls

    def sign_in(self) -> Identity:
        """Check the token. The account's number and time zone are learnt where the token may read them."""
        portal = ""
        try:
            answer = self._account.read(AccountDetails, "account")
        except (NotOffered, RightMissing, RecordRejected):
            query = [("limit", "1")]
            self._account.read(ObjectPage, "objects", query=query, object=CONTACTS)
        else:
            details: AccountDetails = answer.value
            portal = "" if details.portalId is None else str(details.portalId)
            if (
                details.utcOffsetMilliseconds is not None
                and abs(details.utcOffsetMilliseconds) <= HALF_A_DAY_MS
            ):
                self._account.zone_offset = timedelta(milliseconds=details.utcOffsetMilliseconds)
        return Identity(
            crm=CRM,
            account_id=portal,
            user_id="",
            user_name="",
            origin=self._account.transport.origin,
            skew_seconds=self._account.skew_ms / 1000,
        )

    def feeds(self) -> Sequence[Feed]:
        return self._feeds

    def changes(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        if feed.kind is FeedKind.DELETIONS:
            of_people = feed.object in KINDS
            return (self._objects if of_people else self._activities).archived_pages(feed, cursor)
        if feed.kind is FeedKind.OWNERS:
            return self._owners.pages(feed, cursor)
        if feed.kind is FeedKind.LINKS:
            return self._links.pages(feed, cursor)
        if feed.name.endswith(CALCULATED):
            return self._objects.calculated_pages(feed, cursor)
        if feed.kind is not FeedKind.ENGAGEMENTS:
            return self._objects.pages(feed, cursor)
        special = {
            LIST_MEMBERSHIPS: self._memberships.pages,
            FORM_SUBMISSIONS: self._submissions.pages,
            WEB_EVENTS: self._events.web_pages,
            EMAIL_EVENTS: self._events.email_pages,
        }
        if feed.name not in special and feed.object not in (*ACTIVITIES, *OPTIONAL):
            raise NotOffered(f"no feed {feed.name}", what=feed.name, crm=CRM)
        return special.get(feed.name, self._activities.pages)(feed, cursor)

    def fetch(self, object_name: str, ids: Sequence[str]) -> Page:
        feed = next((f for f in FEEDS if f.name == f"{CRM}.{object_name}"), None)
        if feed is None or object_name not in (CONTACTS, COMPANIES, DEALS):
            raise NotOffered(f"no records called {object_name}", what=object_name, crm=CRM)
        return self._objects.fetch(feed, ids)

    def find(self, email: str) -> Sequence[RecordRef]:
        """By search on both address properties, and directly by address: the search index may be late."""
        wanted = email.strip().casefold()
        if not wanted:
            return []
        found = [*self._search_address(wanted), *self._by_address(wanted)]
        return list(
            dict.fromkeys(RecordRef(CRM, CONTACTS, str(row.id)) for row in found if _has(row, wanted))
        )

    def _search_address(self, wanted: str) -> list[Row]:
        groups = [
            [{"propertyName": "email", "operator": "EQ", "value": wanted}],
            [{"propertyName": "hs_additional_emails", "operator": "CONTAINS_TOKEN", "value": wanted}],
        ]
        body = {
            "filterGroups": [{"filters": filters} for filters in groups],
            "properties": ["email", "hs_additional_emails"],
            "limit": 100,
        }
        try:
            answer = self._account.read(ObjectPage, "search", body=body, object=CONTACTS)
        except (NotOffered, RightMissing):  # no search here: what the address itself leads to is all
            return []
        except RecordRejected:  # an account without the second property
            body["filterGroups"] = [{"filters": groups[0]}]
            answer = self._account.read(ObjectPage, "search", body=body, object=CONTACTS)
        rows = [read_row(raw, CONTACTS) for raw in answer.value.results]
        return [row for row in rows if isinstance(row, Row)]

    def _by_address(self, wanted: str) -> list[Row]:
        """By a batch read, whose body holds the address: a URL would end up in logs."""
        body = {
            "idProperty": "email",
            "inputs": [{"id": wanted}],
            "properties": ["email", "hs_additional_emails"],
        }
        try:
            answer = self._account.read(Batch, "batch_read", body=body, object=CONTACTS)
        except (NotOffered, RecordRejected):
            return []
        rows = [read_row(raw, CONTACTS) for raw in answer.value.results]
        return [row for row in rows if isinstance(row, Row) and not row.archived]

    def ids(self, object_name: str, after: str = "") -> Iterator[Sequence[str]]:  # noqa: ARG002
        return self._objects.ids(object_name)

    def read(
        self, object_name: str, ids: Sequence[str], fields: Sequence[str], *, history: bool = True
    ) -> Sequence[Live]:
        return self._live.read(object_name, ids, fields, history=history)

    def write(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        return self._writer.write(writes)

    def create_task(self, task: NewTask) -> Outcome:
        return self._tasks.create(task)

    def find_task(self, task: NewTask) -> RecordRef | None:
        return self._tasks.find(task)

    def task_right(self, kind: str) -> str | None:
        granted = self._account.granted_scopes()
        if granted is None or TASK_SCOPE in granted:
            return None if granted is None else ""
        return f"the token has no scope {TASK_SCOPE}, which a {kind} needs"

    def owners(self) -> Sequence[Owner]:
        return self._owners.all()

    def offered(self, object_name: str, field: str) -> Offered:
        return self._catalogue.offered(object_name, field)

    def limits(self) -> Limits:
        return self._account.limits

    def close(self) -> None:
        self._contacts.forget()
        self._account.close()


def _has(row: Row, wanted: str) -> bool:
    addresses = [fields.text(row.properties.get("email")) or ""]
    addresses += fields.split_list(row.properties.get("hs_additional_emails"))
    return wanted in (address.strip().casefold() for address in addresses)
