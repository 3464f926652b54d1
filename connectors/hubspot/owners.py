"""Owners: active ones, then deactivated ones, which still stand on records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from connectors import fields
from connectors.errors import BrokenReply
from connectors.hubspot.account import Account
from connectors.hubspot.reader import ObjectPage, OwnerRow, id_of, raw_text
from connectors.hubspot.replies import CRM
from connectors.records import Cursor, Feed, Owner, Page, Poison

PAGE: Final = 100


class Owners:
    """Lists owners; there are few of them, so every pass reads all."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def all(self) -> list[Owner]:
        """Everybody who may own or has owned."""
        return [
            owner for rows, _, _ in self._listing() for raw in rows if isinstance(owner := _owner(raw), Owner)
        ]

    def pages(self, feed: Feed) -> Iterator[Page]:
        """All of them as pages."""
        before = self._account.calls
        for rows, server_ms, complete in self._listing():
            found = [_owner(raw) for raw in rows]
            yield Page(
                feed=feed,
                cursor=Cursor(since_ms=server_ms),
                server_ms=server_ms,
                complete=complete,
                calls=self._account.calls - before,
                seen=len(found),
                owners=tuple(entry for entry in found if isinstance(entry, Owner)),
                poison=tuple(entry for entry in found if isinstance(entry, Poison)),
            )
            before = self._account.calls

    def _listing(self) -> Iterator[tuple[list[tuple[msgspec.Raw, bool]], int, bool]]:
        """(rows with whether they are archived, the server's clock, whether these are the last)."""
        for archived in (False, True):
            after: str | None = None
            while True:
                query = [("limit", str(PAGE)), ("archived", str(archived).lower())]
                query += [("after", after)] if after is not None else []
                answer = self._account.read(ObjectPage, "owners", query=query)
                token: str | None = answer.value.after
                if token is not None and token == after:
                    raise BrokenReply("the list of owners goes in circles", crm=CRM, code="circle")
                after = token
                rows = [(raw, archived) for raw in answer.value.results]
                yield rows, answer.server_ms, archived and after is None
                if after is None:
                    break


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
