"""The first pass over a large object by a Bulk 2.0 job: all of it, once, whatever happens on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from connectors.errors import AuthFailed, QuotaSpent, Retriable
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import Cursor, Page, PersonRecord
from connectors.retry import RetryPolicy
from connectors.salesforce import bulk, soql
from connectors.salesforce.connector import SalesforceConnector
from connectors.salesforce.windows import State
from connectors.sandbox.faults import Match
from connectors.sandbox.salesforce.objects_activity import OBJECTS
from connectors.sandbox.salesforce.schema import Field
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from tests.unit.salesforce.helpers import connect, error, sandbox_settings
from tests.unit.salesforce.test_changes import drain, feed_of, lead, people
from tests.world import SimulatedWorld

ABOVE = 10
NASTY = (
    'a "quoted" word',
    "two\nlines",
    "win\r\ndows",
    "NA",
    "NULL",
    "  led by blanks",
    "zero\x00byte",
    "ü€😀",
)
EVERYTHING = PullOptions(engagement=EngagementMapper(), all_fields=True)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of 5 rows, results of 8, batches of 3."""
    monkeypatch.setattr(soql, "PAGE_ROWS", 5)
    monkeypatch.setattr(bulk, "RESULT_ROWS", 8)
    monkeypatch.setattr(bulk, "BATCH_ROWS", 3)


@pytest.fixture
def connector(sandbox: Sandbox, world: SimulatedWorld) -> Iterator[SalesforceConnector]:
    made = by_bulk(sandbox, world)
    yield made
    made.close()


def by_bulk(
    sandbox: Sandbox, world: SimulatedWorld, options: PullOptions | None = None
) -> SalesforceConnector:
    return connect(sandbox, world, options, bulk_above=ABOVE, retries=RetryPolicy(attempts=2))


def fill(sandbox: Sandbox, count: int = 20) -> set[str]:
    return {lead(sandbox, LastName=f"Lead {number}") for number in range(count)}


def asked(sandbox: Sandbox, path: str, method: str = "GET") -> int:
    """Requests to a path so far."""
    return sum(1 for one in sandbox.requests if one.method == method and re.search(path, one.path))


def jobs(sandbox: Sandbox) -> int:
    return asked(sandbox, "/jobs/query$", "POST")


def stored(pages: Sequence[Page]) -> set[str]:
    return set(people(pages))


def stop_after(connector: SalesforceConnector, pages: int, cursor: Cursor | None = None) -> list[Page]:
    """The first pages of a pass that is then killed."""
    walk = connector.changes(feed_of(connector, "Lead"), cursor)
    return [next(walk) for _ in range(pages)]


def keep(pages: list[Page], walk: Iterator[Page]) -> None:
    """Every page that comes before the walk ends, or fails."""
    for page in walk:
        pages.append(page)


def again(cursor: Cursor) -> Cursor:
    """As the mirror gives it back."""
    return Cursor.from_json(cursor.to_json())


# The plain case


