"""The first pass over a large object by a Bulk API 2.0 query job.

    create   POST the query; its id goes into the cursor and is stored before anything is done with it
    wait     until JobComplete, asking ever less often
    read     result by result (`locator`), each written to a spool, checked and cut into batches of rows,
             every batch with the cursor that leads on from it

A killed run adopts the stored job. A job that is gone, failed, was aborted or whose counts do not add up
is made anew, at most `MOST_JOBS` times in one window; rows that it delivered stay, they come again. Where
Bulk is not to be had `Refused` says so, and the window is read by queries. A spent quota is never a reason
for that: queries would take more of it.

The job's rows have no order and no end in time. That loses nothing: the window's end was fixed before the job
was made, and the next window begins there.

Source: Bulk API 2.0 Developer Guide, "Query Jobs"; "Bulk API and Bulk API 2.0 Limits and Allocations".
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, NamedTuple
from urllib.parse import urlencode

from config.world import World
from connectors.errors import (
    BrokenReply,
    ConnectorError,
    NotOffered,
    QuotaSpent,
    RecordRejected,
    Retriable,
    RightMissing,
)
from connectors.records import Cursor
from connectors.salesforce import soql, windows
from connectors.salesforce.api import Api
from connectors.salesforce.csvrows import read_rows
from connectors.salesforce.feeds import Plan
from connectors.salesforce.http import CRM, scrub
from connectors.salesforce.reader import Row, read_page
from connectors.salesforce.schema import Schema
from connectors.salesforce.values import parse_ms
from connectors.salesforce.windows import Job

BULK_ABOVE: Final = 10_000
"""Rows. Up to here five queries of 2,000 are done before a job has left its queue."""

RESULT_ROWS: Final = 25_000
"""Rows of one result (`maxRecords`). Without it large results stop or time out."""

BATCH_ROWS: Final = 2_000
"""Rows that are handed on, and stored, at a time: as many as a page of a query has."""

SPOOL_BYTES: Final = 8 << 20
"""A result up to this size is kept in memory, a larger one in an unnamed temporary file."""

MOST_JOBS: Final = 3

FIRST_PAUSE: Final = 1.0  # seconds between two looks at a job, half as long again each time
LONGEST_PAUSE: Final = 30.0
PATIENCE: Final = 3600.0
"""Seconds to wait for a job in one run. It goes on without us, and the next run adopts it."""

_QUOTA_CODES: Final = frozenset({"LIMIT_EXCEEDED", "EXCEEDEDQUOTA"})
_QUOTA_WORDS: Final = ("LIMIT_EXCEEDED", "ExceededQuota", "Max bulk v2 query")
_WAITING: Final = frozenset({"Open", "UploadComplete", "InProgress"})
_EVERYTHING: Final = "*"


class Refused(Exception):
    """This window cannot be read by a job; queries can read it."""


class _Lost(Exception):
    """This job will not do. `final`: what to raise when no other did either; None: queries may try."""

    def __init__(self, why: str, final: ConnectorError | None = None) -> None:
        super().__init__(why)
        self.final = final


class Part(NamedTuple):
    """Some rows, the cursor to be stored with them, and whether they were the last. `left`: how many more
    the job has; None where it does not say."""

    rows: list[Row]
    cursor: Cursor
    last: bool
    left: int | None = None


class _Result(NamedTuple):
    """What the headers of a result say: its rows, and where the next one is ("": nowhere)."""

    rows: int
    locator: str


class Bulk:
    """One per connector; remembers only which objects it was refused."""

    def __init__(self, api: Api, schema: Schema, world: World, above: int = BULK_ABOVE) -> None:
        self._api = api
        self._schema = schema
        self._world = world
        self._above = above
        self._refused: set[str] = set()

    def worthwhile(self, plan: Plan, rows: int | None) -> bool:
        """Whether the object is large enough, and Bulk not known to refuse it. `rows`: how many there are;
        None: not known yet, which costs one call.
        """
        spec = plan.spec
        if self._refused & {spec.object, _EVERYTHING} or spec.stamp != windows.STAMP:
            return False
        if rows is not None:
            return rows > self._above
        text = soql.select((soql.COUNT,), spec.object, [spec.where])
        try:
            return read_page(self._api.query(text)).totalSize > self._above
        except Retriable:
            return True  # so large that counting it takes too long
        except (NotOffered, RightMissing, RecordRejected):
            return False

    def parts(self, plan: Plan, cursor: Cursor) -> Iterator[Part]:
        """The rows of the whole object, from where the cursor's job is, or by a new one. Raises Refused."""
        job, tries = windows.State.of(cursor).job, 0
        # Before any waiting: the fields of the plan may have gone by the time the job is done.
        types = {path: self._schema.type_of(plan.spec.object, path) for path in plan.fields}
        while True:
            if job is None:
                job = Job(self._create(plan), tries=tries)
                cursor = windows.by_job(cursor, job)
                yield Part([], cursor, False)
            try:
                yield from self._read(cursor, job, types)
            except _Lost as lost:
                tries, job = job.tries + 1, None
                if tries < MOST_JOBS:
                    continue
                if lost.final is not None:
                    yield Part([], windows.by_job(cursor, None), False)  # the next run begins afresh
                    raise lost.final from None
                self._refused.add(plan.spec.object)
                raise Refused(str(lost)) from None
            else:
                return

    def _read(self, cursor: Cursor, job: Job, types: Mapping[str, str]) -> Iterator[Part]:
        """What is left of one job; `types`: described type by wanted path. Raises _Lost."""
        processed = self._wait(job)
        for rows, following in self._results(job, types, processed):
            if following is not None:
                job = following
                left = None if processed is None else max(0, processed - job.rows - job.skip)
                yield Part(rows, windows.by_job(cursor, job), False, left)
            else:
                newest = _newest(job, rows)
                yield Part(rows, windows.close_window(cursor, newest_ms=newest, asked=True), True, 0)

    # -- the job -------------------------------------------------------------------------------------------

    def _create(self, plan: Plan) -> str:
        """A new job's id. Raises Refused."""
        spec = plan.spec
        body = {
            "operation": "queryAll" if spec.in_bin and not self._api.lacks_bin(spec.object) else "query",
            "query": soql.select(plan.fields, spec.object, [spec.where]),
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }
        try:
            made: str = self._api.post("jobs/query", body, _job_id)
        except (RightMissing, NotOffered, RecordRejected) as error:
            _raise_quota(error)
            if error.code != "INVALID_FIELD":  # the query will say so, too, and choose other fields
                everything = isinstance(error, RightMissing) or error.code == "FEATURENOTENABLED"
                self._refused.add(_EVERYTHING if everything else spec.object)
            raise Refused(error.message) from error
        return made

    def _wait(self, job: Job) -> int | None:
        """Until the job is complete: the rows it found, None where it does not say. Raises _Lost."""
        pause, started = FIRST_PAUSE, self._world.monotonic()
        while True:
            known = self._ask(job)
            state = known["state"]
            if state == "JobComplete":
                processed = known.get("numberRecordsProcessed")
                return processed if type(processed) is int else None
            if state not in _WAITING:
                raise _ended(state, known.get("errorMessage"))
            if self._world.monotonic() - started > PATIENCE:
                raise Retriable("the Bulk job is still under way", crm=CRM, code="BULK_SLOW")
            self._world.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.5)

    def _ask(self, job: Job) -> dict[str, Any]:
        try:
            known: dict[str, Any] = self._api.get(f"jobs/query/{job.id}", read=_job)
        except (NotOffered, RecordRejected) as error:
            raise _Lost(f"the job is gone: {error.message}") from error
        return known

    # -- its results ---------------------------------------------------------------------------------------

    def _results(
        self, job: Job, types: Mapping[str, str], processed: int | None
    ) -> Iterator[tuple[list[Row], Job | None]]:
        """Batches of rows, each with the job as it stands behind them; None behind the last. Raises _Lost."""
        while True:
            with SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
                result = self._fetch(job, spool)
                try:
                    for rows, stored in _batches(read_rows(spool, types), job.skip, result.rows):
                        newest = _newest(job, rows)
                        job = replace(job, skip=stored, newest_ms=newest)
                        if stored < result.rows:
                            yield rows, job
                except BrokenReply as error:
                    raise _Lost(error.message) from error
            total = job.rows + result.rows
            job = replace(job, locator=result.locator, skip=0, rows=total)
            if not result.locator:
                if processed is not None and processed != total:
                    raise _Lost(f"the job counts {processed} rows, its results {total}")
                yield rows, None
                return
            yield rows, job

    def _fetch(self, job: Job, spool: IO[bytes]) -> _Result:
        """One result, whole, in the spool. Raises _Lost."""
        params = {"maxRecords": str(RESULT_ROWS), **({"locator": job.locator} if job.locator else {})}
        path = f"jobs/query/{job.id}/results?{urlencode(params)}"

        def once() -> _Result:
            spool.seek(0)
            spool.truncate()
            return _result(self._api.download(path, spool))

        try:
            result = self._api.retry(once)
        except ConnectorError as error:
            _raise_quota(error)
            gone = isinstance(error, (NotOffered, RecordRejected, BrokenReply))
            if gone or error.code == "INVALID_QUERY_LOCATOR":
                raise _Lost(f"the results are gone: {error.message}") from error
            raise
        if result.locator and result.locator == job.locator:
            raise _Lost("the results go in circles")
        spool.seek(0)
        return result


