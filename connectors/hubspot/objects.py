"""Feeds of contacts, companies and deals: living rows, archived ones, and single rows by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from connectors.errors import BrokenReply, NotOffered, RecordRejected, RightMissing
from connectors.hubspot.account import Account
from connectors.hubspot.archive import archive_pages
from connectors.hubspot.catalogue import Catalogue
from connectors.hubspot.known import KnownIds
from connectors.hubspot.naming import Naming, in_query
from connectors.hubspot.parallel import FIRST_SYNC, FirstSync
from connectors.hubspot.people import people
from connectors.hubspot.reader import Row, id_of, raw_text
from connectors.hubspot.records import (
    COMPANIES,
    CONTACTS,
    MERGES,
    UnreadableError,
    archived,
    company_of,
    deal_of,
    merged_into,
    modified_of,
    read_row,
    wanted_properties,
)
from connectors.hubspot.replies import CRM
from connectors.hubspot.walk import OVERLAP, Walk
from connectors.options import PullOptions
from connectors.records import (
    CompanyRecord,
    Cursor,
    DealRecord,
    Feed,
    GoneReason,
    Page,
    PersonRecord,
    Poison,
    Tombstone,
)

ARCHIVED_OVERLAP: Final = 300  # seconds before the last pass that are told again

AT_ONCE: Final = 100
"""Contacts that are made into records together: as many as a processor has near it."""

Entry = PersonRecord | CompanyRecord | DealRecord | Tombstone | Poison


class Objects:
    """One kind of CRM object as pages of canonical records."""

    def __init__(
        self,
        account: Account,
        catalogue: Catalogue,
        options: PullOptions,
        first: FirstSync = FIRST_SYNC,
        contacts: KnownIds | None = None,
    ) -> None:
        """`contacts`: takes the ids that a pass over all contacts brings."""
        self._contacts = contacts
        self._account = account
        self._catalogue = catalogue
        self._options = options
        self._first = first

    def pages(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """Living rows from `cursor` on, and tombstones of those that were merged into them."""
        before = self._account.calls
        self._check_mapped(feed.object)
        properties, overlap = self.properties(feed.object), self._overlap(feed)
        walk = Walk(self._account, feed.object, properties, overlap, self._first)
        known = self._contacts if feed.object == CONTACTS and cursor is None else None
        if known is not None:
            known.begin()
        for step in walk.steps(cursor):
            calls, before = self._account.calls - before, self._account.calls
            page = self.page(feed, step.rows, step.cursor, step.server_ms, step.complete, calls, step.left)
            if known is not None:
                known.add(row.id for row in page.people)
                known.add(row.id for row in page.poison if row.id)
            yield page
            if known is not None and step.complete and step.cursor.since_ms is not None:
                known.end(step.cursor.since_ms)

    def archived_pages(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """Tombstones of rows archived since the last pass, and of those merged into them before."""
        for step in archive_pages(self._account, feed.object, MERGES, cursor, ARCHIVED_OVERLAP):
            stones: list[Tombstone] = []
            for row, stone in step.rows:
                stones += [stone, *merged_into(row, feed.object, stone.at_ms)]
            yield step.page(feed, tombstones=stones)

    def fetch(self, feed: Feed, ids: Sequence[str]) -> Page:
        """The rows of these ids now; those that are gone as tombstones, with the survivor's row too."""
        before = self._account.calls
        walk = Walk(self._account, feed.object, self.properties(feed.object))
        rows = walk.batch(list(dict.fromkeys(ids)))
        found = {str(row.id) for raw in rows if isinstance(row := read_row(raw, feed.object), Row)}
        stones: list[Tombstone] = []
        for missing in dict.fromkeys(record_id for record_id in ids if record_id not in found):
            raw, stone = self.look_up(feed.object, missing)
            if (
                raw is not None
                and isinstance(row := read_row(raw, feed.object), Row)
                and str(row.id) not in found
            ):
                found.add(str(row.id))
                rows.append(raw)
            if stone is not None:
                stones.append(stone)
        now = self._account.server_now_ms()
        page = self.page(feed, rows, Cursor(), now, complete=True, calls=self._account.calls - before)
        told = {stone.id for stone in page.tombstones}
        extra = tuple(stone for stone in stones if stone.id not in told)
        return replace(page, tombstones=page.tombstones + extra)

    def look_up(self, object_name: str, record_id: str) -> tuple[msgspec.Raw | None, Tombstone | None]:
        """What became of one id: (its row or its survivor's, its tombstone or None when it lives)."""
        query = in_query(self.properties(object_name), self._account.naming or Naming.JOINED)
        now = self._account.server_now_ms()
        try:
            answer = self._account.read(msgspec.Raw, "object", query=query, object=object_name, id=record_id)
        except (NotOffered, RecordRejected):
            return None, self._gone(object_name, record_id, now)
        row = read_row(answer.value, object_name)
        if isinstance(row, Poison):
            return answer.value, None
        if str(row.id) == record_id:
            return (None, archived(row, object_name, now)) if row.archived else (answer.value, None)
        stone = Tombstone(CRM, object_name, record_id, GoneReason.MERGED.value, now, object_name, str(row.id))
        return answer.value, stone

    def _gone(self, object_name: str, record_id: str, now: int) -> Tombstone:
        query = [("archived", "true")]
        try:
            answer = self._account.read(Row, "object", query=query, object=object_name, id=record_id)
        except (NotOffered, RecordRejected):
            return Tombstone(CRM, object_name, record_id, GoneReason.ABSENT.value, now)
        return archived(answer.value, object_name, now)

    def calculated_pages(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """Every living row again, for the sake of mapped properties that HubSpot calculates: their changes
        move no modification time.

        Nothing is read where none is, nor in the first pass, which follows one over everything.
        """
        done = cursor is not None and cursor.until_ms is None
        if cursor is None or not self._calculated(feed.object):
            now = self._account.server_now_ms()
            yield Page(feed, Cursor(since_ms=now), now, complete=True, calls=0)
            return
        yield from self.pages(feed, None if done else cursor)

    def _calculated(self, object_name: str) -> bool:
        known = self._catalogue.calculated(object_name)
        return any(field in known for field in self._options.mapped.get(object_name, {}).values())

    def ids(self, object_name: str) -> Iterator[Sequence[str]]:
        """Every living id, a listing page at a time; always from the first one, since list cursors are text
        of which nothing is promised."""
        walk, after = Walk(self._account, object_name, ()), None
        while True:
            answer = walk.list_page(after)
            yield [record_id for raw in answer.value.results if (record_id := id_of(raw))]
            if answer.value.after is None:
                return
            if answer.value.after == after:
                raise BrokenReply(f"the listing of {object_name} goes in circles", crm=CRM, code="circle")
            after = answer.value.after

    def properties(self, object_name: str) -> tuple[str, ...]:
        """The properties that a pull of this object asks for."""
        wanted = wanted_properties(object_name, self._options)
        if not self._options.everything(f"{CRM}.{object_name}"):
            return wanted
        return tuple(dict.fromkeys([*wanted, *self._catalogue.names(object_name)]))

    def page(
        self,
        feed: Feed,
        rows: Sequence[msgspec.Raw],
        cursor: Cursor,
        server_ms: int,
        complete: bool,
        calls: int,
        left: int | None = None,
    ) -> Page:
        """Raw rows → a page; rows that cannot be read are parked, the others go on."""
        sorts: tuple[type[Entry], ...] = (PersonRecord, CompanyRecord, DealRecord, Poison, Tombstone)
        found: dict[type[Entry], list[Any]] = {sort: [] for sort in sorts}
        if feed.object == CONTACTS:
            for start in range(0, len(rows), AT_ONCE):
                self._sort_contacts(rows[start : start + AT_ONCE], server_ms, found)
        else:
            for raw in rows:
                for entry in self._entries(raw, feed.object, server_ms):
                    found[type(entry)].append(entry)
        return Page(
            feed=feed,
            cursor=cursor,
            server_ms=server_ms,
            complete=complete,
            calls=calls,
            left=left,
            seen=sum(len(found[sort]) for sort in sorts if sort is not Tombstone),
            people=tuple(found[PersonRecord]),
            companies=tuple(found[CompanyRecord]),
            deals=tuple(found[DealRecord]),
            tombstones=tuple(found[Tombstone]),
            poison=tuple(found[Poison]),
        )

    def _check_mapped(self, object_name: str) -> None:
        """HubSpot leaves out properties that do not exist, in silence: a model's field would turn empty.

        Raises NotOffered with the field and who wants it. Where properties may not be listed, nothing is
        known against a field.
        """
        mapped = self._options.mapped.get(object_name, {})
        if not mapped:
            return
        try:
            known = set(self._catalogue.names(object_name))
        except (NotOffered, RightMissing, RecordRejected):
            return
        for name, field in mapped.items():
            if known and field not in known:
                message = f"{object_name} has no property {field!r}, which the mapping reads as {name!r}"
                raise NotOffered(message, what=field, crm=CRM, code="PROPERTY_DOESNT_EXIST")

    def _entries(self, raw: msgspec.Raw, object_name: str, server_ms: int) -> list[Entry]:
        """What one row brings: its record, or a tombstone, or poison; and those merged into it."""
        row = read_row(raw, object_name)
        if isinstance(row, Poison):
            return [row]
        if row.archived:
            return [archived(row, object_name, server_ms)]
        text = raw_text(raw)
        try:
            record = self._record(row, text, object_name)
            return [record, *merged_into(row, object_name, record.modified_ms)]
        except UnreadableError as error:
            return [Poison(CRM, object_name, str(row.id), str(error), text)]

    def _sort_contacts(
        self, rows: Sequence[msgspec.Raw], server_ms: int, found: dict[type[Entry], list[Any]]
    ) -> None:
        """As `_entries`, all at once: there are most of them."""
        live, keys, texts = list[Row](), list[tuple[int, str]](), list[str]()
        for raw in rows:
            row = read_row(raw, CONTACTS)
            if isinstance(row, Poison):
                found[Poison].append(row)
                continue
            if row.archived:
                found[Tombstone].append(archived(row, CONTACTS, server_ms))
                continue
            try:
                key = modified_of(row, CONTACTS)
            except UnreadableError as error:
                found[Poison].append(Poison(CRM, CONTACTS, str(row.id), str(error), raw_text(raw)))
                continue
            live.append(row)
            keys.append(key)
            texts.append(raw_text(raw))
            found[Tombstone] += merged_into(row, CONTACTS, key[0])
        found[PersonRecord] += people(live, keys, texts, self._options)

    def _record(self, row: Row, text: str, object_name: str) -> CompanyRecord | DealRecord:
        if object_name == COMPANIES:
            return company_of(row, text, self._options)
        return deal_of(row, text, self._options, self._catalogue.stage)

    def _overlap(self, feed: Feed) -> int:
        return self._options.overlap.get(feed.name, OVERLAP)