def test_a_large_object_comes_by_bulk(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = fill(sandbox)
    gone, loser = lead(sandbox), lead(sandbox)
    kept = next(iter(refs))
    sandbox.delete("salesforce", "Lead", gone)
    sandbox.merge("salesforce", "Lead", kept, loser)
    world.advance(60)
    pages, cursor = drain(connector, "Lead")
    assert stored(pages) == refs
    assert sum(page.seen for page in pages) == 20
    tombs = {stone.id: (stone.reason, stone.to_id) for page in pages for stone in page.tombstones}
    assert tombs == {gone: ("deleted", None), loser: ("merged_into", kept)}
    assert max(len(page.people) for page in pages) <= 3
    assert jobs(sandbox) == 1
    assert asked(sandbox, "/results$") == 3  # 22 rows
    assert State.of(cursor).job is None
    assert (cursor.until_ms, cursor.position) == (None, None)


def test_a_small_object_comes_by_queries(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    refs = fill(sandbox, ABOVE)
    assert stored(drain(connector, "Lead")[0]) == refs
    assert jobs(sandbox) == 0


def test_the_job_is_in_the_cursor_before_it_is_used(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    fill(sandbox)
    first = stop_after(connector, 1)[0]
    job = State.of(first.cursor).job
    assert job is not None
    assert (first.seen, first.complete) == (0, False)
    assert asked(sandbox, f"/jobs/query/{job.id}") == 0


def test_a_large_result_goes_by_way_of_a_file(
    connector: SalesforceConnector, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "SPOOL_BYTES", 100)
    refs = fill(sandbox)
    sandbox.faults.arm("cut", path="/results")
    assert stored(drain(connector, "Lead")[0]) == refs


def test_p21_results_are_asked_for_in_parts(
    connector: SalesforceConnector, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P21: without maxRecords large results stop or hang."""
    monkeypatch.undo()
    assert bulk.RESULT_ROWS == 25_000
    monkeypatch.setattr(soql, "PAGE_ROWS", 5)
    fill(sandbox)
    drain(connector, "Lead")
    results = [one.query for one in sandbox.requests if one.path.endswith("/results")]
    assert results == ["maxRecords=25000"]


# Both roads give the same


def compared(found: PersonRecord) -> tuple[Any, ...]:
    """All of a record, its raw JSON without the addresses that only REST gives."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: bare(inner) for name, inner in value.items() if name != "attributes"}
        return value

    return (found._replace(raw=""), bare(json.loads(found.raw)))


@pytest.mark.parametrize("wide", [False, True])
def test_both_roads_give_the_same_records(
    sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch, wide: bool
) -> None:
    if wide:  # 300 fields: too long for one URL, one query all the same
        names = [f"A_field_with_a_rather_long_name_{number}__c" for number in range(300)]
        for name in names:
            monkeypatch.setitem(OBJECTS["Lead"].fields, name, Field(name, "string", label=name, length=255))
            monkeypatch.setitem(OBJECTS["Lead"].lower, name.lower(), name)
    record_type = sandbox.create(
        "salesforce", "RecordType", {"Name": "P", "DeveloperName": "Partner", "SobjectType": "Lead"}
    )
    for number, text in enumerate(NASTY * 2):
        lead(
            sandbox, LastName=text, FirstName=None if number % 2 else text, NumberOfEmployees=number or None,
            AnnualRevenue=1.5 * number, MQL_Score__c=12.25, HasOptedOutOfEmail=bool(number % 2),
            EmailBouncedDate="2026-10-01T10:00:00.000+0000", Description=text * 3,
            RecordTypeId=record_type if number % 3 else None,
        )  # fmt: skip
    mapped = {"Lead": {"type": "RecordType.DeveloperName", "score": "MQL_Score__c", "body": "Description"}}
    options = PullOptions(engagement=EngagementMapper(), all_fields=True, mapped=mapped)
    slow, fast = connect(sandbox, world, options), by_bulk(sandbox, world, options)
    left = {record.id: compared(record) for record in people(drain(slow, "Lead")[0]).values()}
    assert jobs(sandbox) == 0
    right = {record.id: compared(record) for record in people(drain(fast, "Lead")[0]).values()}
    assert jobs(sandbox) == 1
    assert left == right
    assert {record[0].last_name for record in right.values()} == set(NASTY)
    slow.close()
    fast.close()


@pytest.mark.parametrize(
    "name", ["Account", "Contact", "Opportunity", "CampaignMember", "Task", "Event", "User"]
)
def test_every_object_may_come_by_bulk(
    sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", 2)
    sandbox.populate(seed=3, people=60, days=60)
    slow, fast = connect(sandbox, world), connect(sandbox, world, bulk_above=0)

    def content(pages: Sequence[Page]) -> set[tuple[Any, ...]]:
        return {
            tuple(row)[:-1]
            for page in pages
            for row in (*page.companies, *page.people, *page.deals, *page.engagements, *page.owners)
        } | {tuple(stone) for page in pages for stone in page.tombstones}

    left, right = content(drain(slow, name)[0]), content(drain(fast, name)[0])
    assert left == right
    assert left
    assert jobs(sandbox) == 1
    slow.close()
    fast.close()


# Changes while the job runs


def test_what_changes_meanwhile_is_not_lost(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = sorted(fill(sandbox))
    sandbox.switches.sf_bulk_seconds = 600
    new: list[str] = []

    def meanwhile(_: object) -> None:
        world.advance(1)
        sandbox.edit("salesforce", "Lead", refs[0], {"LastName": "Edited"})
        sandbox.delete("salesforce", "Lead", refs[1])
        new.append(lead(sandbox, LastName="Born meanwhile"))

    sandbox.steps.before(Match(path="/results", skip=1), meanwhile)
    pages, cursor = drain(connector, "Lead")
    names = {record.id: record.last_name for record in people(pages).values()}
    assert names[refs[0]] == "Edited"
    assert names[new[0]] == "Born meanwhile"
    assert refs[1] in {stone.id for page in pages for stone in page.tombstones}
    assert max(world.slept) <= bulk.LONGEST_PAUSE
    world.advance(600)
    before = connector.calls
    drain(connector, "Lead", cursor)
    assert connector.calls - before <= 2
    assert jobs(sandbox) == 1


def test_a_transaction_that_was_open_when_the_job_began_is_read(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = sorted(fill(sandbox))
    world.advance(120)
    sandbox.salesforce.edit_late("Lead", refs[0], {"LastName": "Late"}, seconds=300)
    world.advance(60)
    pages, cursor = drain(connector, "Lead")
    assert people(pages)[refs[0]].last_name != "Late"
    world.advance(400)
    pages, _ = drain(connector, "Lead", cursor)
    assert people(pages)[refs[0]].last_name == "Late"


# Killed and taken up again


def test_w11_p21_a_killed_run_adopts_the_job(sandbox: Sandbox, world: SimulatedWorld) -> None:
    refs = fill(sandbox)
    sandbox.switches.sf_bulk_seconds = 60
    connector = by_bulk(sandbox, world)
    pages = 0
    while True:
        pages += 1
        first = stop_after(connector, pages)
        cursor = again(first[-1].cursor)
        if State.of(cursor).job is None:
            break
        fresh = by_bulk(sandbox, world)
        made = jobs(sandbox)
        rest, _ = drain(fresh, "Lead", cursor)
        assert jobs(sandbox) == made
        assert stored(first) | stored(rest) == refs
        assert not stored(first) & stored(rest)
        fresh.close()
    assert pages > 6
    connector.close()


def test_p21_a_forgotten_job_is_made_anew(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = fill(sandbox)
    cursor = again(stop_after(connector, 4)[-1].cursor)
    world.advance(8 * 86_400)
    sandbox.edit("salesforce", "Lead", min(refs), {"LastName": "Later"})
    connector.sign_in()
    pages, _ = drain(connector, "Lead", cursor)
    assert stored(pages) == refs
    assert people(pages)[min(refs)].last_name == "Later"
    assert jobs(sandbox) == 2


def test_a_job_of_another_api_version_is_made_anew(sandbox: Sandbox, world: SimulatedWorld) -> None:
    """Its results are had by the version that made it alone: an upgrade in between answers 409."""
    refs = fill(sandbox)
    connector = by_bulk(sandbox, world)
    cursor = again(stop_after(connector, 4)[-1].cursor)
    connector.close()
    settings = sandbox_settings(sandbox, api_version="63.0")
    newer = SalesforceConnector(settings, PullOptions(EngagementMapper()), world, UnlimitedBudget())
    pages, _ = drain(newer, "Lead", cursor)
    assert stored(pages) == refs
    assert jobs(sandbox) == 2
    newer.close()


def test_a_field_that_is_wanted_now_makes_a_new_job(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = fill(sandbox)
    cursor = again(stop_after(connector, 3)[-1].cursor)
    wider = by_bulk(sandbox, world, EVERYTHING)
    pages, _ = drain(wider, "Lead", cursor)
    assert stored(pages) == refs
    assert all("Fax" in json.loads(record.raw) for record in people(pages).values())
    assert jobs(sandbox) == 2
    wider.close()


@pytest.mark.parametrize("fresh", [True, False])
def test_a_field_that_vanishes_under_way(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld, fresh: bool
) -> None:
    """P24: what is left is read without it, by the same job or by a new one."""
    refs = fill(sandbox)
    first = stop_after(connector, 3)
    cursor = again(first[-1].cursor)
    sandbox.switches.sf_missing_fields = {"Lead.Industry"}
    later = by_bulk(sandbox, world) if fresh else connector
    if not fresh:  # its describe is still believed, and the job cannot be found again
        sandbox.faults.salesforce_error(404, "NOT_FOUND", path="/jobs/query/[^/]+$")
    pages, _ = drain(later, "Lead", cursor)
    rest = {record.id: json.loads(record.raw) for record in people(pages).values()}
    assert stored(first) | set(rest) == refs
    assert all("Industry" not in raw for raw in rest.values())
    assert jobs(sandbox) == (1 if fresh else 3)  # one more was refused for the field
    later.close()


def test_a_job_that_takes_too_long_is_left_to_the_next_run(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    refs = fill(sandbox)
    sandbox.switches.sf_bulk_seconds = bulk.PATIENCE * 1.5
    walk = connector.changes(feed_of(connector, "Lead"), None)
    cursor = next(walk).cursor
    with pytest.raises(Retriable) as slow:
        next(walk)
    assert slow.value.code == "BULK_SLOW"
    world.advance(bulk.PATIENCE)
    assert stored(drain(connector, "Lead", again(cursor))[0]) == refs
    assert jobs(sandbox) == 1


# Jobs and results that cannot be used


@pytest.mark.parametrize("outcome", ["Failed", "Aborted"])
def test_a_job_that_comes_to_nothing_is_made_again(
    connector: SalesforceConnector, sandbox: Sandbox, outcome: str
) -> None:
    refs = fill(sandbox)
    sandbox.switches.sf_bulk_outcomes = [outcome, outcome]
    assert stored(drain(connector, "Lead")[0]) == refs
    assert jobs(sandbox) == 3


def test_jobs_that_keep_failing_leave_it_to_queries(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    refs = fill(sandbox)
    sandbox.switches.sf_bulk_outcomes = ["Failed"] * 5
    pages, cursor = drain(connector, "Lead")
    assert stored(pages) == refs
    assert State.of(cursor).job is None
    assert jobs(sandbox) == bulk.MOST_JOBS
    drain(connector, "Lead")
    assert jobs(sandbox) == bulk.MOST_JOBS  # and it is not tried again at once


def test_who_aborts_our_jobs_means_it(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    refs = fill(sandbox)
    sandbox.switches.sf_bulk_outcomes = ["Aborted"] * 3
    pages: list[Page] = []
    with pytest.raises(Retriable) as aborted:
        keep(pages, connector.changes(feed_of(connector, "Lead"), None))
    assert aborted.value.code == "BULK_ABORTED"
    assert asked(sandbox, "/queryAll$") == 1  # only the page that showed how large the object is
    sandbox.switches.sf_bulk_outcomes = []
    assert stored(drain(connector, "Lead", again(pages[-1].cursor))[0]) == refs
    assert jobs(sandbox) == bulk.MOST_JOBS + 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda switches: setattr(switches, "sf_bulk_count_error", 1),
        lambda switches: setattr(switches, "sf_bulk_lost_rows", 1),
        lambda switches: setattr(switches, "sf_bulk_ends_early", True),
    ],
    ids=["job", "result", "end"],
)
@pytest.mark.parametrize("mended", [True, False])
def test_w12_p21_counts_that_do_not_add_up(
    connector: SalesforceConnector, sandbox: Sandbox, spoil: Callable[[Any], None], mended: bool
) -> None:
    """P21: the sum of the results' counts is the job's, and the rows of a result are as many as it says."""
    refs = fill(sandbox)
    spoil(sandbox.switches)

    def mend(_: object) -> None:
        switches = sandbox.switches
        switches.sf_bulk_count_error, switches.sf_bulk_lost_rows, switches.sf_bulk_ends_early = 0, 0, False

    if mended:
        sandbox.steps.before(Match(method="POST", path="/jobs/query$", skip=1), mend)
    pages, cursor = drain(connector, "Lead")
    assert stored(pages) == refs
    assert State.of(cursor).job is None
    assert jobs(sandbox) == (2 if mended else bulk.MOST_JOBS)


@pytest.mark.parametrize("kind", ["html", "empty", "wrong_json", "cut", "drop_before", "status"])
@pytest.mark.parametrize("path", ["/jobs/query$", "/jobs/query/[^/]+$", "/results$"])
def test_a_strange_reply_is_asked_for_again(
    connector: SalesforceConnector, sandbox: Sandbox, path: str, kind: str
) -> None:
    refs = fill(sandbox)
    status = 503 if kind == "status" else 200
    sandbox.faults.arm(kind, path=path, skip=0 if path.endswith("query$") else 1, status=status)
    assert stored(drain(connector, "Lead")[0]) == refs


def test_a_result_of_another_shape_is_not_believed(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    refs = fill(sandbox)
    headers = {"Sforce-NumberOfRecords": "1", "Sforce-Locator": "null"}
    for body in ('"Nothing"\n"x"\n', '"Id\n"x"\n"y', "<html></html>", ""):
        sandbox.faults.arm("status", path="/results", status=200, body=body, headers=headers)
        made = jobs(sandbox)
        assert stored(drain(connector, "Lead")[0]) == refs
        assert jobs(sandbox) == made + 2


def test_a_token_that_dies_before_every_result(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    """P22: the token is renewed and the same result asked for again."""
    refs = fill(sandbox)

    def expire(_: object) -> None:
        if "/token" not in sandbox.requests[-1].path:
            sandbox.expire_tokens("salesforce")

    sandbox.steps.before(Match(path="/jobs/", count=None), expire)
    assert stored(drain(connector, "Lead")[0]) == refs
    assert jobs(sandbox) == 2  # the first was refused
    assert asked(sandbox, "/oauth2/token", "POST") >= 6


def test_a_dead_login_is_no_reason_to_begin_again(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    fill(sandbox)
    sandbox.faults.salesforce_error(401, "INVALID_SESSION_ID", path="/results", count=None)
    with pytest.raises(AuthFailed):
        drain(connector, "Lead")
    assert jobs(sandbox) == 1


# Bulk is not to be had


@pytest.mark.parametrize(
    "refusal",
    [
        (403, "API_DISABLED_FOR_ORG", "Bulk is off"),
        (403, "INSUFFICIENT_ACCESS", "not you"),
        (400, "FEATURENOTENABLED", "FeatureNotEnabled : Bulk API is not enabled"),
        (400, "INVALIDENTITY", "Entity 'Lead' is not supported by the Bulk API."),
        (400, "API_ERROR", "Selecting compound data not supported in Bulk Query"),
        (404, "NOT_FOUND", "The requested resource does not exist"),
        (405, "METHOD_NOT_ALLOWED", "HTTP Method 'POST' not allowed"),
    ],
    ids=lambda refusal: refusal[1],
)
def test_without_bulk_the_object_comes_by_queries(
    connector: SalesforceConnector, sandbox: Sandbox, refusal: tuple[int, str, str]
) -> None:
    refs = fill(sandbox)
    sandbox.switches.sf_bulk_refusal = refusal
    pages, cursor = drain(connector, "Lead")
    assert stored(pages) == refs
    assert cursor.until_ms is None
    drain(connector, "Lead")
    assert jobs(sandbox) == 1  # asked once


def test_bulk_may_go_away_under_way(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    refs = fill(sandbox)
    first = stop_after(connector, 3)
    sandbox.switches.sf_bulk_refusal = (404, "NOT_FOUND", "gone")
    rest, _ = drain(connector, "Lead", again(first[-1].cursor))
    assert stored(rest) == refs


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("path", ["/jobs/query$", "/results$"])
def test_a_spent_quota_is_no_reason_to_take_queries(
    connector: SalesforceConnector, sandbox: Sandbox, status: int, path: str
) -> None:
    """P20: LIMIT_EXCEEDED ends the pass; queries would take more of what is short."""
    fill(sandbox)
    body = error("LIMIT_EXCEEDED", "Max bulk v2 query jobs (10000) per 24 hrs has been reached (10001)")
    sandbox.faults.arm("status", path=path, status=status, body=body)
    with pytest.raises(QuotaSpent):
        drain(connector, "Lead")
    assert asked(sandbox, "/queryAll$") == 1


def test_a_spent_quota_may_be_told_by_the_job(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    fill(sandbox)
    body = {
        "state": "Failed",
        "errorMessage": "Max bulk v2 query result size stored (1000000000) kb per 24 hrs",
    }
    sandbox.faults.arm("status", path="/jobs/query/[^/]+$", status=200, body=body)
    with pytest.raises(QuotaSpent):
        drain(connector, "Lead")


def test_a_daily_quota_keeps_the_job_for_tomorrow(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    refs = fill(sandbox)
    spent = error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    sandbox.faults.arm("status", path="/results", skip=1, status=403, body=spent)
    pages: list[Page] = []
    walk = connector.changes(feed_of(connector, "Lead"), None)

    with pytest.raises(QuotaSpent):
        keep(pages, walk)
    made = jobs(sandbox)
    rest, _ = drain(connector, "Lead", again(pages[-1].cursor))
    assert stored(pages) | stored(rest) == refs
    assert jobs(sandbox) == made
