"""E-mail events and web events as engagement, by windows of time with a generous overlap.

Both feeds show events late (five minutes of overlap lost e-mail events, an hour did not), so each pass
reads the last hour again; events have ids of their own and are stored once. A first pass that is long reads
the months of a year, and all before it, side by side.

Sources: HubSpot's "Email analytics API" guide (limit 1,000; start and end inclusive; offset, hasMore) and
"Retrieve event occurrences" (occurredAfter, occurredBefore, eventType, after).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

from connectors import fields
from connectors.errors import BrokenReply, NotOffered, RecordRejected, RightMissing
from connectors.hubspot.account import Account, Answer
from connectors.hubspot.lanes import LanePage, Lanes
from connectors.hubspot.reader import Campaign, EmailEvent, EmailEventPage, ObjectPage, WebEvent, raw_text
from connectors.hubspot.records import CONTACTS
from connectors.hubspot.replies import CRM
from connectors.hubspot.steps import state_of, state_text
from connectors.options import PullOptions
from connectors.records import Cursor, Dismissed, EngagementRecord, Feed, Page, Poison

EMAIL_SOURCE: Final = "hubspot.email_event"
WEB_SOURCE: Final = "hubspot.web_event"
OVERLAP: Final = 3600  # seconds
EMAIL_PAGES: Final = (1000, 100)  # the larger where the server takes it
WEB_PAGES: Final = (1000, 100)  # the larger where the server takes it: its bound is not documented
LANES: Final = "lanes"  # in the cursor: the open lanes of a first pass, and where each goes on
ALONE: Final = 5  # pages of a first pass that are read by one cursor before lanes are worth it
SLICE: Final = 30 * 86_400_000  # milliseconds of one lane
SLICES: Final = 12
OF_CONTACTS: Final = ("contact", "contacts", "0-1")

Found = EngagementRecord | Poison | Dismissed | None


class Events:
    """`hubspot.email_events` and `hubspot.web_events` as pages."""

    def __init__(self, account: Account, options: PullOptions) -> None:
        self._account = account
        self._options = options
        self._web_page = WEB_PAGES[0]
        self._email_page = EMAIL_PAGES[0]
        self._campaigns: dict[str, str | None] = {}

    def email_pages(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """E-mail events of the window, a thousand a page."""
        cursor = cursor or Cursor()
        lower, until, offset = self._window(feed, cursor)
        lanes = state_of(cursor).get(LANES)
        if lanes is not None:
            yield from self._side_by_side(feed, until, lanes, self._email_lane, self._email)
            return
        alone = Alone(cursor, until)
        while True:
            before = self._account.calls
            answer = self._emails(lower, until, offset)
            page: EmailEventPage = answer.value
            more = page.hasMore and page.offset is not None
            if more and str(page.offset) == offset:
                raise BrokenReply("the e-mail events go in circles", crm=CRM, code="circle")
            offset = str(page.offset) if more else None
            done = Cursor(since_ms=until)
            upper = alone.past(page.events, "created")
            if offset is not None and upper is not None:
                lanes = slices(upper)
                going_on = Cursor(until_ms=until, state=state_text({LANES: lanes}))
                yield self._page(feed, page.events, self._email, going_on, answer, before)
                yield from self._side_by_side(feed, until, lanes, self._email_lane, self._email)
                return
            going_on = done if offset is None else Cursor(cursor.since_ms, until, offset)
            yield self._page(feed, page.events, self._email, going_on, answer, before)
            if offset is None:
                return

    def _email_lane(self, lane: str, token: str | None) -> LanePage:
        lower, upper = bounds(lane)
        answer = self._emails(lower, upper, token)
        page: EmailEventPage = answer.value
        going_on = str(page.offset) if page.hasMore and page.offset is not None else None
        return LanePage(lane, page.events, going_on, answer.server_ms, answer)

    def _side_by_side(
        self,
        feed: Feed,
        until: int,
        lanes: Mapping[str, str | None],
        fetch: Callable[[str, str | None], LanePage],
        read: Callable[[msgspec.Raw], Found],
    ) -> Iterator[Page]:
        """A first pass by lanes; the cursor of each page says which are open, and where each goes on."""
        still_open = dict(lanes)
        before = self._account.calls
        for page in Lanes(self._account, fetch).pages(lanes):
            still_open[page.lane] = page.token
            if page.token is None:
                del still_open[page.lane]
            going_on = Cursor(since_ms=until)
            if still_open:
                going_on = Cursor(until_ms=until, state=state_text({LANES: still_open}))
            yield self._page(feed, page.rows, read, going_on, page.more, before)
            before = self._account.calls

    def _emails(self, lower: int | None, until: int, offset: str | None) -> Answer:
        """A page of the window: smaller when the server refuses the size, from its start when it no longer
        knows a stored offset."""
        size = self._email_page
        query = [("limit", str(size)), ("endTimestamp", str(until))]
        if lower is not None:
            query.append(("startTimestamp", str(lower)))
        try:
            going_on = [("offset", offset)] if offset is not None else []
            return self._account.read(EmailEventPage, "email_events", query=[*query, *going_on])
        except RecordRejected:
            if size != EMAIL_PAGES[-1]:
                self._email_page = EMAIL_PAGES[-1]
                return self._emails(lower, until, offset)
            if offset is None:
                raise
            return self._account.read(EmailEventPage, "email_events", query=query)

    def web_pages(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """Web events of the window, one event type after the other: those that some rule makes use of."""
        cursor = cursor or Cursor()
        lower, until, after = self._window(feed, cursor)
        lanes = state_of(cursor).get(LANES)
        if lanes is not None:
            yield from self._side_by_side(feed, until, lanes, self._web_lane, self._web_event)
            return
        types = list(self._options.engagement.wanted(WEB_SOURCE, "eventType"))
        started_in = state_of(cursor).get("type") if cursor.until_ms is not None else None
        rest = [name for name in types if started_in is None or name >= started_in]
        for number, event_type in enumerate(rest):
            start, alone = after if event_type == started_in else None, Alone(cursor, until)
            last_type = number == len(rest) - 1
            for answer, token, before in self._web(event_type, lower, until, start):
                upper = alone.past(answer.value.results, "occurredAt")
                if token is not None and upper is not None:
                    lanes = {f"{event_type}|{lane}": None for lane in slices(upper)}
                    lanes |= {f"{name}|{lane}": None for name in rest[number + 1 :] for lane in slices(until)}
                    going_on = Cursor(until_ms=until, state=state_text({LANES: lanes}))
                    yield self._page(feed, answer.value.results, self._web_event, going_on, answer, before)
                    yield from self._side_by_side(feed, until, lanes, self._web_lane, self._web_event)
                    return
                going_on = Cursor(since_ms=until)
                if token is not None or not last_type:
                    in_type = event_type if token is not None else rest[number + 1]
                    going_on = Cursor(cursor.since_ms, until, token, state_text({"type": in_type}))
                yield self._page(feed, answer.value.results, self._web_event, going_on, answer, before)
        if not rest:
            now = self._account.server_now_ms()
            yield Page(feed, Cursor(since_ms=until), now, complete=True, calls=0)

    def _web_lane(self, lane: str, token: str | None) -> LanePage:
        event_type, _, slice_ = lane.rpartition("|")
        lower, upper = bounds(slice_)
        answer = self._web_page_of(_web_query(event_type, lower, upper), token)
        return LanePage(lane, answer.value.results, answer.value.after, answer.server_ms, answer)

    def _web(
        self, event_type: str, lower: int | None, until: int, after: str | None
    ) -> Iterator[tuple[Answer, str | None, int]]:
        """(reply, token of the next page, calls before it) of one event type."""
        query = _web_query(event_type, lower, until)
        while True:
            before = self._account.calls
            answer = self._web_page_of(query, after)
            token: str | None = answer.value.after
            if token is not None and token == after:
                raise BrokenReply("the web events go in circles", crm=CRM, code="circle")
            after = token
            yield answer, after, before
            if after is None:
                return

    def _web_page_of(self, query: Sequence[tuple[str, str]], after: str | None) -> Answer:
        """A page: smaller when the server refuses the size, from the start when it forgot the token."""
        size = [("limit", str(self._web_page))]
        going_on = [("after", after)] if after is not None else []
        try:
            return self._account.read(ObjectPage, "web_events", query=[*query, *size, *going_on])
        except RecordRejected as error:
            if self._web_page != WEB_PAGES[-1]:
                self._web_page = WEB_PAGES[-1]
                return self._web_page_of(query, after)
            if after is not None:
                return self._web_page_of(query, None)
            raise NotOffered(
                error.message, what=query[0][1], crm=CRM, code=error.code, status=error.status
            ) from error

    def _window(self, feed: Feed, cursor: Cursor) -> tuple[int | None, int, str | None]:
        """(lower bound or None, upper bound, position), epoch ms; a window under way keeps its bounds."""
        overlap = self._options.overlap.get(feed.name, OVERLAP) * 1000
        lower = None if cursor.since_ms is None else max(0, cursor.since_ms - overlap)
        if cursor.until_ms is not None:
            return lower, cursor.until_ms, cursor.position
        return lower, self._account.server_now_ms(), None

    def _page(
        self,
        feed: Feed,
        rows: Sequence[msgspec.Raw],
        read: Callable[[msgspec.Raw], Found],
        cursor: Cursor,
        answer: Answer,
        before: int,
    ) -> Page:
        found = [read(raw) for raw in rows]
        engagements = tuple(entry for entry in found if isinstance(entry, EngagementRecord))
        poison = tuple(entry for entry in found if isinstance(entry, Poison))
        return Page(
            feed=feed,
            cursor=cursor,
            server_ms=answer.server_ms,
            complete=cursor.until_ms is None,
            calls=self._account.calls - before,
            seen=len(engagements) + len(poison),
            engagements=engagements,
            poison=poison,
            dismissed=tuple(entry for entry in found if isinstance(entry, Dismissed)),
        )

    def _email(self, raw: msgspec.Raw) -> Found:
        text = raw_text(raw)
        try:
            row = fields.from_json(bytes(raw), EmailEvent)
            values = _texts(fields.from_json(bytes(raw), dict[str, Any]))
        except ValueError as error:
            return Poison(CRM, "email_events", "", f"unreadable event: {error}", text)
        created = fields.epoch_ms(row.created)
        if created is None:
            return Poison(CRM, "email_events", str(row.id), "no readable time", text)
        values["subscriptionStatus"], values["subscription"] = _subscription(row)
        mapped = self._options.engagement.map(EMAIL_SOURCE, values)
        if mapped is None:
            return Dismissed(CRM, EMAIL_SOURCE, f"{created}:{row.id}")
        if mapped.asset is not None and mapped.asset == values.get("emailCampaignId"):
            mapped = mapped._replace(asset=self._campaign(row) or mapped.asset)
        return EngagementRecord(
            crm=CRM,
            source=EMAIL_SOURCE,
            id=f"{created}:{row.id}",  # only together are the two unique
            person_object=None,
            person_id=None,
            person_email=row.recipient,
            kind=mapped.kind,
            asset=mapped.asset,
            occurred_at=fields.epoch_seconds(mapped.time),
            is_bot=row.filteredEvent is True,
            deleted=False,
            modified_ms=created,
            raw=text,
        )

    def _campaign(self, row: EmailEvent) -> str | None:
        """The name of an event's campaign, asked once; None when it is not to be had."""
        number = str(row.emailCampaignId)
        if number not in self._campaigns:
            query = [("appId", str(row.appId))] if row.appId is not None else []
            try:
                answer = self._account.read(Campaign, "campaign", query=query, campaign=number)
            except (NotOffered, RightMissing, RecordRejected):
                self._campaigns[number] = None
            else:
                self._campaigns[number] = answer.value.name or answer.value.subject or None
        return self._campaigns[number]

    def _web_event(self, raw: msgspec.Raw) -> Found:
        text = raw_text(raw)
        try:
            row = fields.from_json(bytes(raw), WebEvent)
        except ValueError as error:
            return Poison(CRM, "web_events", "", f"unreadable event: {error}", text)
        occurred = fields.epoch_ms(row.occurredAt)
        if occurred is None:
            return Poison(CRM, "web_events", str(row.id), "no readable time", text)
        if row.objectId is None or (row.objectType or "contact").lower() not in OF_CONTACTS:
            return None
        values = _texts(row.properties or {})
        values |= {"eventType": row.eventType, "occurredAt": str(row.occurredAt)}
        values.setdefault("url", values.get("hs_url"))
        mapped = self._options.engagement.map(WEB_SOURCE, values)
        if mapped is None:
            return Dismissed(CRM, WEB_SOURCE, str(row.id))
        return EngagementRecord(
            crm=CRM,
            source=WEB_SOURCE,
            id=str(row.id),
            person_object=CONTACTS,
            person_id=str(row.objectId),
            person_email=None,
            kind=mapped.kind,
            asset=mapped.asset,
            occurred_at=fields.epoch_seconds(mapped.time),
            is_bot=False,
            deleted=False,
            modified_ms=occurred,
            raw=text,
        )


