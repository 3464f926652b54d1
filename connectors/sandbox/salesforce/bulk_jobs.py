"""What query and ingest jobs of Bulk API 2.0 have in common: id, state on the sandbox's clock, lifetime.

Source: Bulk API 2.0 Developer Guide "How Requests Are Processed", "Get Information About a Job", "Get
Information About All Jobs", "Delete a Job"; error codes from its page "Errors" (written in upper case by the
REST face of the API).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from connectors.sandbox.core import Answer, Request, Response
from connectors.sandbox.salesforce.bulk_csv import DELIMITERS, LINE_ENDS
from connectors.sandbox.salesforce.errors import fail, not_found
from connectors.sandbox.salesforce.ids import counter
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.schema import stamp

DAY = 86_400
ENDED = ("JobComplete", "Failed", "Aborted")


@dataclass
class Job:
    """One job. `columnDelimiter` and `lineEnding` are those of its CSV."""

    id: str
    operation: str
    object: str
    created: float
    user: str
    version: str
    delimiter: str
    line_end: str
    state: str
    state_at: float
    processed: int = 0
    failed: int = 0
    error: str = ""
    started: float | None = None
    """When it was handed over to be worked on."""
    own: dict[str, Any] = field(default_factory=dict)
    """What the kind of job adds to its description."""

    def turn(self, state: str, at: float) -> None:
        self.state, self.state_at = state, at

    def describe(self, job_type: str) -> dict[str, Any]:
        """Body of `GET /jobs/…/ID`."""
        body = {
            "id": self.id,
            "operation": self.operation,
            "object": self.object,
            "createdById": self.user,
            "createdDate": stamp(int(self.created)),
            "systemModstamp": stamp(int(self.state_at)),
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.version.removeprefix("v")),
            "jobType": job_type,
            "lineEnding": self.line_end,
            "columnDelimiter": self.delimiter,
            **self.own,
        }
        if self.state in ENDED:
            body["numberRecordsProcessed"] = self.processed
            body["retries"] = 0
            body["totalProcessingTime"] = int(1000 * (self.state_at - self.created))
        if self.error:
            body["errorMessage"] = self.error
        return body


class Jobs:
    """The jobs of one kind: created, looked at, aborted, deleted, forgotten."""

    def __init__(self, org: Org, job_type: str, new_id: Callable[[], str]) -> None:
        self._org = org
        self._job_type = job_type
        self._new_id = new_id
        self._jobs: dict[str, Job] = {}
        self._made: list[float] = []

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Descriptions of those that are still known, newest first."""
        self._forget()
        return (job.describe(self._job_type) for job in reversed(self._jobs.values()))

    def add(self, request: Request, body: dict[str, Any], object_name: str, state: str, user: str) -> Job:
        """A new job with the CSV settings that were asked for."""
        delimiter = str(body.get("columnDelimiter") or "COMMA")
        line_end = str(body.get("lineEnding") or "LF")
        if delimiter not in DELIMITERS or line_end not in LINE_ENDS:
            raise invalid_job(f"unknown columnDelimiter {delimiter} or lineEnding {line_end}")
        if body.get("contentType") not in (None, "CSV"):
            raise invalid_job(f"Unsupported content type: {body['contentType']}")
        now = self._org.now()
        version = request.path.split("/")[3]
        operation = str(body.get("operation"))
        job = Job(self._new_id(), operation, object_name, now, user, version, delimiter, line_end, state, now)
        self._jobs[job.id] = job
        self._made.append(now)
        return job

    def made_today(self) -> int:
        """Jobs created in the last 24 hours."""
        horizon = self._org.now() - DAY
        self._made = [at for at in self._made if at > horizon]
        return len(self._made)

    def need(self, job_id: str) -> Job:
        """A known job; a forgotten one is 404."""
        self._forget()
        job = self._jobs.get(job_id)
        if job is None:
            raise not_found()
        return job

    def run(self, job: Job, work: Callable[[Job], None]) -> None:
        """Let `work` be done when the job's time has come: after a tenth of it in the queue, the rest under
        way. The next outcome that `sf_bulk_outcomes` names, if any, takes the place of success."""
        switches = self._org.switches
        begun = job.started = self._org.now()
        outcome = switches.sf_bulk_outcomes.pop(0) if switches.sf_bulk_outcomes else "JobComplete"

        def progress() -> None:
            if job.state == "UploadComplete":
                job.turn("InProgress", begun + switches.sf_bulk_seconds / 10)

        def finish() -> None:
            if job.state not in ("UploadComplete", "InProgress"):
                return
            if outcome == "JobComplete":
                work(job)
            elif outcome == "Failed":
                job.error = "InternalServerError : the job failed after 15 retries"
            if job.state not in ENDED:
                job.turn(outcome, self._org.now())

        if switches.sf_bulk_seconds > 0:
            self._org.core.schedule(begun + switches.sf_bulk_seconds / 10, progress)
        self._org.core.schedule(begun + switches.sf_bulk_seconds, finish)

    def abort(self, job: Job) -> None:
        """PATCH {"state": "Aborted"}"""
        if job.state in ENDED:
            raise invalid_state(f"Aborting already {job.state} Job not allowed")
        job.turn("Aborted", self._org.now())

    def delete(self, job_id: str) -> Response:
        job = self.need(job_id)
        if job.state not in (*ENDED, "UploadComplete"):
            raise invalid_state(f"Deleting {job.state} Job not allowed")
        del self._jobs[job_id]
        return Response(204)

    def answer(self, job: Job) -> Response:
        return Response.json(job.describe(self._job_type))

    def _forget(self) -> None:
        """Jobs and results are kept for seven days."""
        horizon = self._org.now() - self._org.switches.sf_bulk_kept
        for job_id in [one.id for one in self._jobs.values() if one.created < horizon]:
            del self._jobs[job_id]


def new_job_id() -> Callable[[], str]:
    """Ids of jobs start with 750."""
    return counter("750")


def invalid_job(message: str) -> Answer:
    return fail(400, "INVALIDJOB", f"InvalidJob : {message}")


def invalid_state(message: str) -> Answer:
    return fail(400, "INVALIDJOBSTATE", message)
