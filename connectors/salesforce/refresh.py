"""Reading records again for the sake of formula fields, whose results move no SystemModstamp.

Only objects of which something uses a formula field, every `pull.refresh_calculated`: one call per 2,000 live
records, in the order of their ids. The first pass reads nothing, since the feed of the object just did.
Source: Object Reference, "System Fields"; REST API Developer Guide, "sObject Describe" (`calculated`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from connectors.errors import BrokenReply, NotOffered, RightMissing
from connectors.records import Cursor, Page
from connectors.salesforce import soql
from connectors.salesforce.api import Api
from connectors.salesforce.changes import Changes
from connectors.salesforce.feeds import Plan, Spec
from connectors.salesforce.http import CRM
from connectors.salesforce.reader import Row, fields_of


class Refresh:
    """Reads the refreshing feeds."""

    def __init__(self, api: Api, changes: Changes, every: int) -> None:
        self._api = api
        self._changes = changes
        self._every = every

    def pages(self, spec: Spec, cursor: Cursor | None) -> Iterator[Page]:
        """All live rows; one page of none where nothing uses a formula, and at the very beginning."""
        calls, server_ms = self._api.calls, self._api.server_ms()
        plan = self._plan(spec)
        feed = spec.refresh_feed(self._every)
        if cursor is None or plan is None or not plan.calculated:
            done = Cursor(since_ms=server_ms)
            yield Page(feed, done, server_ms, complete=True, calls=self._api.calls - calls)
            return
        cursor = replace(cursor, until_ms=cursor.until_ms or server_ms, state=None)
        end = False
        while not end:
            plan, (rows, more) = self._changes.with_fields(plan, lambda plan, at=cursor: self._ask(plan, at))  # type: ignore[misc]
            end = not more
            last = _last_id(rows)
            if not end and (not last or last == cursor.position):
                raise BrokenReply("the ids go in circles", crm=CRM, code="CIRCLE")
            cursor = Cursor(since_ms=cursor.until_ms) if end else replace(cursor, position=last)
            spent, calls = self._api.calls - calls, self._api.calls
            found = self._changes.sort(plan, rows)
            yield found.page(feed, cursor, self._api.server_ms(), complete=end, calls=spent)

    def _plan(self, spec: Spec) -> Plan | None:
        """What is read; None where the object cannot be, which the object's own feed says."""
        try:
            return self._changes.plan(spec)
        except (NotOffered, RightMissing):
            return None

    def _ask(self, plan: Plan, cursor: Cursor) -> tuple[list[Row], bool]:
        where = [plan.spec.where]
        where += [f"{gone} = false" for gone in ("IsDeleted", "IsConverted") if gone in plan.fields]
        if cursor.position:
            where.append(f"Id > {soql.quoted(cursor.position)}")

        def text(fields: Sequence[str]) -> str:
            return soql.select(fields, plan.spec.object, where, ("Id",), soql.PAGE_ROWS)

        rows, done = self._changes.query(plan, text)
        return rows, not done or len(rows) >= soql.PAGE_ROWS


def _last_id(rows: Sequence[Row]) -> str:
    ids = [row["Id"] for row in fields_of(rows) if isinstance(row.get("Id"), str)]
    return ids[-1] if ids else ""
