"""The changes of one object, page by page: a query of up to 2,000 rows in the order (SystemModstamp, Id).

The first pass over a large object goes by a Bulk job instead, where that is offered (see `bulk`).

Each page is a query of its own and not the next page of a locator: rows of a locator may show a later
stamp than the place they were sorted to, and a place derived from them would skip what lies between.
The number of calls is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar
from urllib.parse import quote

from connectors.errors import NotOffered
from connectors.options import PullOptions
from connectors.records import (
    CompanyRecord,
    Cursor,
    DealRecord,
    Dismissed,
    EngagementRecord,
    Feed,
    FeedKind,
    LinkSet,
    Owner,
    Page,
    PersonRecord,
    Poison,
    Tombstone,
)
from connectors.salesforce import records, soql, windows
from connectors.salesforce.api import LONGEST_URL, Api
from connectors.salesforce.bulk import Bulk, Refused
from connectors.salesforce.ends import Ends, page_limit, rows_left
from connectors.salesforce.feeds import Plan, Spec, make_plan
from connectors.salesforce.http import CRM
from connectors.salesforce.links import Links
from connectors.salesforce.people import people
from connectors.salesforce.reader import Row, query_page
from connectors.salesforce.schema import Schema
from connectors.salesforce.values import parse_ms

AT_ONCE: Final = 100
"""People that are made into records together: as many as a processor has near it."""

T = TypeVar("T")


@dataclass(slots=True)
class Sorted:
    """The rows of a page, each where it belongs."""

    people: list[PersonRecord] = field(default_factory=list)
    companies: list[CompanyRecord] = field(default_factory=list)
    deals: list[DealRecord] = field(default_factory=list)
    engagements: list[EngagementRecord] = field(default_factory=list)
    owners: list[Owner] = field(default_factory=list)
    links: list[LinkSet] = field(default_factory=list)
    tombstones: list[Tombstone] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    dismissed: list[Dismissed] = field(default_factory=list)

    def page(
        self,
        feed: Feed,
        cursor: Cursor,
        server_ms: int,
        *,
        complete: bool,
        calls: int,
        left: int | None = None,
    ) -> Page:
        """As a page; what is gone is not in `seen`."""
        live = (self.people, self.companies, self.deals, self.engagements, self.owners)
        seen = sum(len(rows) for rows in live) + len(self.links) + len(self.poison)
        return Page(
            feed=feed,
            cursor=cursor,
            server_ms=server_ms,
            complete=complete,
            calls=calls,
            left=left,
            seen=seen,
            people=tuple(self.people),
            companies=tuple(self.companies),
            deals=tuple(self.deals),
            engagements=tuple(self.engagements),
            owners=tuple(self.owners),
            links=tuple(self.links),
            tombstones=tuple(self.tombstones),
            poison=tuple(self.poison),
            dismissed=tuple(self.dismissed),
        )


class Changes:
    """Reads the feeds of objects. One per connector; keeps only what the org was found not to offer."""

    def __init__(self, api: Api, schema: Schema, options: PullOptions, bulk: Bulk) -> None:
        self._api = api
        self._bulk = bulk
        self._schema = schema
        self._options = options
        self._links = Links(api)
        self._ends = Ends(api, schema)

    def plan(self, spec: Spec) -> Plan:
        """The fields that are asked of an object now."""
        return make_plan(spec, self._schema, self._options)

    def pages(self, spec: Spec, cursor: Cursor | None) -> Iterator[Page]:
        """From `cursor` to the server's present: what is left of an open window, then a new one."""
        resumed = True
        while resumed:
            calls = self._api.calls
            plan = self.plan(spec)
            cursor, resumed = windows.open_window(cursor, self._api.server_ms(), plan.fields)
            for page in self._road(plan, cursor)(plan, cursor, calls):
                cursor = page.cursor
                # A job takes its time: another window leads from its beginning to the present.
                resumed = resumed or windows.State.of(cursor).job is not None
                yield replace(page, complete=page.complete and not resumed)

    def _road(self, plan: Plan, cursor: Cursor) -> Callable[[Plan, Cursor, int], Iterator[Page]]:
        if windows.State.of(cursor).job is not None:
            return self._by_bulk
        whole = plan.spec.kind is FeedKind.LINKS and cursor.since_ms is None
        return self._whole_links if whole else self._window

    def _by_bulk(self, plan: Plan, cursor: Cursor, calls: int, count: int | None = None) -> Iterator[Page]:
        """The whole object by a Bulk job; by queries, from the beginning, where that is refused."""
        try:
            for rows, after, last, left in self._bulk.parts(plan, cursor):
                found = self.sort(plan, rows, first=True)
                spent, calls = self._api.calls - calls, self._api.calls
                server_ms = self._api.server_ms()
                feed = plan.spec.feed
                yield found.page(feed, after, server_ms, complete=last, calls=spent, left=left)
        except Refused:
            yield from self._window(plan, windows.by_job(cursor, None), calls, count)

    def _window(self, plan: Plan, cursor: Cursor, calls: int, count: int | None = None) -> Iterator[Page]:
        """By queries. `count`: how many rows the whole object has, where that is known."""
        first = cursor.since_ms is None
        asked, cursor, counted = self._aimed(plan, cursor, resumed=cursor.position is not None)
        count = count if counted is None else counted
        read = 0
        newest: int | None = None
        while True:
            planned = plan
            plan, rows, last_page = self._rows(plan, cursor, page_limit(count, read))
            if plan is not planned:
                cursor = windows.read_with(cursor, plan.fields)
            if not last_page and not asked:
                # Much has changed. The end must be proven before the first query, so begin again.
                end = self._ends.proven(plan.spec, cursor.until_ms)
                asked, cursor = True, windows.aim(cursor, end.covered_ms)
                continue
            if first and cursor.position is None and not last_page and self._bulk.worthwhile(plan, count):
                yield from self._by_bulk(plan, cursor, calls, count)
                return
            read += len(rows)
            newest = max([newest or 0, *_stamps(rows)]) or None
            found = self.sort(plan, rows, first=first)
            if plan.spec.kind is FeedKind.LINKS:
                found.links = self._links.of_changed(rows, plan.fields)
            if last_page:
                after = windows.close_window(cursor, newest_ms=newest, asked=asked)
            else:
                after = cursor = windows.advance(cursor, _last_key(rows))
            spent, calls = self._api.calls - calls, self._api.calls
            now, left = self._api.server_ms(), 0 if last_page else rows_left(count, read)
            yield found.page(plan.spec.feed, after, now, complete=last_page, calls=spent, left=left)
            if last_page:
                return

    def _aimed(self, plan: Plan, cursor: Cursor, *, resumed: bool) -> tuple[bool, Cursor, int | None]:
        """Ask for the window's proven end where that comes first; a resumed window has asked already.

        Whether it was asked, the cursor, and before a first pass how many rows there are, if that is known.
        """
        state = windows.State.of(cursor)
        if resumed or state.target_ms is not None:
            return True, cursor, None
        if cursor.since_ms is not None and state.covered and not state.hot:
            return False, cursor, None
        counted = cursor.since_ms is None and plan.spec.kind is not FeedKind.LINKS
        end = self._ends.proven(plan.spec, cursor.until_ms, counted=counted)
        return True, windows.aim(cursor, end.covered_ms), end.rows

    def _whole_links(self, plan: Plan, cursor: Cursor, calls: int) -> Iterator[Page]:
        """The first pass over roles; a page's position is the last contact that was read whole."""
        _, cursor, _ = self._aimed(plan, cursor, resumed=cursor.position is not None)
        end, newest = False, 0
        while not end:
            whole = self._links.whole(cursor.position or "", plan.fields)
            end, newest = whole.end, max(newest, whole.newest_ms)
            after = cursor = replace(cursor, position=whole.last or None)
            if end:
                after = windows.close_window(cursor, newest_ms=newest or None, asked=True)
            spent, calls = self._api.calls - calls, self._api.calls
            found = Sorted(links=whole.sets)
            yield found.page(plan.spec.feed, after, self._api.server_ms(), complete=end, calls=spent)

    def _rows(self, plan: Plan, cursor: Cursor, limit: int) -> tuple[Plan, list[Row], bool]:
        """One page of rows, and whether it is the window's last; with a new plan if a field vanished."""
        plan, (rows, done) = self.with_fields(plan, lambda plan: self._ask(plan, cursor, limit))
        return plan, rows, done and len(rows) < limit

    def with_fields(self, plan: Plan, ask: Callable[[Plan], T]) -> tuple[Plan, T]:
        """What `ask` says, and the plan that was asked with: a new one if a field of the first vanished."""
        try:
            return plan, ask(plan)
        except NotOffered as error:
            if error.code != "INVALID_FIELD":
                raise
        self._schema.forget()
        plan = self.plan(plan.spec)
        return plan, ask(plan)

    def _ask(self, plan: Plan, cursor: Cursor, limit: int) -> tuple[list[Row], bool]:
        spec = plan.spec
        overlap = self._options.overlap.get(spec.feed.name)
        where = [spec.where, *windows.conditions(cursor, overlap, spec.stamp)]

        def text(fields: Sequence[str]) -> str:
            return soql.select(fields, spec.object, where, (spec.stamp, "Id"), limit)

        return self.query(plan, text)

    def query(self, plan: Plan, text: Callable[[Sequence[str]], str]) -> tuple[list[Row], bool]:
        """The first page of the query that `text` builds; fields that do not fit are asked for after."""
        asked, left = fitting(plan.fields, text, LONGEST_URL)
        rows, done = query_page(self._api, text(asked), deleted=plan.spec.in_bin)
        if left:
            rows = self._complete(plan.spec.object, rows, left)
        if plan.spec.stamp != windows.STAMP:
            rows = [_stamped(row, plan.spec.stamp) for row in rows]
        return rows, done

    def _complete(self, object_name: str, rows: list[Row], left: Sequence[str]) -> list[Row]:
        """The rows with the fields that were left out. A row that is not told them is asked for once more."""
        fields = [row.fields for row in rows if row.fields and row.fields.get("IsDeleted") is not True]
        live = [row["Id"] for row in fields if isinstance(row.get("Id"), str)]
        if not live:
            return rows
        found = self._retrieve(object_name, live, left)
        missing = [known for known in live if known not in found]
        if missing:  # it may have been locked, or come back, in between
            found |= self._retrieve(object_name, missing, left)
        return [_merged(row, found) for row in rows]

    def _retrieve(
        self, object_name: str, ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Mapping[str, Any]]:
        """These fields of the records that are there, by id: one collections retrieve."""
        body = {"ids": list(ids), "fields": ["Id", *fields]}
        answer = self._api.post(f"composite/sobjects/{object_name}", body)
        return {
            entry["Id"]: entry
            for entry in (answer if isinstance(answer, list) else [])
            if isinstance(entry, dict) and isinstance(entry.get("Id"), str)
        }

    def sort(self, plan: Plan, rows: Sequence[Row], *, first: bool = False) -> Sorted:
        """Each row as what it is. `first`: rows that no engagement rule takes are not kept, not even as
        deleted; they may be known all the same, where everything is read again by other rules.
        """
        found, mapped = Sorted(), self._options.mapped.get(plan.spec.object, {})
        if plan.spec.kind is FeedKind.PEOPLE:
            status = self._options.status_field.get(plan.spec.object)
            for start in range(0, len(rows), AT_ONCE):
                _sort_people(plan.spec.object, rows[start : start + AT_ONCE], mapped, status, found)
            return found
        for row in rows:
            try:
                self._put(plan, row, mapped, found, first=first)
            except records.BadRow as error:
                found.poison.append(records.poison(plan.spec.object, row, str(error)))
        return found

    def _put(self, plan: Plan, row: Row, mapped: Mapping[str, str], found: Sorted, *, first: bool) -> None:
        spec = plan.spec
        if spec.kind is FeedKind.LINKS:
            return  # roles are read again, contact by contact
        stamp, _ = records.key_of(row)
        fields: Mapping[str, Any] = row.fields or {}
        gone = records.tombstone(spec.object, fields, stamp)
        if gone is not None:
            found.tombstones.append(gone)
        elif spec.kind is FeedKind.COMPANIES:
            found.companies.append(records.company(row, mapped))
        elif spec.kind is FeedKind.DEALS:
            found.deals.append(records.deal(row, mapped))
        elif spec.kind is FeedKind.OWNERS:
            user = spec.object == "User"
            owner = (
                records.owner_of_user(fields, self._api.user_id) if user else records.owner_of_queue(fields)
            )
            found.owners.append(owner)
        elif fields.get("IsChild") is not True:  # an invitee's copy of a meeting is not another meeting
            mapper = None if _told_elsewhere(spec, fields, self._options) else self._options.engagement
            record, taken = records.engagement(spec.source, row, mapper, plan.paths, plan.people)
            if taken or not first:
                found.engagements.append(record)
            else:
                found.dismissed.append(Dismissed(CRM, spec.source, record.id))