class Alone:
    """Counts the pages that one cursor has read of a first pass, and how far back in time they reach."""

    def __init__(self, cursor: Cursor, until: int) -> None:
        self._pages = 0 if cursor.since_ms is None else None
        self._until = until
        self._oldest: int | None = until  # None: they do not come newest first

    def past(self, rows: Sequence[msgspec.Raw], field: str) -> int | None:
        """Another page came: up to when all is still to be read, once it is time for lanes; else None."""
        if self._pages is None:
            return None
        self._pages += 1
        for raw in rows:
            moment = _moment(raw, field)
            if moment is not None and self._oldest is not None:
                self._oldest = moment if moment <= self._oldest else None
        if self._pages < ALONE:
            return None
        return self._until if self._oldest is None else self._oldest


def _moment(raw: msgspec.Raw, field: str) -> int | None:
    try:
        return fields.epoch_ms(fields.from_json(bytes(raw), dict[str, Any]).get(field))
    except ValueError:
        return None


def slices(until: int) -> dict[str, str | None]:
    """Lanes of everything up to a moment: months of a year, and all before. Both neighbours have the end."""
    edges = [until - number * SLICE for number in range(SLICES + 1)]
    lanes = {f"{low}:{high}": None for high, low in pairwise(edges)}
    return {**lanes, f":{edges[-1]}": None}


def bounds(lane: str) -> tuple[int | None, int]:
    """The (lower, upper) bound of a lane, epoch ms."""
    low, _, high = lane.partition(":")
    return int(low) if low else None, int(high)


def _web_query(event_type: str, lower: int | None, until: int) -> list[tuple[str, str]]:
    query = [("eventType", event_type), ("occurredBefore", fields.iso_ms(until))]
    return query if lower is None else [*query, ("occurredAfter", fields.iso_ms(lower))]


def _texts(values: Mapping[str, Any]) -> dict[str, str | None]:
    return {name: fields.text(value) for name, value in values.items()}


def _subscription(row: EmailEvent) -> tuple[str | None, str | None]:
    """(what a STATUSCHANGE changed to, the ids of the subscriptions it names)."""
    changes = row.subscriptions or []
    states = {str(change.get("status") or "").upper() for change in changes}
    to = row.portalSubscriptionStatus or next(
        (state for state in ("UNSUBSCRIBED", "SUBSCRIBED") if state in states), None
    )
    named = [str(change["id"]) for change in changes if change.get("id") is not None]
    return to, ",".join(named) or None
