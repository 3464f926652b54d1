"""`/jobs/query`: a query runs in the background, its rows are kept as CSV and fetched in parts.

Source: Bulk API 2.0 Developer Guide "Query Jobs" (Create, Get Results with `locator` and `maxRecords`,
headers `Sforce-Locator` and `Sforce-NumberOfRecords`; Get Parallel Results), "Bulk API Query: unsupported
SOQL", Limits "Bulk API and Bulk API 2.0 Limits". Messages of refusals as quoted in public issue threads.
"""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.sandbox.core import Answer, Request, Response
from connectors.sandbox.salesforce.bulk_csv import cell, table
from connectors.sandbox.salesforce.bulk_jobs import Job, Jobs, invalid_job, invalid_state
from connectors.sandbox.salesforce.errors import fail, not_found
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.query import MAX_SOQL
from connectors.sandbox.salesforce.rows import fields_of
from connectors.sandbox.salesforce.schema import Field
from connectors.sandbox.salesforce.soql_fields import resolve
from connectors.sandbox.salesforce.soql_parser import Query, parse
from connectors.sandbox.salesforce.soql_run import Selection

PARALLEL = 5  # results that are named at once
PARALLEL_SINCE = 58.0  # API version


@dataclass
class Rows:
    """What a job found, frozen when it ran: values as the records held them."""

    header: list[str] = field(default_factory=list)
    columns: list[Field] = field(default_factory=list)
    values: list[tuple[Any, ...]] = field(default_factory=list)


