"""A CRM that is a dict: the reference implementation of the contract, and the fast subject of many tests.

It keeps what real CRMs keep (versions of every field with their authors, tombstones, a change number)
and refuses what they refuse. Tests act on it as people do: `put`, `edit`, `delete`, `merge`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.world import World
from connectors.errors import Fatal, NotOffered
from connectors.records import (
    Author,
    Capabilities,
    CompanyRecord,
    Cursor,
    DealRecord,
    EngagementRecord,
    Feed,
    FeedKind,
    FieldVersion,
    GoneReason,
    Identity,
    Limits,
    LinkSet,
    Live,
    NewTask,
    Offered,
    Outcome,
    OutcomeKind,
    Owner,
    Page,
    PersonRecord,
    Poison,
    RecordRef,
    RefusalClass,
    Tombstone,
    Write,
)

NATIVE_NAMES: Mapping[str, Mapping[str, str]] = {
    "Lead": {"status": "Status", "owner_id": "OwnerId"},
    "Contact": {"status": "Lead_Status__c", "owner_id": "OwnerId"},
    "contacts": {"status": "hs_lead_status", "lifecycle": "lifecyclestage", "owner_id": "hubspot_owner_id"},
}
"""Canonical name → the CRM's field, where write-back addresses it by that name."""

PEOPLE: Mapping[str, tuple[str, ...]] = {"salesforce": ("Lead", "Contact"), "hubspot": ("contacts",)}


@dataclass(slots=True)
class MemoryRecord:
    """One person record as the CRM holds it; `fields` by the CRM's own names."""

    ref: RecordRef
    fields: dict[str, str | None]
    created_ms: int
    modified_ms: int
    change: int
    modified_by: Author = Author.PERSON
    versions: dict[str, list[FieldVersion]] = field(default_factory=dict)
    gone: Tombstone | None = None


