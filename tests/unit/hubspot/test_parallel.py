"""The first pass by many readers: nothing missed whatever cursors are, whoever dies, whatever is edited."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import pairwise
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.errors import QuotaSpent, Retriable
from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.parallel import FirstSync, ParallelPass, Part, Plan
from connectors.hubspot.walk import Walk
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import Cursor, Page
from connectors.sandbox.core import Response
from connectors.sandbox.faults import Match
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from tests.unit.hubspot.made import feed_of, settings
from tests.unit.hubspot.test_whole_account import Life, Mirror, tick
from tests.world import SimulatedWorld

EARLY = FirstSync(pages=2, rows=300, listers=4, searchers=2, chunk=300, ahead=3)
"""Parallel already for a few hundred records."""

PATIENCE = 20.0  # seconds

Doing = Callable[[Any], Response]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("hubspot-read")]


def connector(sandbox: Sandbox, world: SimulatedWorld, first: FirstSync = EARLY) -> HubSpotConnector:
    made = settings(
        base_url=sandbox.hubspot_url, access_token=SecretStr(sandbox.credentials["hubspot"]["access_token"])
    )
    options = PullOptions(EngagementMapper())
    return HubSpotConnector(made, options, world, UnlimitedBudget(), first_sync=first)


def fill(sandbox: Sandbox, count: int, gaps: bool = False) -> set[str]:
    """Contacts; with gaps a third of their ids is missing again, and one block of them is far above."""
    made = [
        sandbox.create("hubspot", "contacts", {"email": f"p{number}@example.com"}) for number in range(count)
    ]
    if gaps:
        for record in made[::3]:
            sandbox.archive("hubspot", "contacts", record)
        made = [record for number, record in enumerate(made) if number % 3]
        for number in range(150):
            values = {"email": f"far{number}@example.com"}
            made.append(
                sandbox.hubspot.create("contacts", values, record_id=str(90_000_000_000 + 7 * number))
            )
    return set(made)


def passed(made: HubSpotConnector, cursor: Cursor | None = None, pages: int | None = None) -> list[Page]:
    """A pass, or its first pages: then it is killed."""
    stored = None if cursor is None else Cursor.from_json(cursor.to_json())
    found = []
    for page in made.changes(feed_of(made, "contacts"), stored):
        found.append(page)
        if len(found) == pages:
            break
    return found


def test_how_many_rows_are_still_to_come_is_told(sandbox: Sandbox, world: SimulatedWorld) -> None:
    fill(sandbox, 900)
    found = passed(connector(sandbox, world))
    known = [(page.seen, page.left) for page in found if page.left is not None]
    assert len(known) >= 3
    assert known[-1][1] == 0
    left = [number for _, number in known]
    assert left == sorted(left, reverse=True)
    assert all(before - after == seen for (_, before), (seen, after) in pairwise(known))


def collect(made: HubSpotConnector, into: list[Page]) -> None:
    """A pass whose pages are there also when it ends badly."""
    into.extend(made.changes(feed_of(made, "contacts"), None))


def ids(pages: list[Page]) -> Counter[str]:
    return Counter(person.id for page in pages for person in page.people)


def searches(sandbox: Sandbox) -> int:
    return sum(1 for logged in sandbox.requests if logged.path.endswith("/search"))


def lists(sandbox: Sandbox) -> list[str]:
    return [logged.query for logged in sandbox.requests if logged.path.endswith("/contacts")]


def lists_wait(sandbox: Sandbox, count: int) -> None:
    """Without latency lists may be done before anything is searched: after a few they wait for searches."""
    true, seen = sandbox.hubspot.handle, Counter[str]()
    enough = threading.Event()

    def handle(request: Any) -> Response:
        is_search = request.path.endswith("/search")
        seen["search" if is_search else "list"] += 1
        if seen["search"] >= count:
            enough.set()
        if not is_search and seen["list"] > EARLY.pages + 1:
            enough.wait(PATIENCE)
        return true(request)

    sandbox.hubspot.handle = handle  # type: ignore[method-assign]


@pytest.mark.parametrize("numeric", [True, False])
@pytest.mark.parametrize("gaps", [True, False])
def test_every_record_comes_by_list_and_search(
    sandbox: Sandbox, world: SimulatedWorld, numeric: bool, gaps: bool
) -> None:
    sandbox.switches.hs_numeric_after = numeric
    lists_wait(sandbox, 3)
    wanted = fill(sandbox, 3000, gaps)
    world.advance(600)
    made = connector(sandbox, world)
    pages = passed(made)
    assert set(ids(pages)) == wanted
    assert [page.complete for page in pages] == [False] * (len(pages) - 1) + [True]
    assert len({page.cursor for page in pages}) == len(pages)
    assert searches(sandbox) >= 3
    calls = len(sandbox.requests)
    assert made.calls == sum(page.calls for page in pages) == calls
    assert calls <= len(wanted) / 100 * 1.5  # many short ranges of few records: some last pages are short
    world.advance(60)
    assert passed(made, pages[-1].cursor)[-1].complete
    assert len(sandbox.requests) == calls + 1  # goes on by searching for changes


@pytest.mark.parametrize("numeric", [True, False])
def test_few_records_are_listed_by_one_cursor(sandbox: Sandbox, world: SimulatedWorld, numeric: bool) -> None:
    sandbox.switches.hs_numeric_after = numeric
    fill(sandbox, 250)
    assert len(passed(connector(sandbox, world))) == 3
    assert searches(sandbox) == 1  # how much there is
    fill(sandbox, 200)
    before = searches(sandbox)
    assert len(passed(connector(sandbox, world, FirstSync()))) == 5
    assert searches(sandbox) == before


@pytest.mark.parametrize("numeric", [True, False])
def test_killed_after_any_page_it_goes_on_with_what_is_missing(
    sandbox: Sandbox, world: SimulatedWorld, numeric: bool
) -> None:
    sandbox.switches.hs_numeric_after = numeric
    wanted = fill(sandbox, 1400, gaps=True)
    world.advance(600)
    for kill in range(1, 30):
        first = passed(connector(sandbox, world), pages=kill)
        if first[-1].complete:
            break
        rest = passed(connector(sandbox, world), first[-1].cursor)
        assert set(ids(first)) | set(ids(rest)) == wanted, kill
        assert rest[-1].complete
        assert sum((ids(first) + ids(rest)).values()) <= len(wanted) + 400  # little is read again
        assert rest[-1].cursor.since_ms == first[0].server_ms  # T is the one of the pass's first page
        world.advance(1)
    assert kill > 5


def test_the_last_page_may_come_together_with_the_end_of_its_reader(
    sandbox: Sandbox, world: SimulatedWorld
) -> None:
    """A slow consumer takes both at once; the pass is over then, and nothing is listed again."""
    made = connector(sandbox, world)
    plan = Plan([(0, 7)], [], numeric=True, left=1)
    walk = Walk(made._account, "contacts", ())
    one = ParallelPass(made._account, walk, EARLY, plan, 1, {})
    over: Future[None] = Future()
    over.set_result(None)
    one._hand_over(Part([], 0, 7, 1))
    one._hand_over(0)
    assert [step.complete for step in one._delivered([over])] == [True]


def test_killed_again_and_again(sandbox: Sandbox, world: SimulatedWorld) -> None:
    wanted, seen, cursor = fill(sandbox, 1500), set(), None
    for _ in range(60):
        sandbox.switches.hs_numeric_after = not sandbox.switches.hs_numeric_after
        pages = passed(connector(sandbox, world), cursor, pages=2)
        seen |= set(ids(pages))
        cursor = pages[-1].cursor
        if pages[-1].complete:
            break
    assert pages[-1].complete
    assert seen == wanted


# Servers that do not do what their cursors promise


def answering(sandbox: Sandbox, change: Callable[[Any, Response], Response], after: bool = True) -> None:
    """Let every reply of the contacts' listing go through `change(request, response)`."""
    true = sandbox.hubspot.handle

    def handle(request: Any) -> Response:
        if request.method != "GET" or not request.path.endswith("/contacts"):
            return true(request)
        asked = request.query
        request.query = asked if after else {**asked, "after": []}
        response = true(request)
        request.query = asked
        return change(request, response)

    sandbox.hubspot.handle = handle  # type: ignore[method-assign]


