"""Owners: active ones, then deactivated ones, which still stand on records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from connectors import fields
from connectors.errors import BrokenReply
from connectors.hubspot.account import Account
from connectors.hubspot.reader import ObjectPage, OwnerRow, id_of, raw_text
from connectors.hubspot.replies import CRM
from connectors.hubspot.steps import state_of, state_text
from connectors.records import Cursor, Feed, Owner, Page, Poison

PAGE: Final = 100
ARCHIVED_EVERY: Final = 3600  # seconds


class Owners:
    """Lists owners; there are few of them, so every pass reads all active ones."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def all(self) -> list[Owner]:
        """Everybody who may own or has owned."""
        listed = [raw for archived in (False, True) for rows, _, _ in self._listing(archived) for raw in rows]
        return [owner for raw in listed if isinstance(owner := _owner(raw), Owner)]

    def pages(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """All active ones; then the deactivated ones, unless the active ones are those of the last pass and
        the deactivated ones were read within the hour. Whoever is deactivated leaves the active ones.

        The cursor's notes: a digest of the active owners' ids, and when the others were last read.
        """
        before, number = self._account.calls, 0
        notes, active = state_of(cursor or Cursor()), hashlib.sha256()
        archived_ms = int(notes.get("archived", 0))
        for archived in (False, True):
            for rows, server_ms, last in self._listing(archived):
                number += 1
                if not archived:
                    active.update(" ".join(id_of(raw) for raw, _ in rows).encode() + b" ")
                known = notes.get("active") == active.hexdigest()
                fresh = known and server_ms - archived_ms < ARCHIVED_EVERY * 1000
                complete = last and (archived or fresh)
                state = {
                    "active": active.hexdigest(),
                    "archived": server_ms if archived else archived_ms,
                }
                done = Cursor(since_ms=server_ms, state=state_text(state))
                # a pass that was cut short begins anew, with the notes of none
                yield self._page(
                    feed,
                    rows,
                    done if complete else Cursor(position=str(number)),
                    server_ms,
                    complete=complete,
                    calls=self._account.calls - before,
                )
                before = self._account.calls
                if complete:
                    return

    def _page(
        self,
        feed: Feed,
        rows: list[tuple[msgspec.Raw, bool]],
        cursor: Cursor,
        server_ms: int,
        *,
        complete: bool,
        calls: int,
    ) -> Page:
        found = [_owner(raw) for raw in rows]
        return Page(
            feed=feed,
            cursor=cursor,
            server_ms=server_ms,
            complete=complete,
            calls=calls,
            seen=len(found),
            owners=tuple(entry for entry in found if isinstance(entry, Owner)),
            poison=tuple(entry for entry in found if isinstance(entry, Poison)),
        )

    def _listing(self, archived: bool) -> Iterator[tuple[list[tuple[msgspec.Raw, bool]], int, bool]]:
        """(rows with whether they are archived, the server's clock, whether these are the last)."""
        after: str | None = None
        while True:
            query = [("limit", str(PAGE)), ("archived", str(archived).lower())]
            query += [("after", after)] if after is not None else []
            answer = self._account.read(ObjectPage, "owners", query=query)
            token: str | None = answer.value.after
            if token is not None and token == after:
                raise BrokenReply("the list of owners goes in circles", crm=CRM, code="circle")
            after = token
            yield [(raw, archived) for raw in answer.value.results], answer.server_ms, after is None
            if after is None:
                return


def _owner(listed: tuple[msgspec.Raw, bool]) -> Owner | Poison:
    raw, archived = listed
    try:
        row = fields.from_json(bytes(raw), OwnerRow)
    except ValueError as error:
        return Poison(CRM, "owners", id_of(raw), f"unreadable owner: {error}", raw_text(raw))
    name = " ".join(part for part in (row.firstName, row.lastName) if part)
    return Owner(
        crm=CRM,
        id=str(row.id),
        email=fields.text(row.email),
        name=name or None,
        kind="queue" if (row.type or "").upper() == "QUEUE" else "person",
        active=not (archived if row.archived is None else row.archived),
    )
