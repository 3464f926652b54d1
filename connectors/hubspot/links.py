"""The feed of links: contacts → companies and contacts → deals.

Adding or removing an association moves no modification time. So each pass reads the links of the contacts
that changed (they often change together) and, once an hour, of the next share of all contacts, in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from connectors.errors import NotOffered, RightMissing
from connectors.hubspot.account import Account
from connectors.hubspot.associations import BATCH, Associations
from connectors.hubspot.known import KnownIds
from connectors.hubspot.parallel import FIRST_SYNC, LIST_PAGE, SEARCH_PAGE, FirstSync
from connectors.hubspot.reader import id_of
from connectors.hubspot.records import COMPANIES, CONTACTS, DEALS
from connectors.hubspot.steps import Step, gathered, state_of, state_text
from connectors.hubspot.walk import OVERLAP, Walk
from connectors.options import PullOptions
from connectors.records import Cursor, Feed, LinkSet, Page

KNOWN: Final = "known"
"""In the cursor: a pass over ids that were known is under way, so many batches of it are stored."""
ROTATE_EVERY: Final = 3600  # seconds between two shares
ROTATE_PAGES: Final = BATCH // LIST_PAGE  # listing pages of one share


class Links:
    """`hubspot.associations` as pages; `seen` counts link sets: two for each contact."""

    def __init__(
        self,
        account: Account,
        options: PullOptions,
        first: FirstSync = FIRST_SYNC,
        contacts: KnownIds | None = None,
    ) -> None:
        """`contacts`: may know their ids already when a first pass begins."""
        self._contacts = contacts
        self._account = account
        self._options = options
        self._first = first
        self._associations = Associations(account)
        self._without_deals = False  # the account or the token has no deals

    def pages(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """Links of changed contacts, then, when an hour has passed, of the next share of all."""
        if cursor is None and self._contacts is not None and self._contacts.until_ms is not None:
            yield from self._of_known(feed, self._contacts, self._contacts.until_ms)
            return
        if self._contacts is not None:
            self._contacts.forget()
        if cursor is not None and KNOWN in state_of(cursor):  # broken off: nobody knows what was to come
            cursor = Cursor(until_ms=cursor.until_ms)
        overlap = self._options.overlap.get(feed.name, OVERLAP)
        walk = Walk(self._account, CONTACTS, (), overlap, self._first)
        first_pass = cursor is None or cursor.since_ms is None
        before = self._account.calls
        for step in gathered(walk.steps(cursor), BATCH, SEARCH_PAGE):
            last = self._finished(step, first_pass) if step.complete else step.cursor
            due = step.complete and self._due(last, step.server_ms)
            yield self._page(feed, _ids(step), last, step.server_ms, step.complete and not due, before)
            before = self._account.calls
            if due:
                yield self._share(feed, last, step.server_ms, before)

    def _of_known(self, feed: Feed, contacts: KnownIds, until: int) -> Iterator[Page]:
        """The first pass over contacts whose ids are known: all that there were at `until`.

        What has changed since is the next pass's. Its cursor says nothing of how far this one came.
        """
        number = 0
        for ids, last in contacts.batches(BATCH):
            before, number = self._account.calls, number + 1
            now = self._account.server_now_ms()
            notes = {"deep": until, "rotated": now} if last else {KNOWN: number}
            cursor = Cursor(until if last else None, None if last else until, None, state_text(notes))
            yield self._page(feed, ids, cursor, now, last, before)

    def _finished(self, step: Step, first_pass: bool) -> Cursor:
        """After the first pass everything is fresh: the turns begin an hour later."""
        if not first_pass:
            return step.cursor
        state = {**state_of(step.cursor), "rotated": step.server_ms}
        return replace(step.cursor, state=state_text(state))

    def _due(self, cursor: Cursor, server_ms: int) -> bool:
        return server_ms - int(state_of(cursor).get("rotated", 0)) >= ROTATE_EVERY * 1000

    def _share(self, feed: Feed, cursor: Cursor, server_ms: int, before: int) -> Page:
        state = state_of(cursor)
        walk, after = Walk(self._account, CONTACTS, ()), state.get("turn")
        ids: list[str] = []
        for _ in range(ROTATE_PAGES):
            answer = walk.list_page(after)
            ids += [found for raw in answer.value.results if (found := id_of(raw))]
            after = answer.value.after
            if after is None:
                break
        state = {**state, "rotated": server_ms, "turn": after}
        return self._page(feed, ids, replace(cursor, state=state_text(state)), server_ms, True, before)

    def _page(
        self, feed: Feed, ids: Sequence[str], cursor: Cursor, server_ms: int, complete: bool, before: int
    ) -> Page:
        unique = list(dict.fromkeys(ids))
        links = self.of(unique)
        return Page(
            feed=feed,
            cursor=cursor,
            server_ms=server_ms,
            complete=complete,
            calls=self._account.calls - before,
            seen=len(links),
            links=tuple(links),
        )

    def of(self, ids: Sequence[str]) -> list[LinkSet]:
        """All links of these contacts."""
        if not ids:
            return []
        links = self._associations.link_sets(CONTACTS, ids, COMPANIES)
        if not self._without_deals:
            try:
                links += self._associations.link_sets(CONTACTS, ids, DEALS)
            except (NotOffered, RightMissing):
                self._without_deals = True
        return links


def _ids(step: Step) -> list[str]:
    return [found for raw in step.rows if (found := id_of(raw))]