def page_of(response: Response) -> dict[str, Any]:
    return dict(json.loads(response.body))


def offsets(sandbox: Sandbox) -> None:
    """`after` is an offset that looks like an id as long as the ids are 1, 2, 3 …"""
    true = sandbox.hubspot.handle

    def handle(request: Any) -> Response:
        if request.method != "GET" or not request.path.endswith("/contacts"):
            return true(request)
        start = int(request.param("after", "0"))
        rows, after = [], ""
        while True:
            request.query = {**request.query, "after": [after] if after else []}
            page = page_of(true(request))
            rows += page["results"]
            after = page.get("paging", {}).get("next", {}).get("after", "")
            if not after:
                break
        answer: dict[str, Any] = {"results": rows[start : start + 100]}
        if start + 100 < len(rows):
            answer["paging"] = {"next": {"after": str(start + 100)}}
        return Response.json(answer)

    sandbox.hubspot.handle = handle  # type: ignore[method-assign]


def test_offsets_that_look_like_ids_are_found_out(sandbox: Sandbox, world: SimulatedWorld) -> None:
    for number in range(1, 1201):
        if number <= 450 or number % 2:
            values = {"email": f"n{number}@example.com"}
            sandbox.hubspot.create("contacts", values, record_id=str(number))
    sandbox.switches.hs_per_ten_seconds = 100_000
    sandbox.switches.hs_daily_limit = 10_000_000
    offsets(sandbox)
    wanted = {record.id for record in sandbox.store.table("hubspot", "contacts")}
    assert set(ids(passed(connector(sandbox, world)))) == wanted


