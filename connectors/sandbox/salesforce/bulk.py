"""`/jobs/query` and `/jobs/ingest`: which request does what (Bulk API 2.0 Developer Guide, "Reference")."""

from __future__ import annotations

from typing import Any

from connectors.sandbox.core import Request, Response
from connectors.sandbox.salesforce.bulk_ingest import IngestJobs
from connectors.sandbox.salesforce.bulk_jobs import Jobs, invalid_job, new_job_id
from connectors.sandbox.salesforce.bulk_query import QueryJobs
from connectors.sandbox.salesforce.errors import fail, not_found
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.rows import fields_of

LISTED = 1000  # jobs on one page of the list


class Bulk:
    def __init__(self, org: Org) -> None:
        self._org = org
        ids = new_job_id()
        self._jobs = {"query": Jobs(org, "V2Query", ids), "ingest": Jobs(org, "V2Ingest", ids)}
        self._query = QueryJobs(org, self._jobs["query"])
        self._ingest = IngestJobs(org, self._jobs["ingest"])

    @property
    def query_jobs_today(self) -> int:
        """Query jobs made in the last 24 hours."""
        return self._jobs["query"].made_today()

    def handle(self, request: Request, parts: list[str], user: str) -> Response:
        """A request below `/jobs`; `user` is whose session it carries."""
        refusal = self._org.switches.sf_bulk_refusal
        if refusal is not None:
            raise fail(*refusal)
        if not parts or parts[0] not in self._jobs:
            raise not_found()
        what, rest = parts[0], parts[1:]
        if not rest:
            return self._all(request, what, user)
        if len(rest) == 1:
            return self._one(request, what, rest[0])
        if len(rest) == 2 and what == "query" and rest[1] == "results" and request.method == "GET":
            return self._query.results(request, rest[0])
        if len(rest) == 2 and what == "query" and rest[1] == "resultPages" and request.method == "GET":
            return self._query.pages(request, rest[0])
        if len(rest) == 2 and what == "ingest" and request.method == "GET":
            return self._ingest.results(rest[0], rest[1])
        if len(rest) == 2 and what == "ingest" and rest[1] == "batches" and request.method == "PUT":
            return self._ingest.upload(request, rest[0])
        raise not_found()

    def _all(self, request: Request, what: str, user: str) -> Response:
        if request.method == "POST":
            return (
                self._query.create(request, user) if what == "query" else self._ingest.create(request, user)
            )
        if request.method == "GET":
            return self._list(request, what)
        raise _not_allowed(request)

    def _list(self, request: Request, what: str) -> Response:
        start = request.param("queryLocator") or "0"
        if not start.isdigit():
            raise fail(400, "INVALID_QUERY_LOCATOR", f"invalid locator: {start}")
        wanted = request.param("jobType")
        described = [one for one in self._jobs[what] if not wanted or one["jobType"] == wanted]
        page = described[int(start) : int(start) + LISTED]
        end = int(start) + len(page)
        body: dict[str, Any] = {"done": end >= len(described), "records": page, "nextRecordsUrl": None}
        if not body["done"]:
            body["nextRecordsUrl"] = f"{request.path}?queryLocator={end}"
        return Response.json(body)

    def _one(self, request: Request, what: str, job_id: str) -> Response:
        jobs = self._jobs[what]
        if request.method == "DELETE":
            return jobs.delete(job_id)
        job = jobs.need(job_id)
        if request.method == "GET":
            return jobs.answer(job)
        if request.method != "PATCH":
            raise _not_allowed(request)
        state = fields_of(request).get("state")
        if state == "Aborted":
            jobs.abort(job)
        elif state == "UploadComplete" and what == "ingest":
            self._ingest.close(job)
        else:
            raise invalid_job(f"state cannot be set to {state}")
        return jobs.answer(job)


def _not_allowed(request: Request) -> Exception:
    return fail(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed")
