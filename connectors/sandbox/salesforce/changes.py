"""`/sobjects/OBJECT/updated` and `/deleted`.

Source: REST API Developer Guide "sObject Get Updated", "sObject Get Deleted". Seconds of start and end are
ignored. latestDateCovered is the start of the oldest transaction still open in the window,
so that a client who starts there next time misses nothing that is committed late.
"""

from __future__ import annotations

from connectors.sandbox.core import Request, Response
from connectors.sandbox.salesforce.errors import fail
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.schema import ObjectType, parse_datetime, stamp

DAY = 86_400
MAX_IDS = 600_000


class Changes:
    def __init__(self, org: Org) -> None:
        self._org = org
        self.open_transactions: list[float] = []
        """Starts of transactions that are not committed yet."""

    def updated(self, request: Request, kind: ObjectType) -> Response:
        start, end = self._window(request, 30)
        found = [record.id for record in self._org.table(kind.name).alive() if start <= record.stamp < end]
        if len(found) > MAX_IDS:
            raise fail(400, "EXCEEDED_ID_LIMIT", "exceeded limit of 600000 ids; choose a smaller window")
        return Response.json({"ids": found, "latestDateCovered": self._covered(end)})

    def deleted(self, request: Request, kind: ObjectType) -> Response:
        start, end = self._window(request, 15)
        gone = [
            (record.gone_at, record.id)
            for record in self._org.table(kind.name)
            if record.gone and start <= record.gone_at < end
        ]
        if kind.soft_delete or self._org.switches.sf_junction_in_get_deleted:
            gone += [
                (at, record_id)
                for at, object_name, record_id in self._org.hard_deleted
                if object_name == kind.name and start <= at < end
            ]
        return Response.json(
            {
                "deletedRecords": [
                    {"deletedDate": stamp(int(at)), "id": record_id} for at, record_id in sorted(gone)
                ],
                "earliestDateAvailable": stamp(int(self._earliest())),
                "latestDateCovered": self._covered(end),
            }
        )

    def _earliest(self) -> float:
        """How far back the log of deletions reaches (midnight 15 days ago)."""
        return (self._org.now() // DAY - 15) * DAY

    def _window(self, request: Request, days: int) -> tuple[float, float]:
        try:
            start, end = (_moment(request.param(name)) for name in ("start", "end"))
        except ValueError:
            raise fail(400, "INVALID_REPLICATION_DATE", "start and end must be ISO 8601 date-times") from None
        if self._org.switches.sf_replication_by_minute:
            start, end = start // 60 * 60, end // 60 * 60
        if start >= end:
            raise fail(400, "INVALID_REPLICATION_DATE", "startDate cannot be the same or after the endDate")
        if start < (self._org.now() // DAY - days) * DAY:
            raise fail(400, "INVALID_REPLICATION_DATE", f"startDate cannot be more than {days} days ago")
        return start, end

    def _covered(self, end: float) -> str:
        return stamp(int(min([end, self._org.now(), *self.open_transactions])))


def _moment(text: str) -> float:
    """A `+` that was not percent-encoded arrives as a blank; Salesforce refuses it, as does this."""
    return parse_datetime(text.strip())