def _batches(rows: Iterator[Row], skip: int, count: int) -> Iterator[tuple[list[Row], int]]:
    """The rows behind the first `skip`, in batches, each with the number of rows up to its end.

    The last batch is handed on only when `count` rows have come, no more and no fewer; it may be empty.
    Raises BrokenReply.
    """
    place = sum(1 for _ in itertools.islice(rows, skip))
    batch = list(itertools.islice(rows, BATCH_ROWS))
    place += len(batch)
    while (following := next(rows, None)) is not None:
        yield batch, place
        batch = [following, *itertools.islice(rows, BATCH_ROWS - 1)]
        place += len(batch)
    if place != count:
        message = f"a result of {count} rows has {place}"
        raise BrokenReply(message, crm=CRM, code="WRONG_COUNT")
    yield batch, place


def _newest(job: Job, rows: Sequence[Row]) -> int | None:
    """The newest stamp of the job so far and these rows. Stamps of one form, so their text has the order."""
    stamps = [row.fields.get(windows.STAMP) for row in rows if row.fields is not None]
    texts = [stamp for stamp in stamps if isinstance(stamp, str)]
    newest = parse_ms(max(texts)) if texts else None
    return max(newest or 0, job.newest_ms or 0) or None


def _job(body: Any) -> dict[str, Any]:
    """A job's description. Raises BrokenReply when it is none."""
    if not isinstance(body, dict) or not isinstance(body.get("state"), str):
        raise BrokenReply("this is no Bulk job", crm=CRM, code="NOT_A_JOB")
    return body