def _sort_people(
    object_name: str, rows: Sequence[Row], mapped: Mapping[str, str], status: str | None, found: Sorted
) -> None:
    """Apart from the rest, and all at once, because there are most of them."""
    live, keys = list[Row](), list[tuple[int, str]]()
    for row in rows:
        try:
            key = records.key_of(row)
        except records.BadRow as error:
            found.poison.append(records.poison(object_name, row, str(error)))
            continue
        gone = records.tombstone(object_name, row.fields or {}, key[0])
        if gone is None:
            live.append(row)
            keys.append(key)
        else:
            found.tombstones.append(gone)
    found.people += people(object_name, live, keys, mapped, status)


def _told_elsewhere(spec: Spec, fields: Mapping[str, Any], options: PullOptions) -> bool:
    """The task of an e-mail, where the message itself is pulled: it would count twice.

    Salesforce makes such a task for each message (Object Reference, EmailMessage, `ActivityId`).
    """
    if spec.object != "Task" or fields.get("TaskSubtype") != "Email":
        return False
    return options.of(f"{CRM}.EmailMessage").on is True


def fitting(
    fields: Sequence[str], text: Callable[[Sequence[str]], str], longest: int
) -> tuple[list[str], list[str]]:
    """Split fields into those whose query fits into a URL and the rest; paths and keys stay in the query."""
    if len(quote(text(fields))) <= longest:
        return list(fields), []
    first = [name for name in fields if "." in name or name in records.STAMPS]
    first += [name for names in records.GONE_FIELDS.values() for name in names if name in fields]
    asked = list(dict.fromkeys(first))
    return asked, [name for name in fields if name not in asked]


