"""The archived listing of an object: what was archived, and when, page by page.

Archiving moves no modification time, and the listing can be neither filtered nor sorted: the whole of it
(about 90 days) is paged each time, and what was told before is left out.

Source: HubSpot's "Objects API" pages (`archived`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from connectors.errors import BrokenReply, RecordRejected
from connectors.hubspot.account import Account
from connectors.hubspot.reader import Row
from connectors.hubspot.records import archived, read_row
from connectors.hubspot.replies import CRM
from connectors.hubspot.walk import Walk
from connectors.records import Cursor, Dismissed, Feed, Page, Tombstone


class ArchivePage(NamedTuple):
    """The rows of a page that are news, each with its tombstone; the last page has `complete` set."""

    rows: Sequence[tuple[Row, Tombstone]]
    cursor: Cursor
    server_ms: int
    complete: bool
    calls: int

    def page(
        self, feed: Feed, tombstones: Iterable[Tombstone] = (), dismissed: Iterable[Dismissed] = ()
    ) -> Page:
        """As a page of its feed, with what the rows mean there."""
        return Page(
            feed=feed,
            cursor=self.cursor,
            server_ms=self.server_ms,
            complete=self.complete,
            calls=self.calls,
            tombstones=tuple(tombstones),
            dismissed=tuple(dismissed),
        )


def archive_pages(
    account: Account, object_name: str, properties: Sequence[str], cursor: Cursor | None, overlap: int
) -> Iterator[ArchivePage]:
    """Rows archived since the last pass; `overlap`: seconds before it that are told again."""
    walk = Walk(account, object_name, properties)
    cursor = cursor or Cursor()
    until, after, since = cursor.until_ms, cursor.position, cursor.since_ms
    told = None if since is None else since - overlap * 1000
    while True:
        before, after_was = account.calls, after
        try:
            answer = walk.list_page(after, archived=True)
        except RecordRejected:
            if after is None:
                raise
            answer = walk.list_page(None, archived=True)
        until = until if until is not None else answer.server_ms
        after = answer.value.after
        if after is not None and after == after_was:
            raise BrokenReply(f"the archived {object_name} go in circles", crm=CRM, code="circle")
        rows = list(_news(object_name, answer.value.results, answer.server_ms, told))
        next_cursor = Cursor(since_ms=until, state=cursor.state)
        if after is not None:
            next_cursor = Cursor(since_ms=since, until_ms=until, position=after, state=cursor.state)
        yield ArchivePage(rows, next_cursor, answer.server_ms, after is None, account.calls - before)
        if after is None:
            return


def _news(
    object_name: str, rows: Sequence[msgspec.Raw], server_ms: int, told: int | None
) -> Iterator[tuple[Row, Tombstone]]:
    for raw in rows:
        row = read_row(raw, object_name)
        # a server that does not know the parameter lists the living: nobody is buried on its word
        if isinstance(row, Row) and (row.archived or row.archivedAt):
            stone = archived(row, object_name, server_ms)
            if told is None or stone.at_ms >= told:
                yield row, stone