def _job_id(body: Any) -> str:
    made = body.get("id") if isinstance(body, dict) else None
    if not isinstance(made, str) or not made.isalnum():
        raise BrokenReply("the new Bulk job has no id", crm=CRM, code="NOT_A_JOB")
    return made


def _result(headers: Mapping[str, str]) -> _Result:
    count, locator = headers.get("sforce-numberofrecords", ""), headers.get("sforce-locator", "").strip()
    if not count.isdigit():
        raise BrokenReply("a Bulk result without its count", crm=CRM, code="NOT_A_RESULT")
    return _Result(int(count), "" if locator == "null" else locator)


def _raise_quota(error: ConnectorError) -> None:
    """The day's jobs, or bytes of results, are spent: this is no reason for another road."""
    if error.code in _QUOTA_CODES:
        raise QuotaSpent(error.message, crm=CRM, code=error.code) from error


def _ended(state: str, message: object) -> Exception:
    """What a job that ended without results means."""
    words = scrub(message) if isinstance(message, str) else ""
    if any(word in words for word in _QUOTA_WORDS):
        return QuotaSpent(f"the Bulk job failed: {words}", crm=CRM, code="LIMIT_EXCEEDED")
    if state == "Aborted":
        error = Retriable("somebody aborts our Bulk jobs", crm=CRM, code="BULK_ABORTED")
        return _Lost("the job was aborted", error)
    return _Lost(f"the job ended as {scrub(state)}: {words}")
