"""List memberships: who joined a list and who left it, as engagement, list by list.

Only lists of contacts whose name, id or kind some rule makes use of are read. HubSpot tells nothing of those
who leave: the members come in order of their ids, each page says between which ids it covers all of them,
and the mirror finds out who is missing there. So nothing grows with the size of a list, and the cursor,
which names the list and the id in it, lets another process go on exactly there.

Membership changes move no time of the list, so all its pages are read; hence only once an hour.

Sources: HubSpot's "Lists API" guide and reference (search: count up to 500; "Fetch List Memberships Ordered
by ID": ascending, limit 250).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import msgspec

from connectors import fields
from connectors.errors import BrokenReply, NotOffered, RecordRejected
from connectors.hubspot.account import Account, Answer
from connectors.hubspot.reader import ListedMember, ListPage, ListRow, ObjectPage, raw_text
from connectors.hubspot.records import CONTACTS
from connectors.hubspot.replies import CRM
from connectors.hubspot.steps import state_of, state_text
from connectors.mapping import Mapped
from connectors.options import PullOptions
from connectors.records import Cursor, Dismissed, EngagementRecord, Feed, ListPart, Page, Poison

SOURCE: Final = "hubspot.list_membership"
LISTS_PAGE: Final = 500
MEMBERS_PAGES: Final = (250, 100)  # the larger where the server takes it
EVERY: Final = 3600  # seconds between two readings of all members
OF_CONTACTS: Final = "0-1"
JOINED: Final = "joined"
LEFT: Final = "left"


class Memberships:
    """`hubspot.list_memberships` as pages."""

    def __init__(self, account: Account, options: PullOptions) -> None:
        self._account = account
        self._options = options
        self._size = MEMBERS_PAGES[0]

    def pages(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """Every member of every list that a rule asks for; nothing when that was read within the hour."""
        cursor = cursor or Cursor()
        now, under_way = self._account.server_now_ms(), cursor.until_ms is not None
        if not under_way and cursor.since_ms is not None and now - cursor.since_ms < EVERY * 1000:
            yield Page(feed, cursor, now, complete=True, calls=0)
            return
        before = self._account.calls
        until = cursor.until_ms if cursor.until_ms is not None else now
        lists, others = self._lists()
        state = state_of(cursor) if under_way else {}
        started_in = int(state.get("list", -1))
        for one in lists:
            number = int(one.listId)
            if number < started_in:
                continue
            here = number == started_in and cursor.position is not None
            position, low = (cursor.position, int(state["low"])) if here else (None, -1)
            for answer, start, after in self._members(str(number), position):
                low = low if start is not None else -1
                part, poison, low = self._part(one, answer, low, last=after is None)
                # where the list has ended, its own number plus one: the list that follows
                notes = {"list": number, "low": low} if after is not None else {"list": number + 1, "low": -1}
                going_on = Cursor(cursor.since_ms, until, after, state_text(notes))
                calls, before = self._account.calls - before, self._account.calls
                yield self._page(feed, one, going_on, part, poison, answer.server_ms, calls)
        done, calls = Cursor(since_ms=until), self._account.calls - before
        known = tuple(str(one.listId) for one in lists)
        # those that no rule takes may have been followed before, by other rules: then all is read anew
        over = others if cursor.since_ms is None else []
        yield Page(
            feed,
            done,
            self._account.server_now_ms(),
            complete=True,
            calls=calls,
            lists=known,
            dismissed=tuple(Dismissed(CRM, SOURCE, f"{one.listId}:") for one in over),
        )

    def _lists(self) -> tuple[list[ListRow], list[ListRow]]:
        """The lists that some rule makes use of, by number; and all others."""
        found: dict[int, ListRow] = {}
        others: list[ListRow] = []
        offset = 0
        while True:
            body = {"query": "", "count": LISTS_PAGE, "offset": offset}
            answer = self._account.read(ListPage, "lists", body=body)
            page: ListPage = answer.value
            found |= {int(one.listId): one for one in page.lists if self._wanted(one)}
            others += [one for one in page.lists if not self._wanted(one)]
            named = fields.whole(page.offset)
            going_on = named if named is not None else offset + len(page.lists)
            if not page.hasMore or not page.lists:
                return [found[number] for number in sorted(found)], others
            if going_on <= offset:
                raise BrokenReply("the lists go in circles", crm=CRM, code="circle")
            offset = going_on

    def _wanted(self, one: ListRow) -> bool:
        of_contacts = (one.objectTypeId or OF_CONTACTS) == OF_CONTACTS and str(one.listId).isdecimal()
        return of_contacts and any(self._mapped(one, action, 1) for action in (JOINED, LEFT))

    def _mapped(self, one: ListRow, action: str, at_ms: int | None) -> Mapped | None:
        values = {
            "listName": one.name,
            "listId": str(one.listId),
            "processingType": one.processingType,
            "action": action,
            "occurredAt": None if at_ms is None else str(at_ms),
        }
        return self._options.engagement.map(SOURCE, values)

    def _members(self, list_id: str, after: str | None) -> Iterator[tuple[Answer, str | None, str | None]]:
        """(reply, the token it was asked by, the next token); nothing of a list that was deleted meanwhile.

        From the start when the server forgot the token; in smaller pages when it refuses the size.
        """
        while True:
            query = [("limit", str(self._size)), *([("after", after)] if after is not None else [])]
            try:
                answer = self._account.read(ObjectPage, "memberships", query=query, list=list_id)
            except NotOffered:
                return
            except RecordRejected:
                if after is not None:
                    after = None
                elif self._size != MEMBERS_PAGES[-1]:
                    self._size = MEMBERS_PAGES[-1]
                else:
                    raise
                continue
            start, after = after, answer.value.after
            if after is not None and after == start:
                raise BrokenReply("the members of a list go in circles", crm=CRM, code="circle")
            yield answer, start, after
            if after is None:
                return

    def _part(
        self, one: ListRow, answer: Answer, low: int, *, last: bool
    ) -> tuple[ListPart, list[Poison], int]:
        """A page of members, what of it cannot be read, and up to which id everything is covered now.

        A page whose ids do not go up from `low` covers nothing: who joined is known, nobody has left by it.
        """
        read = [_member(raw) for raw in answer.value.results]
        members = tuple(member for member in read if not isinstance(member, Poison))
        poison = [member for member in read if isinstance(member, Poison)]
        ids = [record_id for record_id, _ in members]
        in_order = not poison and all(one < other for one, other in pairwise([low, *ids]))
        high = low
        if in_order:
            high = ids[-1] if ids else low
        part = ListPart(
            CRM,
            str(one.listId),
            CONTACTS,
            low,
            None if in_order and last else high,
            members,
            self._left(one, answer.server_ms),
        )
        return part, poison, high

    def _left(self, one: ListRow, server_ms: int) -> EngagementRecord | None:
        mapped = self._mapped(one, LEFT, server_ms)
        return None if mapped is None else _engagement(one, None, LEFT, mapped, server_ms)

    def _page(
        self,
        feed: Feed,
        one: ListRow,
        cursor: Cursor,
        part: ListPart,
        poison: list[Poison],
        server_ms: int,
        calls: int,
    ) -> Page:
        engagements: list[EngagementRecord] = []
        dismissed: list[Dismissed] = []
        for member in part.members:
            mapped = self._mapped(one, JOINED, member[1] or None)
            if mapped is not None:
                engagements.append(_engagement(one, member, JOINED, mapped))
            elif cursor.since_ms is None:
                dismissed.append(Dismissed(CRM, SOURCE, _id_of(one, member)))
        return Page(
            feed=feed,
            cursor=cursor,
            server_ms=server_ms,
            complete=False,
            calls=calls,
            seen=len(engagements) + len(poison),
            engagements=tuple(engagements),
            poison=tuple(poison),
            list_parts=(part,),
            dismissed=tuple(dismissed),
        )


def _member(raw: msgspec.Raw) -> tuple[int, int] | Poison:
    """(record id, when it joined in epoch ms, 0 when that is not said)."""
    try:
        listed = fields.from_json(bytes(raw), ListedMember)
    except ValueError as error:
        return Poison(CRM, "list_memberships", "", f"unreadable member: {error}", raw_text(raw))
    record_id = fields.whole(listed.recordId)
    if record_id is None or record_id < 0:
        return Poison(CRM, "list_memberships", "", "a member without an id", raw_text(raw))
    return record_id, fields.epoch_ms(listed.membershipTimestamp) or 0


def _id_of(one: ListRow, member: tuple[int, int]) -> str:
    return f"{one.listId}:{member[0]}:{member[1]}"


def _engagement(
    one: ListRow, member: tuple[int, int] | None, action: str, mapped: Mapped, at_ms: int | None = None
) -> EngagementRecord:
    """A joining of one member, or, without a member, the pattern of those who leave."""
    said = {"listId": str(one.listId), "listName": one.name, "action": action}
    return EngagementRecord(
        crm=CRM,
        source=SOURCE,
        id="" if member is None else _id_of(one, member),
        person_object=CONTACTS,
        person_id=None if member is None else str(member[0]),
        person_email=None,
        kind=mapped.kind,
        asset=mapped.asset,
        occurred_at=fields.epoch_seconds(mapped.time),
        is_bot=False,
        deleted=False,
        modified_ms=at_ms if at_ms is not None else (member[1] if member is not None else 0),
        raw=fields.to_json(said),
    )
