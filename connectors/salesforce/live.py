"""The live state of records just before (and after) a write, and what became of those that went.

One query for the records (the bin included), one for the users behind them, one for field history where
the org keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from config.world import World
from connectors.errors import NotOffered
from connectors.records import FieldVersion, Live, Owner, RecordRef
from connectors.salesforce import records, soql
from connectors.salesforce.api import Api
from connectors.salesforce.authors import Authors
from connectors.salesforce.http import CRM
from connectors.salesforce.reader import fields_of, query_all
from connectors.salesforce.schema import Schema
from connectors.salesforce.values import as_text, at_path, id18, parse_ms

READ_BATCH: Final = 200
_HOPS: Final = 10
"""Merges and conversions followed one after the other before a chain counts as lost."""

_KEYS: Final = (
    *records.STAMPS,
    "OwnerId",
    "LastModifiedById",
    "CreatedById",
    "RecordType.DeveloperName",
)


class LiveReader:
    """Reads records as they are this moment."""

    def __init__(self, api: Api, schema: Schema, world: World) -> None:
        self._api = api
        self._schema = schema
        self._world = world
        self._authors = Authors(api, schema)

    def read(
        self, object_name: str, ids: Sequence[str], fields: Sequence[str], *, history: bool = True
    ) -> list[Live]:
        """The records in the order asked. Raises NotOffered naming a field that is not there."""
        asked = [id18(known) for known in ids]
        for name in fields:
            if not self._schema.has_path(object_name, name):
                what = f"{object_name}.{name}"
                raise NotOffered(f"the org has no field {what}, or we may not see it", what=what, crm=CRM)
        # before the question: a change made while it is answered must not count as seen
        server_ms = self._api.server_ms()
        rows = self._rows(object_name, asked, fields)
        read_at = self._world.monotonic()
        gone = [row for row in rows.values() if _next_ref(object_name, row) is not None]
        survivors = self._survivors(object_name, gone) if gone else {}
        present = [known for known in asked if known in rows and not _is_gone(rows[known])]
        edits = self._authors.history(object_name, present, fields if history else ())
        users = self._authors.users(_user_ids(rows.values(), edits))
        versions = self._authors.versions(object_name, edits, fields, users)
        found = []
        for known in asked:
            ref = RecordRef(CRM, object_name, known)
            if known not in rows:
                found.append(Live(ref, exists=False, server_ms=server_ms, read_at=read_at))
                continue
            row, past = rows[known], versions.get(known, {})
            live = self._live(ref, row, fields, users, past, survivors.get(known))
            found.append(replace(live, server_ms=server_ms, read_at=read_at))
        return found

    def _rows(self, object_name: str, ids: Sequence[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        wanted = (*_KEYS, *records.GONE_FIELDS.get(object_name, ()), *fields)
        existing = self._schema.existing(object_name, wanted)
        text = soql.select(existing, object_name, [soql.is_in("Id", dict.fromkeys(ids))])
        rows = fields_of(query_all(self._api, text, deleted=True))
        return {str(row["Id"]): row for row in rows if isinstance(row.get("Id"), str)}

    def _live(
        self,
        ref: RecordRef,
        row: Mapping[str, Any],
        fields: Sequence[str],
        users: Mapping[str, Owner],
        past: Mapping[str, tuple[FieldVersion, ...]],
        survivor: RecordRef | None,
    ) -> Live:
        owner_id = as_text(row.get("OwnerId"))
        owner = users.get(owner_id or "")
        modifier, creator = str(row.get("LastModifiedById") or ""), str(row.get("CreatedById") or "")
        return Live(
            ref,
            exists=not _is_gone(row),
            values={name: as_text(at_path(dict(row), name)) for name in fields},
            version=str(row.get("LastModifiedDate") or ""),
            modified_ms=parse_ms(row.get("SystemModstamp")) or 0,
            created_ms=parse_ms(row.get("CreatedDate")) or 0,
            modified_by=self._authors.author(modifier, users),
            modified_by_id=modifier,
            created_by=self._authors.author(creator, users),
            versions=past,
            has_history={name: name in past for name in fields},
            moved_to=survivor,
            record_type=as_text(at_path(dict(row), "RecordType.DeveloperName")),
            owner_id=owner_id,
            owner_kind=owner.kind if owner is not None else "",
            owner_active=owner.active if owner is not None else None,
        )

    def _survivors(self, object_name: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, RecordRef]:
        """Where each record that was merged or converted ended, following chains to a living record."""
        at: dict[str, RecordRef] = {}
        for row in rows:
            following = _next_ref(object_name, row)
            if following is not None:
                at[str(row["Id"])] = following
        open_ = dict(at)
        for _ in range(_HOPS):
            if not open_:
                return at
            known = self._look_up(set(open_.values()))
            still_open: dict[str, RecordRef] = {}
            for start, ref in open_.items():
                row_there = known.get(ref)
                onward = _next_ref(ref.object, row_there) if row_there is not None else None
                if onward is not None:
                    at[start] = still_open[start] = onward
                elif row_there is None or _is_gone(row_there):
                    del at[start]
            open_ = still_open
        return {start: ref for start, ref in at.items() if start not in open_}

    def _look_up(self, refs: set[RecordRef]) -> dict[RecordRef, dict[str, Any]]:
        found: dict[RecordRef, dict[str, Any]] = {}
        for object_name in sorted({ref.object for ref in refs}):
            ids = sorted(ref.id for ref in refs if ref.object == object_name)
            for record_id, row in self._rows(object_name, ids, ()).items():
                found[RecordRef(CRM, object_name, record_id)] = row
        return found


def _is_gone(row: Mapping[str, Any]) -> bool:
    """Deleted, merged, or a lead that was converted: nothing may be written there."""
    return row.get("IsDeleted") is True or row.get("IsConverted") is True


def _next_ref(object_name: str, row: Mapping[str, Any]) -> RecordRef | None:
    """The record that this one went into, if it says so."""
    stone = records.tombstone(object_name, row, 0)
    if stone is None or stone.to_object is None or stone.to_id is None:
        return None
    return RecordRef(CRM, stone.to_object, stone.to_id)


def _user_ids(rows: Iterable[Mapping[str, Any]], history: Sequence[Mapping[str, Any]]) -> set[str]:
    names = ("OwnerId", "LastModifiedById", "CreatedById")
    ids = {str(row.get(name) or "") for row in rows for name in names}
    return ids | {str(row.get("CreatedById") or "") for row in history}
