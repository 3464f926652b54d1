"""`/jobs/ingest`: rows of an uploaded CSV are saved in the background, each for itself.

Source: Bulk API 2.0 Developer Guide "Ingest Jobs" (Create, Upload Job Data, Upload Complete, Get Successful /
Failed / Unprocessed Record Results), "Prepare CSV Files": an empty cell leaves a field alone, `#N/A` clears
it. Rows pass through the same checks and rules as every other save; the assignment rule fires only when the
job names one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.sandbox.core import Request, Response
from connectors.sandbox.salesforce import lifecycle, saving
from connectors.sandbox.salesforce.bulk_csv import ClientInputError, parse, table
from connectors.sandbox.salesforce.bulk_jobs import ENDED, Job, Jobs, invalid_job, invalid_state
from connectors.sandbox.salesforce.errors import SaveError, fail, not_found
from connectors.sandbox.salesforce.org import Org
from connectors.sandbox.salesforce.rows import fields_of
from connectors.sandbox.salesforce.saving import Saver
from connectors.sandbox.salesforce.schema import ObjectType
from connectors.sandbox.store import Record

OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")
MOST_BYTES = 150_000_000
"""Of one upload, as base64: about 100 MB of CSV."""
NULL = "#N/A"


@dataclass
class Upload:
    """The data of a job and what became of its rows."""

    kind: ObjectType
    saver: Saver
    external_id: str = ""
    data: bytes | None = None
    header: list[str] = field(default_factory=list)
    successful: list[list[str]] = field(default_factory=list)
    failed: list[list[str]] = field(default_factory=list)
    unprocessed: list[list[str]] = field(default_factory=list)


class IngestJobs:
    def __init__(self, org: Org, jobs: Jobs) -> None:
        self._org = org
        self._jobs = jobs
        self._uploads: dict[str, Upload] = {}

    def create(self, request: Request, user: str) -> Response:
        """POST /jobs/ingest"""
        body = fields_of(request)
        operation, name = body.get("operation"), str(body.get("object") or "")
        if operation not in OPERATIONS:
            raise invalid_job(f"unknown operation {operation}")
        kind = self._org.find_type(name)
        if kind is None or kind.name in self._org.switches.sf_bulk_unsupported:
            raise fail(400, "INVALIDENTITY", f"Entity '{name}' is not supported by the Bulk API.")
        external = str(body.get("externalIdFieldName") or "")
        if operation == "upsert":
            one = self._org.find_field(kind, external)
            if one is None or not (one.external_id or one.name == "Id"):
                raise invalid_job(f"External ID was blank or is none for {name}: {external}")
            external = one.name
        job = self._jobs.add(request, body, kind.name, "Open", user)
        where = f"services/data/{job.version}/jobs/ingest/{job.id}/batches"
        job.own = {"contentUrl": where, "apexProcessingTime": 0, "apiActiveProcessingTime": 0}
        job.own["numberRecordsFailed"] = 0
        if external:
            job.own["externalIdFieldName"] = external
        author = "worker" if user == self._org.worker_id else "person"
        saver = Saver(author, user, auto_assign=bool(body.get("assignmentRuleId")))
        self._uploads[job.id] = Upload(kind, saver, external)
        return self._jobs.answer(job)

    def upload(self, request: Request, job_id: str) -> Response:
        """PUT /jobs/ingest/ID/batches, once per job"""
        job = self._jobs.need(job_id)
        upload = self._uploads[job_id]
        if job.state != "Open" or upload.data is not None:
            raise invalid_state("Found multiple contents for job: upload the data of a job once, while Open")
        if len(request.body) * 4 // 3 > MOST_BYTES:
            raise fail(400, "EXCEEDED_MAX_SIZE_REQUEST", "the data of a job may hold 150 MB")
        upload.data = request.body
        return Response(201)

    def close(self, job: Job) -> None:
        """PATCH {"state": "UploadComplete"}"""
        if job.state != "Open":
            raise invalid_state(f"Closing {job.state} Job not allowed")
        job.turn("UploadComplete", self._org.now())
        self._jobs.run(job, self._work)

    def results(self, job_id: str, which: str) -> Response:
        """GET successfulResults, failedResults, unprocessedrecords: as far as the job has come."""
        job = self._jobs.need(job_id)
        upload = self._uploads[job_id]
        tables = {
            "successfulresults": (["sf__Id", "sf__Created", *upload.header], upload.successful),
            "failedresults": (["sf__Id", "sf__Error", *upload.header], upload.failed),
            "unprocessedrecords": (upload.header, upload.unprocessed),
        }
        if which.lower() not in tables:
            raise not_found()
        if job.state not in ENDED:
            raise invalid_state(f"Results are not available while the job is {job.state}")
        header, rows = tables[which.lower()]
        rows = rows if self._org.switches.sf_bulk_in_order else rows[::-1]
        return Response(200, table(header, rows, job.delimiter, job.line_end), {}, "text/csv;charset=UTF-8")

    # -- the work ------------------------------------------------------------------------------------------

    def _work(self, job: Job) -> None:
        upload = self._uploads[job.id]
        try:
            upload.header, rows = parse(upload.data or b"", job.delimiter, job.line_end)
            self._check(job, upload)
        except ClientInputError as problem:
            job.error = str(problem)
            job.turn("Failed", self._org.now())
            return
        left = self._org.switches.sf_bulk_unprocessed
        done = rows[: max(0, len(rows) - left)] if left else rows
        upload.unprocessed = rows[len(done) :]
        for row in done:
            self._row(job, upload, row)
        job.processed, job.failed = len(done), len(upload.failed)
        job.own["numberRecordsFailed"] = job.failed
        if upload.unprocessed:
            job.error = "InternalServerError : the job failed after 10 retries of a batch"
            job.turn("Failed", self._org.now())

    def _check(self, job: Job, upload: Upload) -> None:
        """Every column must be a field. Raises ClientInputError."""
        for name in upload.header:
            if self._org.find_field(upload.kind, name) is None:
                raise ClientInputError(f"InvalidBatch : Field name not found : {name}")
        needed = {"insert": "", "upsert": upload.external_id}.get(job.operation, "Id")
        if needed and needed.lower() not in [name.lower() for name in upload.header]:
            raise ClientInputError(f"InvalidBatch : Field name not found : {needed}")

    def _row(self, job: Job, upload: Upload, row: list[str]) -> None:
        values: dict[str, str | None] = {}
        for name, text in zip(upload.header, row, strict=True):
            one = self._org.find_field(upload.kind, name)
            if text and one is not None:
                values[one.name] = None if text == NULL else text
        try:
            record_id, made = self._save(job.operation, upload, values)
        except SaveError as problem:
            message = f"{problem.code}:{problem.message}:{' '.join(problem.fields)} --"
            upload.failed.append([str(values.get("Id") or ""), message, *row])
        else:
            upload.successful.append([record_id, "true" if made else "false", *row])

    def _save(self, operation: str, upload: Upload, values: dict[str, str | None]) -> tuple[str, bool]:
        """Carry one row out; its id and whether it was made. Raises SaveError."""
        org, kind, saver = self._org, upload.kind, upload.saver
        if operation == "insert":
            return saving.create(org, kind, values, saver).id, True
        if operation == "upsert" and upload.external_id != "Id":
            value = values.get(upload.external_id)
            if not value:
                raise SaveError("MISSING_ARGUMENT", f"{upload.external_id} not specified")
            found = [one for one in org.table(kind.name).alive() if one.get(upload.external_id) == value]
            if len(found) > 1:
                raise SaveError("DUPLICATE_EXTERNAL_ID", f"{upload.external_id}: more than one record found")
            if not found:
                return saving.create(org, kind, values, saver).id, True
            saving.update(org, kind, found[0], values, saver)
            return found[0].id, False
        if operation == "upsert" and not values.get("Id"):
            return saving.create(org, kind, values, saver).id, True
        record = self._need(kind, values.get("Id"))
        if operation in ("update", "upsert"):
            saving.update(org, kind, record, values, saver)
        else:
            self._remove(operation, kind, record, saver)
        return record.id, False

    def _need(self, kind: ObjectType, record_id: str | None) -> Record:
        if not record_id:
            raise SaveError("MISSING_ARGUMENT", "Id not specified")
        record = self._org.record(kind.name, record_id)
        if record is None:
            raise SaveError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        return record

    def _remove(self, operation: str, kind: ObjectType, record: Record, saver: Saver) -> None:
        if not kind.deletable or not self._org.may_change(kind):
            raise SaveError("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
        lifecycle.delete(self._org, record, saver)
        if operation == "hardDelete" and kind.soft_delete:
            lifecycle.purge(self._org, record)
