"""What was deleted, by getDeleted: the only trace of rows that are deleted for good.

Ids that it names are looked up in the bin: a merged record names its survivor there, and one that was
undeleted meanwhile is no tombstone. Reaching back is limited (15 days, less when much was deleted); what
fell into such a gap is found by the id sweep.
Source: REST API Developer Guide, "Get Deleted".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from connectors.errors import BrokenReply, NotOffered, RecordRejected
from connectors.records import Cursor, GoneReason, Page, Tombstone
from connectors.salesforce import records, soql
from connectors.salesforce.api import Api
from connectors.salesforce.feeds import Spec
from connectors.salesforce.http import CRM
from connectors.salesforce.reader import fields_of, query_all
from connectors.salesforce.schema import Schema
from connectors.salesforce.values import parse_ms, soql_datetime

_MINUTE: Final = 60_000
_DAY: Final = 24 * 60 * _MINUTE
FURTHEST_BACK: Final = 15 * _DAY - 60 * _MINUTE
FIRST_LOOK: Final = _DAY
"""Milliseconds before the first pass: a first sync may have taken that long."""
OVERLAP: Final = 10 * _MINUTE
IDS_PER_QUERY: Final = 400

_TOO_FAR: Final = frozenset({"INVALID_REPLICATION_DATE", "EXCEEDED_ID_LIMIT"})


class Deletions:
    """Reads the deletion feeds."""

    def __init__(self, api: Api, schema: Schema) -> None:
        self._api = api
        self._schema = schema

    def pages(self, spec: Spec, cursor: Cursor | None) -> Iterator[Page]:
        """One page: everything that was deleted since the cursor. Raises NotOffered."""
        calls = self._api.calls
        info = self._schema.describe(spec.object)
        if not info.replicateable:
            what = f"deleted {spec.object} rows"
            raise NotOffered(f"the org does not list {what}", what=what, crm=CRM)
        until = self._api.server_ms()
        try:
            deleted, covered = self._ask(spec.object, *_span(cursor, until))
        except RecordRejected as error:
            what = f"deleted {spec.object} rows"
            message = f"the org refuses to list {what} ({error.message}); a full pull finds what went"
            raise NotOffered(message, what=what, crm=CRM, code=error.code) from error
        if deleted and "IsDeleted" in info.fields:
            master = "MasterRecordId" in info.fields
            deleted = self._looked_up(spec.object, deleted, master=master)
        since = until - OVERLAP if covered is None else min(max(covered, until - 60 * _MINUTE), until)
        yield Page(
            feed=spec.deletion_feed,
            cursor=Cursor(since_ms=since),
            server_ms=until,
            complete=True,
            calls=self._api.calls - calls,
            tombstones=tuple(deleted),
        )

    def _ask(self, object_name: str, start: int, end: int) -> tuple[list[Tombstone], int | None]:
        try:
            answer = self._get_deleted(object_name, start, end)
        except RecordRejected as error:
            if error.code not in _TOO_FAR or end - start <= _DAY:
                raise
            answer = self._get_deleted(object_name, end - _DAY, end)
        found = []
        for row in answer["deletedRecords"]:
            record_id = row.get("id") if isinstance(row, dict) else None
            if isinstance(record_id, str):
                at = parse_ms(row.get("deletedDate"))
                at_ms = end if at is None else at
                found.append(Tombstone(CRM, object_name, record_id, GoneReason.DELETED.value, at_ms))
        return found, parse_ms(answer.get("latestDateCovered"))

    def _get_deleted(self, object_name: str, start: int, end: int) -> Any:
        span = {"start": soql_datetime(start), "end": soql_datetime(end)}
        return self._api.replicated(object_name, "deleted", span, _believed)

    def _looked_up(self, object_name: str, deleted: Sequence[Tombstone], *, master: bool) -> list[Tombstone]:
        """The tombstones with their survivors; those of living records left out."""
        fields = ("Id", "IsDeleted", "MasterRecordId") if master else ("Id", "IsDeleted")
        rows: dict[str, dict[str, Any]] = {}
        ids = [stone.id for stone in deleted]
        for start in range(0, len(ids), IDS_PER_QUERY):
            where = [soql.is_in("Id", ids[start : start + IDS_PER_QUERY])]
            text = soql.select(fields, object_name, where)
            for row in fields_of(query_all(self._api, text, deleted=True)):
                rows[str(row.get("Id"))] = row
        found = []
        for stone in deleted:
            seen = rows.get(stone.id)
            better = stone if seen is None else records.tombstone(object_name, seen, stone.at_ms)
            if better is not None:
                found.append(better)
        return found


def _believed(answer: Any) -> Any:
    """The answer, if it is a list of deleted records. Raises BrokenReply."""
    if not isinstance(answer, dict) or not isinstance(answer.get("deletedRecords"), list):
        raise BrokenReply("this is no list of deleted records", crm=CRM, code="NOT_DELETED_RECORDS")
    return answer


def _span(cursor: Cursor | None, until: int) -> tuple[int, int]:
    """(start, end) in milliseconds: at least two whole minutes, seconds being ignored there."""
    since = cursor.since_ms if cursor is not None and cursor.since_ms is not None else until - FIRST_LOOK
    start = max(min(since, until - 2 * _MINUTE), until - FURTHEST_BACK)
    return start, until