def _merged(row: Row, found: Mapping[str, Mapping[str, Any]]) -> Row:
    if row.fields is None or row.fields.get("IsDeleted") is True:
        return row
    more = found.get(row.fields.get("Id", ""))
    if more is None:
        # It went between the two calls, or is hidden from one: half a record must not replace a whole one.
        return row._replace(problem="only a part of its fields could be read")
    fields = {**row.fields, **{name: value for name, value in more.items() if name != "attributes"}}
    return Row(fields, json.dumps(fields, ensure_ascii=False, separators=(",", ":")))


def _stamped(row: Row, field: str) -> Row:
    """The row with a SystemModstamp, which is another field's value where the object has none."""
    if row.fields is None:
        return row
    return row._replace(fields={**row.fields, windows.STAMP: row.fields.get(field)})


def _stamps(rows: Sequence[Row]) -> Iterator[int]:
    for row in rows:
        stamp = parse_ms(row.fields.get(windows.STAMP)) if row.fields is not None else None
        if stamp is not None:
            yield stamp


def _last_key(rows: Sequence[Row]) -> tuple[int, str]:
    """The key of the last row that has one. Raises BrokenReply when none has."""
    for row in reversed(rows):
        try:
            return records.key_of(row)
        except records.BadRow:
            continue
    raise windows.no_keys()