def test_cursors_that_lie_after_the_proof(sandbox: Sandbox, world: SimulatedWorld) -> None:
    """The first pages and the probe look like ids; later on rows are left out and the cursor shows it."""
    wanted, count = fill(sandbox, 2000), 0

    def change(request: Any, response: Response) -> Response:
        nonlocal count
        count += 1
        page = page_of(response)
        if count > 4 and "paging" in page:
            del page["results"][40:]
        return Response.json(page)

    answering(sandbox, change)
    pages = passed(connector(sandbox, world))
    assert set(ids(pages)) == wanted
    # Lists bring 400 rows before and the last 100 at most, the first search 200: 1,300 are left to others.
    assert searches(sandbox) >= 1 + 6


@pytest.mark.parametrize("kind", ["ignored", "descending", "coded"])
def test_cursors_that_prove_nothing(sandbox: Sandbox, world: SimulatedWorld, kind: str) -> None:
    """A server that ignores the probe's number, one that lists downwards, one with tokens of its own."""
    wanted = fill(sandbox, 900)
    known: set[str] = {""}
    coded: dict[str, str] = {}
    order = sorted(wanted, key=int)
    rows = {
        record: {"id": record, "properties": {"lastmodifieddate": "2026-11-01T00:00:00Z"}} for record in order
    }
    if kind == "descending":
        order.reverse()

    def change(request: Any, response: Response) -> Response:
        del response
        after = request.param("after")
        if kind == "coded":
            if after and after not in coded:
                return Response.json({"category": "VALIDATION_ERROR"}, 400)
            after = coded.get(after, "")
        start = order.index(after) + 1 if after in known and after else 0
        found = order[start : start + 100]
        answer: dict[str, Any] = {"results": [rows[record] for record in found]}
        if start + 100 < len(order):
            known.add(found[-1])
            coded[f"token-{found[-1]}"] = found[-1]
            answer["paging"] = {"next": {"after": f"token-{found[-1]}" if kind == "coded" else found[-1]}}
        return Response.json(answer)

    answering(sandbox, change, after=False)
    pages = passed(connector(sandbox, world))
    assert pages[-1].complete
    assert set(ids(pages)) == wanted


def test_where_neither_list_nor_search_keep_to_ids_one_cursor_reads_all(
    sandbox: Sandbox, world: SimulatedWorld
) -> None:
    wanted, count = fill(sandbox, 1200), 0
    true = sandbox.hubspot.handle

    def handle(request: Any) -> Response:
        nonlocal count
        response = true(request)
        count += 1
        if request.path.endswith("/search") and count > 4:
            page = page_of(response)
            page["results"].reverse()
            return Response.json(page)
        if request.path.endswith("/contacts") and 4 < count < 30:
            page = page_of(response)
            page["results"].reverse()
            return Response.json(page)
        return response

    sandbox.hubspot.handle = handle  # type: ignore[method-assign]
    pages = passed(connector(sandbox, world))
    assert pages[-1].complete
    assert set(ids(pages)) == wanted
    assert len({page.cursor for page in pages}) == len(pages)


def test_without_a_search_one_cursor_reads_all(sandbox: Sandbox, world: SimulatedWorld) -> None:
    wanted = fill(sandbox, 700)
    sandbox.switches.hs_absent = {"/crm/v3/objects/contacts/search"}
    pages = passed(connector(sandbox, world))
    assert set(ids(pages)) == wanted
    assert len(pages) == 7


# Trouble in one thread


@pytest.mark.parametrize("policy", ["TEN_SECONDLY_ROLLING", "SECONDLY"])
@pytest.mark.parametrize("told", [True, False])
def test_a_burst_refusal_costs_time_and_nothing_else(
    sandbox: Sandbox, world: SimulatedWorld, policy: str, told: bool
) -> None:
    wanted = fill(sandbox, 1500)
    sandbox.switches.hs_retry_after = told
    path = "/search$" if policy == "SECONDLY" else "/contacts$"
    sandbox.switches.hs_numeric_after = policy != "SECONDLY"  # without, all but one reader are searches
    if policy == "SECONDLY":
        lists_wait(sandbox, 4)
    sandbox.faults.arm(
        "status", crm="hubspot", path=path, skip=3, count=3, status=429, body={"policyName": policy}
    )
    pages = passed(connector(sandbox, world))
    assert set(ids(pages)) == wanted
    assert [logged.status for logged in sandbox.requests].count(429) >= 1


