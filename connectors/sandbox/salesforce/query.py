"""`/query` and `/queryAll`: pages of up to 2,000 rows and the locators that lead on.

Source: REST API Developer Guide "Query", "QueryAll", "Query Options Header". A locator keeps the ids found by
the first request; later pages show the rows as they are then. Sort order does not move under the reader.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from connectors.sandbox.core import Request, Response
from connectors.sandbox.salesforce.errors import fail
from connectors.sandbox.salesforce.ids import counter
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.soql_parser import parse
from connectors.sandbox.salesforce.soql_run import Selection

MAX_SOQL = 100_000  # characters
KEPT_LOCATORS = 100  # finished ones stay readable, so that a lost last page can be asked for again


@dataclass
class Locator:
    selection: Selection
    made_at: float
    page_size: int
    finished: bool = False


class Queries:
    def __init__(self, org: Org) -> None:
        self._org = org
        self._locators: OrderedDict[str, Locator] = OrderedDict()
        self._new_id = counter("01g")

    def run(self, request: Request, version: str, all_rows: bool) -> Response:
        """GET /query?q=…"""
        soql = request.param("q")
        if not soql.strip():
            raise fail(400, "MALFORMED_QUERY", "A query string has to be specified")
        if len(soql) > MAX_SOQL:
            raise fail(
                400, "QUERY_TOO_COMPLICATED", "Query is either selecting too many fields or is too long"
            )
        selection = Selection(self._org, parse(soql), all_rows, version)
        if selection.query.count_only and not selection.aggregated:
            return Response.json({"totalSize": len(selection.records), "done": True, "records": []})
        if selection.aggregated:
            rows = selection.groups()
            return Response.json({"totalSize": len(rows), "done": True, "records": rows})
        locator = Locator(selection, self._org.now(), self._page_size(request))
        return self._page(locator, "", 0, version)

    def more(self, locator_text: str, version: str) -> Response:
        """GET /query/LOCATOR-OFFSET"""
        key, _, start = unquote_plus(locator_text).rpartition("-")
        locator = self._locators.get(key)
        lifetime = self._org.switches.sf_locator_lifetime
        if locator is None or not start.isdigit() or self._org.now() - locator.made_at > lifetime:
            raise fail(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(locator, key, int(start), version)

    def _page(self, locator: Locator, key: str, start: int, version: str) -> Response:
        records = locator.selection.records
        end = start + locator.page_size
        done = end >= len(records)
        body: dict[str, Any] = {"totalSize": len(records), "done": done}
        if done:
            locator.finished = True
        else:
            key = key or self._keep(locator)
            body["nextRecordsUrl"] = f"/services/data/{version}/query/{key}-{end}"
        body["records"] = locator.selection.rows(records[start:end])
        return Response.json(body)

    def _keep(self, locator: Locator) -> str:
        """Store a locator; the oldest open one goes when there are too many."""
        key = self._new_id()
        self._locators[key] = locator
        opened = [name for name, one in self._locators.items() if not one.finished]
        for name in opened[: max(0, len(opened) - self._org.switches.sf_open_locators)]:
            del self._locators[name]
        while len(self._locators) > KEPT_LOCATORS:
            self._locators.popitem(last=False)
        return key

    def _page_size(self, request: Request) -> int:
        """`Sforce-Query-Options: batchSize=N` asks for 200 to 2,000 rows; the server may give fewer."""
        most = self._org.switches.sf_page_size
        match = re.search(r"batchSize\s*=\s*(\d+)", request.header("sforce-query-options"))
        return min(most, max(200, min(2000, int(match.group(1))))) if match else most