class MemoryConnector:
    """`connectors.base.Connector` over a dict. `crm` decides its manners: Salesforce writes conditionally
    and knows the last author of a record, HubSpot knows the author of every version."""

    def __init__(self, crm: str, world: World, *, page_size: int = 100) -> None:
        self._crm = crm
        self._world = world
        self._page_size = page_size
        self._change = 0
        self._calls = 0
        self.records: dict[RecordRef, MemoryRecord] = {}
        self.companies: dict[str, tuple[int, CompanyRecord]] = {}
        self.deals: dict[str, tuple[int, DealRecord]] = {}
        self.links: dict[tuple[str, str, str], tuple[int, LinkSet]] = {}
        self.engagements: dict[tuple[str, str], tuple[int, EngagementRecord]] = {}
        self.poison: list[tuple[int, Poison]] = []
        self.people_who_own: dict[str, Owner] = {}
        self.options: dict[tuple[str, str], tuple[str, ...]] = {}
        self.options_of_type: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
        self.read_only: set[tuple[str, str]] = set()
        self.writes: list[Write] = []
        self.tasks: dict[RecordRef, NewTask] = {}
        self.answer_task: Callable[[NewTask], Outcome | None] | None = None
        self.before_write: Callable[[Write], None] | None = None
        self.answer: Callable[[Write, Outcome], Outcome] | None = None

    # What tests do to it, as people and automation do to a CRM.

    def put(
        self, object_name: str, record_id: str, author: Author = Author.PERSON, **fields: Any
    ) -> RecordRef:
        """Create or change a record by canonical or native field names, now."""
        ref = RecordRef(self._crm, object_name, record_id)
        native = {self._native(object_name, name): _text(value) for name, value in fields.items()}
        if ref not in self.records:
            now = self._now_ms()
            self.records[ref] = MemoryRecord(ref, {}, now, now, 0)
        self._set(self.records[ref], native, author)
        return ref

    def edit(self, ref: RecordRef, author: Author = Author.PERSON, **fields: Any) -> None:
        """Change fields of an existing record."""
        native = {self._native(ref.object, name): _text(value) for name, value in fields.items()}
        self._set(self.records[ref], native, author)

    def delete(self, ref: RecordRef) -> None:
        """The record goes to the bin."""
        reason = GoneReason.DELETED if self._crm == "salesforce" else GoneReason.ARCHIVED
        self._bury(ref, reason, None)

    def merge(self, loser: RecordRef, survivor: RecordRef, reason: GoneReason = GoneReason.MERGED) -> None:
        """`loser` becomes part of `survivor` (or is converted into it)."""
        self._bury(loser, reason, survivor)

    def add_company(self, record: CompanyRecord) -> None:
        """Create or replace a company."""
        self.companies[record.id] = (self._next(), record)

    def add_deal(self, record: DealRecord) -> None:
        """Create or replace a deal."""
        self.deals[record.id] = (self._next(), record)

    def add_links(self, links: LinkSet) -> None:
        """Replace the links of one record to one kind of object."""
        self.links[links.from_object, links.from_id, links.to_object] = (self._next(), links)

    def add_engagement(self, record: EngagementRecord) -> None:
        """Somebody did something."""
        self.engagements[record.source, record.id] = (self._next(), record)

    def add_poison(self, poison: Poison) -> None:
        """A row that cannot be read."""
        self.poison.append((self._next(), poison))

    def add_owner(self, owner: Owner) -> None:
        """Somebody who may own records."""
        self.people_who_own[owner.id] = owner

    # The contract.

    @property
    def crm(self) -> str:
        return self._crm

    @property
    def calls(self) -> int:
        return self._calls

    @property
    def capabilities(self) -> Capabilities:
        guarded = self._crm == "salesforce"
        return Capabilities(
            conditional_write=guarded,
            read_batch=50,
            write_batch=25 if guarded else 50,
            field_history=not guarded,
            plain_batch=100,
        )

    def sign_in(self) -> Identity:
        return Identity(self._crm, "memory", "us", "mqlsync", "memory://", 0.0)

    def feeds(self) -> Sequence[Feed]:
        kinds: list[tuple[str, FeedKind]] = [("owners", FeedKind.OWNERS), ("companies", FeedKind.COMPANIES)]
        kinds += [(name, FeedKind.PEOPLE) for name in PEOPLE[self._crm]]
        kinds += [("deals", FeedKind.DEALS), ("links", FeedKind.LINKS), ("engagements", FeedKind.ENGAGEMENTS)]
        return [
            Feed(f"{self._crm}.{name}", self._crm, name, kind, swept=kind is FeedKind.PEOPLE)
            for name, kind in kinds
        ]

    def changes(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        if feed.kind is FeedKind.OWNERS:
            yield self._page(feed, [], 0, complete=True, owners=tuple(self.owners()))
            return
        after = int(cursor.position) if cursor is not None and cursor.position else 0
        while True:
            rows = sorted((row for row in self._rows(feed) if row[0] > after), key=lambda row: row[0])
            chunk = rows[: self._page_size]
            after = chunk[-1][0] if chunk else after
            complete = len(rows) <= self._page_size
            yield self._page(feed, [row for _, row in chunk], after, complete=complete)
            if complete:
                return

    def fetch(self, object_name: str, ids: Sequence[str]) -> Page:
        feed = Feed(f"{self._crm}.{object_name}", self._crm, object_name, FeedKind.PEOPLE)
        found: list[object] = []
        for record_id in ids:
            record = self.records.get(RecordRef(self._crm, object_name, record_id))
            if record is None:
                gone = Tombstone(self._crm, object_name, record_id, GoneReason.ABSENT.value, self._now_ms())
                found.append(gone)
            else:
                found.append(record.gone or self._person(record))
        return self._page(feed, found, 0, complete=True)

    def find(self, email: str) -> Sequence[RecordRef]:
        self._calls += 1
        wanted = email.strip().casefold()
        return [
            record.ref
            for record in self.records.values()
            if record.gone is None and (record.fields.get("email") or "").casefold() == wanted
        ]

    def ids(self, object_name: str, after: str = "") -> Iterator[Sequence[str]]:
        live = [
            ref.id for ref, record in self.records.items() if ref.object == object_name and not record.gone
        ]
        wanted = sorted(id_ for id_ in live if id_ > after)
        for start in range(0, max(1, len(wanted)), self._page_size):
            self._calls += 1
            yield wanted[start : start + self._page_size]

    def read(
        self, object_name: str, ids: Sequence[str], fields: Sequence[str], *, history: bool = True
    ) -> Sequence[Live]:
        if len(ids) > (self.capabilities.read_batch if history else self.capabilities.plain_batch):
            raise Fatal(f"{len(ids)} ids in one read", crm=self._crm)
        self._calls += 1
        refs = [RecordRef(self._crm, object_name, record_id) for record_id in ids]
        return [self._live(ref, fields, history and self.capabilities.field_history) for ref in refs]

    def write(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        refs = [write.ref for write in writes]
        most = self.capabilities.write_batch
        if not any(write.guarded for write in writes):
            most = self.capabilities.plain_batch
        if len(writes) > most or len(set(refs)) != len(refs):
            raise Fatal("a batch is too large or names a record twice", crm=self._crm)
        self._calls += 1
        return [self._write(write) for write in writes]

    def create_task(self, task: NewTask) -> Outcome:
        self._calls += 1
        said = self.answer_task(task) if self.answer_task is not None else None
        if said is not None:
            return said
        ref = RecordRef(self._crm, task.kind, f"00T{self._next()}")
        self.tasks[ref] = task
        return Outcome(ref, OutcomeKind.ACCEPTED)

    def find_task(self, task: NewTask) -> RecordRef | None:
        self._calls += 1
        return next((ref for ref, made in self.tasks.items() if made.mark == task.mark), None)

    def task_right(self, kind: str) -> str | None:  # noqa: ARG002
        return ""

    def owners(self) -> Sequence[Owner]:
        return list(self.people_who_own.values())

    def offered(self, object_name: str, field: str) -> Offered:
        known = object_name in PEOPLE[self._crm] and (
            field in NATIVE_NAMES.get(object_name, {}).values()
            or (object_name, field) in self.options
            or any(field in record.fields for record in self.records.values())
        )
        writable = known and (object_name, field) not in self.read_only
        key = (object_name, field)
        return Offered(known, writable, self.options.get(key), self.options_of_type.get(key, {}))

    def limits(self) -> Limits:
        return Limits()

    def close(self) -> None:
        """Nothing to let go of."""

    # How it does it.

    def _now_ms(self) -> int:
        return int(self._world.now().timestamp() * 1000)

    def _next(self) -> int:
        self._change += 1
        return self._change

    def _native(self, object_name: str, name: str) -> str:
        return NATIVE_NAMES.get(object_name, {}).get(name, name)

    def _set(self, record: MemoryRecord, native: Mapping[str, str | None], author: Author) -> None:
        record.modified_ms = max(self._now_ms(), record.modified_ms + 1)
        record.modified_by = author
        record.change = self._next()
        for name, value in native.items():
            record.fields[name] = value
            version = FieldVersion(value, record.modified_ms, _seen(author), _source(author))
            record.versions.setdefault(name, []).insert(0, version)

    def _bury(self, ref: RecordRef, reason: GoneReason, survivor: RecordRef | None) -> None:
        record = self.records[ref]
        record.modified_ms = max(self._now_ms(), record.modified_ms + 1)
        record.change = self._next()
        to = (survivor.object, survivor.id) if survivor else (None, None)
        record.gone = Tombstone(self._crm, ref.object, ref.id, reason.value, record.modified_ms, *to)

    def _rows(self, feed: Feed) -> list[tuple[int, object]]:
        if feed.kind is FeedKind.PEOPLE:
            rows: list[tuple[int, object]] = [
                (record.change, record.gone or self._person(record))
                for ref, record in self.records.items()
                if ref.object == feed.object
            ]
            return rows + [(n, poison) for n, poison in self.poison if poison.object == feed.object]
        tables: Mapping[FeedKind, Mapping[Any, tuple[int, object]]] = {
            FeedKind.COMPANIES: self.companies,
            FeedKind.DEALS: self.deals,
            FeedKind.LINKS: self.links,
            FeedKind.ENGAGEMENTS: self.engagements,
        }
        if feed.kind not in tables:
            raise NotOffered(f"no feed {feed.name}", what=feed.name, crm=self._crm)
        return list(tables[feed.kind].values())

    def _page(
        self,
        feed: Feed,
        rows: Sequence[object],
        after: int,
        *,
        complete: bool,
        owners: tuple[Owner, ...] = (),
    ) -> Page:
        self._calls += 1
        tombstones = tuple(row for row in rows if isinstance(row, Tombstone))
        return Page(
            feed=feed,
            cursor=Cursor(since_ms=self._now_ms(), position=str(after)),
            server_ms=self._now_ms(),
            complete=complete,
            seen=len(rows) + len(owners) - len(tombstones),
            people=tuple(row for row in rows if isinstance(row, PersonRecord)),
            companies=tuple(row for row in rows if isinstance(row, CompanyRecord)),
            deals=tuple(row for row in rows if isinstance(row, DealRecord)),
            links=tuple(row for row in rows if isinstance(row, LinkSet)),
            engagements=tuple(row for row in rows if isinstance(row, EngagementRecord)),
            owners=owners,
            tombstones=tombstones,
            poison=tuple(row for row in rows if isinstance(row, Poison)),
        )

    def _person(self, record: MemoryRecord) -> PersonRecord:
        native = NATIVE_NAMES.get(record.ref.object, {})
        known: dict[str, Any] = dict.fromkeys(PersonRecord._fields)
        for name in PersonRecord._fields:
            known[name] = record.fields.get(native.get(name, name))
        size, opted_out = known["company_size"], known["opted_out"]
        known.update(
            crm=self._crm,
            object=record.ref.object,
            id=record.ref.id,
            company_size=int(size) if size else None,
            opted_out=None if opted_out is None else opted_out == "true",
            created_ms=record.created_ms,
            modified_ms=record.modified_ms,
            version=str(record.modified_ms),
            fields="{}",
            raw=json.dumps(record.fields, sort_keys=True),
        )
        return PersonRecord(**known)

    def _live(self, ref: RecordRef, fields: Sequence[str], history: bool) -> Live:
        record = self.records.get(ref)
        server, read_at = self._now_ms(), self._world.monotonic()
        if record is None:
            return Live(ref, False, server_ms=server, read_at=read_at)
        if record.gone is not None:
            return Live(ref, False, moved_to=self._survivor(ref), server_ms=server, read_at=read_at)
        owner_id = record.fields.get(self._native(ref.object, "owner_id"))
        owner = self.people_who_own.get(owner_id or "")
        return Live(
            ref,
            True,
            values={name: record.fields.get(name) or None for name in fields},
            version=str(record.modified_ms),
            modified_ms=record.modified_ms,
            created_ms=record.created_ms,
            modified_by=Author.UNKNOWN if self.capabilities.field_history else record.modified_by,
            created_by=Author.PERSON,
            versions={name: tuple(record.versions.get(name, ())) for name in fields} if history else {},
            has_history=dict.fromkeys(fields, history),
            record_type=record.fields.get("record_type"),
            owner_id=owner_id or None,
            owner_kind=owner.kind if owner else "",
            owner_active=owner.active if owner else None,
            server_ms=server,
            read_at=read_at,
        )

    def _survivor(self, ref: RecordRef) -> RecordRef | None:
        seen = {ref}
        record: MemoryRecord | None = self.records[ref]
        while record is not None and record.gone is not None:
            if record.gone.to_object is None or record.gone.to_id is None:
                return None
            ref = RecordRef(self._crm, record.gone.to_object, record.gone.to_id)
            if ref in seen:
                return None
            seen.add(ref)
            record = self.records.get(ref)
        return ref if record is not None else None

    def _write(self, write: Write) -> Outcome:
        self.writes.append(write)
        if self.before_write is not None:
            self.before_write(write)
        outcome = self._apply(write)
        return self.answer(write, outcome) if self.answer is not None else outcome

    def _apply(self, write: Write) -> Outcome:
        record = self.records.get(write.ref)
        if record is None:
            return Outcome(write.ref, OutcomeKind.MOVED, code="NOT_FOUND")
        if record.gone is not None:
            return Outcome(
                write.ref, OutcomeKind.MOVED, code="ENTITY_IS_DELETED", moved_to=self._survivor(write.ref)
            )
        if self.capabilities.conditional_write and write.guarded and write.base != str(record.modified_ms):
            return Outcome(write.ref, OutcomeKind.CONFLICT, code="412")
        for name, value in write.fields.items():
            offered = self.options.get((write.ref.object, name))
            if offered is not None and value is not None and value not in offered:
                return Outcome(
                    write.ref,
                    OutcomeKind.REFUSED,
                    code="INVALID_OPTION",
                    message=f"{value} is not offered for {name}",
                    refusal=RefusalClass.OUR_CONFIG,
                )
        self._set(record, write.fields, Author.US)
        return Outcome(write.ref, OutcomeKind.ACCEPTED)


def _text(value: object) -> str | None:
    if value is None or value == "":
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seen(author: Author) -> Author:
    """A CRM cannot tell our own writes from those of another program; the outbox can."""
    return Author.AUTOMATION if author is Author.US else author


def _source(author: Author) -> str:
    return {"us": "API:mqlsync", "person": "CRM_UI:userId:1"}.get(author.value, "AUTOMATION_PLATFORM:1")