def test_the_limits_are_kept_by_all_threads_together(sandbox: Sandbox, world: SimulatedWorld) -> None:
    wanted = fill(sandbox, 3000)
    sandbox.switches.hs_per_ten_seconds = 8
    sandbox.switches.hs_search_per_second = 5
    pages = passed(connector(sandbox, world, FirstSync(pages=2, rows=300)))
    assert set(ids(pages)) == wanted
    refused = [logged for logged in sandbox.requests if logged.status == 429]
    assert len(refused) <= len(sandbox.requests) / 2  # simulated sleeps of many threads add up to bursts
    answered = sorted(
        logged.at for logged in sandbox.requests if logged.path.endswith("/contacts") and logged.status == 200
    )
    assert len(answered) > 8
    assert answered[8] - answered[0] >= 10.0


def test_a_spent_quota_ends_the_pass_and_the_next_goes_on(sandbox: Sandbox, world: SimulatedWorld) -> None:
    wanted = fill(sandbox, 2000)
    sandbox.switches.hs_daily_limit = 11
    pages: list[Page] = []
    with pytest.raises(QuotaSpent):
        collect(connector(sandbox, world), pages)
    seen, cursor = set(ids(pages)), pages[-1].cursor
    assert len(seen) >= 400
    sandbox.switches.hs_daily_limit = 650_000
    assert seen | set(ids(passed(connector(sandbox, world), cursor))) == wanted


@pytest.mark.parametrize("kind", ["html", "cut", "drop_before"])
def test_an_error_that_stays_ends_the_pass_cleanly(
    sandbox: Sandbox, world: SimulatedWorld, kind: str
) -> None:
    fill(sandbox, 1500)
    sandbox.faults.arm(kind, crm="hubspot", path="/contacts$", skip=4, count=None)
    pages: list[Page] = []
    with pytest.raises(Retriable):
        collect(connector(sandbox, world), pages)
    assert len(pages) >= 2
    assert not any(page.complete for page in pages)


def test_a_token_that_expires_under_way_is_renewed_once(sandbox: Sandbox, world: SimulatedWorld) -> None:
    wanted = fill(sandbox, 2000)
    secrets = sandbox.credentials["hubspot"]
    made = HubSpotConnector(
        settings(
            base_url=sandbox.hubspot_url,
            access_token=None,
            client_id=secrets["client_id"],
            client_secret=SecretStr(secrets["client_secret"]),
            refresh_token=SecretStr(secrets["refresh_token"]),
        ),
        PullOptions(EngagementMapper()),
        world,
        UnlimitedBudget(),
        first_sync=EARLY,
    )
    sandbox.steps.before(Match("hubspot", "", "contacts", skip=9), lambda _: sandbox.expire_tokens("hubspot"))
    assert set(ids(passed(made))) == wanted
    tokens = [logged for logged in sandbox.requests if logged.path == "/oauth/2026-03/token"]
    assert len(tokens) == 2
    assert 1 <= [logged.status for logged in sandbox.requests].count(401) <= 6


def test_a_consumer_that_goes_away_leaves_no_thread(sandbox: Sandbox, world: SimulatedWorld) -> None:
    fill(sandbox, 2000)
    made = connector(sandbox, world)
    pages = made.changes(feed_of(made, "contacts"), None)
    for _ in range(6):
        next(pages)
    pages.close()  # type: ignore[attr-defined]


# Life goes on meanwhile


@pytest.mark.parametrize("numeric", [True, False])
@pytest.mark.parametrize("lag", [0.0, 40.0])
@pytest.mark.parametrize("new_id", [True, False])
def test_a_mirror_follows_a_life_from_a_parallel_start(numeric: bool, lag: float, new_id: bool) -> None:
    world, seed = SimulatedWorld(), 11 + 2 * numeric + new_id
    dice = random.Random(seed)
    with Sandbox(clock=world.clock) as sandbox:
        sandbox.switches.hs_numeric_after = numeric
        sandbox.switches.hs_merge_new_id = new_id
        life, mirror = Life(sandbox, world, seed), Mirror()
        fill(sandbox, 1300)
        world.advance(3600)
        sandbox.switches.hs_search_lag = lag
        for _ in range(4):
            tick(connector(sandbox, world), mirror, life, dice)
        for _ in range(8):
            world.advance(900)
            tick(connector(sandbox, world), mirror, None, dice)
        assert mirror.living() == life.living
        assert sandbox.errors == []
        assert searches(sandbox) > 10