class QueryJobs:
    def __init__(self, org: Org, jobs: Jobs) -> None:
        self._org = org
        self._jobs = jobs
        self._queries: dict[str, tuple[Query, bool]] = {}
        self._found: dict[str, Rows] = {}

    def create(self, request: Request, user: str) -> Response:
        """POST /jobs/query"""
        body = fields_of(request)
        operation, soql = body.get("operation"), body.get("query")
        if operation not in ("query", "queryAll"):
            raise invalid_job(f"unknown operation {operation}")
        if not isinstance(soql, str) or not soql.strip() or len(soql) > MAX_SOQL:
            raise invalid_job("Query is not provided, or too long")
        if self._jobs.made_today() >= self._org.switches.sf_bulk_daily_jobs:
            most = self._org.switches.sf_bulk_daily_jobs
            message = f"Max bulk v2 query jobs ({most}) per 24 hrs has been reached ({most})"
            raise fail(400, "LIMIT_EXCEEDED", message)
        query = parse(soql)
        self._check(query)
        kind = self._org.find_type(query.object_name)
        name = kind.name if kind is not None else query.object_name
        Selection(self._org, replace(query, limit=0), False, "")  # refuses what it does not know
        job = self._jobs.add(request, body, name, "UploadComplete", user)
        self._queries[job.id] = (query, operation == "queryAll")
        description = self._jobs.answer(job)
        self._jobs.run(job, self._work)
        return description

    def results(self, request: Request, job_id: str) -> Response:
        """GET /jobs/query/ID/results"""
        job, rows = self._complete(request, job_id)
        start = _place(request.param("locator"), len(rows.values))
        most = request.param("maxRecords") or str(self._org.switches.sf_bulk_whole)
        if not most.isdigit() or int(most) < 1:
            raise fail(400, "INVALID_VALUE", f"invalid maxRecords: {most}")
        end = min(start + int(most), len(rows.values))
        return self._part(request, job, rows, start, end)

    def pages(self, request: Request, job_id: str) -> Response:
        """GET /jobs/query/ID/resultPages: addresses of up to five results, to be read in parallel."""
        if _version(request) < PARALLEL_SINCE:
            raise not_found()
        job, rows = self._complete(request, job_id)
        total, size = len(rows.values), self._org.switches.sf_bulk_whole
        first = _place(request.param("locator"), total)
        starts = list(range(first, total, size))[:PARALLEL] or [0]
        base = f"/services/data/{job.version}/jobs/query/{job_id}"
        pages = [
            {"resultUrl": f"{base}/results" + (f"?locator={_locator(start)}" if start or total else "")}
            for start in starts
        ]
        after = starts[-1] + size
        body: dict[str, Any] = {"resultPages": pages, "nextRecordsUrl": None, "done": after >= total}
        if not body["done"]:
            body["nextRecordsUrl"] = f"{base}/resultPages?locator={_locator(after)}"
        return Response.json(body)

    def _complete(self, request: Request, job_id: str) -> tuple[Job, Rows]:
        """A job that has its results; they are had by the version that it was made with alone."""
        job = self._jobs.need(job_id)
        if job.state != "JobComplete":
            raise invalid_state(f"Results are not available while the job is {job.state}")
        if float(job.version.removeprefix("v")) != _version(request):
            raise fail(409, "INVALIDVERSION", f"The results are to be had by {job.version} only")
        return job, self._found[job_id]

    def _part(self, request: Request, job: Job, rows: Rows, start: int, end: int) -> Response:
        switches = self._org.switches
        stop = max(start, end - switches.sf_bulk_lost_rows)
        cells = [cell(one) for one in rows.columns]
        lines = (
            [write(value) for write, value in zip(cells, values, strict=True)]
            for values in rows.values[start:stop]
        )
        body = table(rows.header, lines, job.delimiter, job.line_end)
        more = end < len(rows.values) and not switches.sf_bulk_ends_early
        headers = {
            "Sforce-NumberOfRecords": str(end - start),
            "Sforce-Locator": _locator(end) if more else "null",
        }
        if switches.sf_bulk_gzip and "gzip" in request.header("accept-encoding"):
            body = gzip.compress(body, 1)
            headers["Content-Encoding"] = "gzip"
        return Response(200, body, headers, "text/csv;charset=UTF-8")

    def _work(self, job: Job) -> None:
        """Find the rows and freeze them."""
        query, everything = self._queries.pop(job.id)
        try:
            selection = Selection(self._org, query, everything, job.version)
            paths = [resolve(self._org, selection.kind, path) for path in query.paths]
        except Answer as problem:
            job.error = f"InvalidBatch : {problem.response.body.decode('utf-8', 'replace')}"
            job.turn("Failed", self._org.now())
            return
        header = [".".join([*(hop.name for hop in path.hops), path.leaf.name]) for path in paths]
        readers = [path.value for path in paths]
        values = [tuple(read(record) for read in readers) for record in selection.records]
        self._found[job.id] = Rows(header, [path.leaf for path in paths], values)
        job.processed = len(values) + self._org.switches.sf_bulk_count_error

    def _check(self, query: Query) -> None:
        """What Bulk queries cannot do."""
        if query.object_name in self._org.switches.sf_bulk_unsupported:
            message = f"Entity '{query.object_name}' is not supported by the Bulk API."
            raise fail(400, "INVALIDENTITY", message)
        if query.aggregates or query.group_by or query.count_only:
            raise _unsupported("Aggregate Relationships not supported in Bulk Query")
        if query.children:
            raise _unsupported("Nested queries not supported in Bulk Query")
        if query.offset:
            raise _unsupported("Offset not supported in Bulk Query")
        if query.field_sets:
            raise _unsupported("FIELDS() not supported in Bulk Query")
        kind = self._org.find_type(query.object_name)
        if kind is None:
            return
        leaves = [resolve(self._org, kind, path).leaf for path in query.paths]
        if any(leaf.type in ("address", "location") for leaf in leaves):
            raise _unsupported("Selecting compound data not supported in Bulk Query")


def _version(request: Request) -> float:
    return float(request.path.split("/")[3].removeprefix("v"))


def _locator(row: int) -> str:
    return base64.b64encode(str(row).encode()).decode()


def _place(locator: str, rows: int) -> int:
    """The row that a locator stands for; the first one without a locator."""
    if not locator:
        return 0
    try:
        place = int(base64.b64decode(locator, validate=True))
    except ValueError:
        place = -1
    if not 0 <= place < rows:
        raise fail(400, "INVALID_QUERY_LOCATOR", f"invalid locator: {locator}")
    return place


def _unsupported(message: str) -> Answer:
    return fail(400, "API_ERROR", message)
