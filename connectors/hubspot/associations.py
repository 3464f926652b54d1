"""Associations of records, a thousand records a call, every page of every record.

An answer pages per record (`{id, after}` is sent again for those that have more), leaves out records that
have none, and answers 207 when it does. One pair of records may have several types: they make one link.

Source: HubSpot's "Associations v4" pages (batch read) and issue threads of the official clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from connectors import fields
from connectors.errors import BrokenReply, RecordRejected, RightMissing
from connectors.hubspot.account import Account
from connectors.hubspot.reader import (
    Associated,
    AssociatedFrom,
    AssociatedTo,
    AssociationBatch,
    AssociationType,
    Problem,
)
from connectors.hubspot.replies import CRM
from connectors.records import Link, LinkSet

BATCH: Final = 1000
SMALLER_BATCH: Final = 100  # where a server refuses the larger (the limit of other batches)
PRIMARY_TYPE: Final = "1"  # "Contact to Primary company", HubSpot-defined
_ABSENT: Final = ("NO_ASSOCIATIONS", "NOT_FOUND", "DOES_NOT_EXIST")


class Associations:
    """Reads all associations of records of one kind to another kind."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._size = BATCH

    def link_sets(self, object_name: str, ids: Sequence[str], to: str) -> list[LinkSet]:
        """One LinkSet for each of `ids`, empty where a record has no association; none for a record whose
        part of the answer could not be read."""
        return [
            LinkSet(CRM, object_name, record_id, to, tuple(_links(object_name, record_id, to, pairs)))
            for record_id, pairs in self.read(object_name, ids, to).items()
        ]

    def read(
        self, object_name: str, ids: Sequence[str], to: str
    ) -> Mapping[str, Mapping[str, list[AssociationType]]]:
        """Per record of `ids`: the other record's id → the types of that pair.

        A record whose part of the answer cannot be read is left out: nothing is known of it.
        """
        found: dict[str, dict[str, list[AssociationType]]] = {record_id: {} for record_id in ids}
        asked: list[tuple[str, str | None]] = [(record_id, None) for record_id in found]
        while asked:
            now, asked = asked[: self._size], asked[self._size :]
            try:
                rows = self._batch(object_name, now, to)
            except RecordRejected:
                if len(now) <= SMALLER_BATCH:
                    raise
                self._size, asked = SMALLER_BATCH, now + asked
                continue
            for raw in rows:
                entry = _readable(raw, object_name)
                record_id = entry if isinstance(entry, str) else str(entry.source.id)
                if isinstance(entry, str):
                    found.pop(record_id, None)
                    continue
                known = found.get(record_id)
                if known is None:
                    continue  # a merge may answer for its survivor, whom nobody asked for
                grew = _take(known, entry.to)
                after = _after(entry)
                if after is None:
                    continue
                if not grew or (record_id, after) in now:
                    raise BrokenReply(f"associations of {object_name} go in circles", crm=CRM, code="circle")
                asked.append((record_id, after))
        return found

    def _batch(self, object_name: str, asked: Sequence[tuple[str, str | None]], to: str) -> list[msgspec.Raw]:
        inputs = [
            {"id": record_id} if after is None else {"id": record_id, "after": after}
            for record_id, after in asked
        ]
        answer = self._account.read(
            AssociationBatch, "associations", body={"inputs": inputs}, object=object_name, to=to
        )
        batch: AssociationBatch = answer.value
        for problem in batch.errors or ():
            _check(problem, object_name, to)
        return batch.results


def _readable(raw: msgspec.Raw, object_name: str) -> Associated | str:
    """One record's part of an answer, or the id of the record when the rest of it cannot be read."""
    try:
        return fields.from_json(bytes(raw), Associated)
    except ValueError:
        pass
    try:
        return str(fields.from_json(bytes(raw), AssociatedFrom).source.id)
    except ValueError:
        # whose it was nobody knows, and who is not named counts as having none
        message = f"associations of {object_name} cannot be read"
        raise BrokenReply(message, crm=CRM, code="broken_reply") from None


def _check(problem: Problem, object_name: str, to: str) -> None:
    """A record without associations is named as an error; any other error makes the answer unusable."""
    said = f"{problem.category or ''} {problem.subCategory or ''}".upper()
    if "SCOPE" in said or "FORBIDDEN" in said:
        raise RightMissing(f"no right to read associations to {to}", crm=CRM, code="MISSING_SCOPES")
    absent = any(word in said for word in _ABSENT) or (problem.message or "").lower().startswith("no ")
    if not absent:
        raise BrokenReply(f"associations of {object_name} to {to} came in part", crm=CRM, code="partial")


def _take(known: dict[str, list[AssociationType]], pairs: Sequence[AssociatedTo] | None) -> bool:
    """Add a page of pairs; whether any of them is new."""
    before = len(known)
    for pair in pairs or ():
        known.setdefault(str(pair.toObjectId), []).extend(pair.associationTypes or ())
    return len(known) > before


def _after(entry: Associated) -> str | None:
    token = entry.paging.next.after if entry.paging is not None and entry.paging.next is not None else None
    return None if token is None or token == "" else str(token)


def _links(
    object_name: str, record_id: str, to: str, pairs: Mapping[str, Sequence[AssociationType]]
) -> list[Link]:
    return [
        Link(CRM, object_name, record_id, to, other, _types(types), any(_is_primary(kind) for kind in types))
        for other, types in pairs.items()
    ]


def _types(types: Sequence[AssociationType]) -> str:
    """Type ids; those that an account defined itself are marked, since their numbers are its own."""
    names = {
        str(kind.typeId) if kind.category in (None, "HUBSPOT_DEFINED") else f"{kind.category}:{kind.typeId}"
        for kind in types
        if kind.typeId is not None
    }
    return ",".join(sorted(names))


def _is_primary(kind: AssociationType) -> bool:
    defined = kind.category in (None, "HUBSPOT_DEFINED")
    return defined and (str(kind.typeId) == PRIMARY_TYPE or (kind.label or "").lower().startswith("primary"))
