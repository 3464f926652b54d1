"""A first pull by Bulk jobs into a real mirror: the same rows as by queries, also when it is killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.salesforce import bulk, soql
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from sync.mirror.engine import Mirror
from sync.stages.pull import pull
from tests.databases import mirror_url
from tests.pipeline.small import Small
from tests.unit.salesforce.helpers import sandbox_settings
from tests.world import SimulatedWorld

BY_QUERIES = 10**9
KILLS = (1, 3, 6, 7, 8, 12, 15, 19, 24, 29, 34, 40)
"""Arrivals at a moment, of all runs together, at which the run dies."""

ROWS = (
    "SELECT object, id, email, last_name, status, owner_id, modified_ms, version, gone FROM person_record "
    "ORDER BY 1, 2",
    "SELECT id, name, domain, modified_ms FROM company_record ORDER BY 1",
    "SELECT source, id, kind, asset, occurred_at, deleted FROM engagement ORDER BY 1, 2",
)


class Killed(BaseException):
    """As good as SIGKILL: nothing catches it."""


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", 20)
    monkeypatch.setattr(bulk, "RESULT_ROWS", 25)
    monkeypatch.setattr(bulk, "BATCH_ROWS", 10)


@pytest.fixture
def peopled(sandbox: Sandbox, world: SimulatedWorld) -> Sandbox:
    """A few hundred records of every kind, and a job that takes a while."""
    sandbox.populate(seed=11, people=120, days=60)
    sandbox.switches.sf_bulk_seconds = 45
    world.advance(60)
    return sandbox


def over(sandbox: Sandbox, world: SimulatedWorld, folder: Path, above: int) -> Small:
    """A mirror of the sandbox's Salesforce."""
    folder.mkdir(exist_ok=True)
    mirror = Mirror(mirror_url(folder), world)
    options = PullOptions(engagement=EngagementMapper())
    settings = sandbox_settings(sandbox)
    connector = SalesforceConnector(settings, options, world, UnlimitedBudget(), bulk_above=above)
    return Small(mirror, world, {"salesforce": connector})


def content(here: Small) -> list[list[tuple[Any, ...]]]:
    return [here.select(sql) for sql in ROWS]


def jobs(sandbox: Sandbox) -> int:
    return sum(1 for one in sandbox.requests if one.method == "POST" and one.path.endswith("/jobs/query"))


class Said:
    """What a pull says of its progress: (what, done, of how many)."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int | None]] = []

    def step(self, what: str, done: int, total: int | None = None) -> None:
        self.steps.append((what, done, total))


@pytest.mark.parametrize("above", [0, BY_QUERIES], ids=["bulk", "queries"])
def test_how_much_is_still_to_come_is_told(
    peopled: Sandbox, world: SimulatedWorld, tmp_path: Path, above: int
) -> None:
    """A first pull takes long: who waits is told of how many rows, not only how many there were."""
    here, said = over(peopled, world, tmp_path / "m", above), Said()
    ctx = replace(here.run(), progress=said)
    counts = pull(ctx, "salesforce", on_problem=here.problems.append)["Contact"]
    told = [(done, total) for what, done, total in said.steps if what == "pull salesforce Contact"]
    known = [(done, total) for done, total in told if done > 0 and total is not None]
    assert len(known) >= 2
    # tombstones are rows that nobody sees live
    assert {total for _, total in known} <= set(range(counts.seen, counts.seen + 5))
    assert known[-1] == (counts.seen, counts.seen)


def test_both_roads_make_the_same_mirror(peopled: Sandbox, world: SimulatedWorld, tmp_path: Path) -> None:
    slow = over(peopled, world, tmp_path / "queries", BY_QUERIES)
    slow.pull()
    assert jobs(peopled) == 0
    fast = over(peopled, world, tmp_path / "bulk", 20)
    counts = fast.pull()["salesforce"]
    assert jobs(peopled) >= 4
    assert fast.problems == slow.problems == []
    assert content(fast) == content(slow)
    assert len(content(fast)[0]) > 60
    assert counts["Lead"].seen == counts["Lead"].stored + counts["Lead"].unchanged + counts["Lead"].parked
    made = jobs(peopled)
    again = fast.pull()["salesforce"]
    assert jobs(peopled) == made
    assert sum(one.stored for one in again.values()) == 0


@pytest.mark.parametrize(
    "point",
    ["pull.page_fetched", "pull.page_stored_uncommitted", "pull.page_committed", "pull.feed_finished"],
)
def test_killed_at_every_page_the_mirror_ends_the_same(
    peopled: Sandbox, world: SimulatedWorld, tmp_path: Path, point: str
) -> None:
    whole = over(peopled, world, tmp_path / "whole", 20)
    whole.pull()
    undisturbed, made = content(whole), jobs(peopled)
    killed = over(peopled, world, tmp_path / "killed", 20)
    arrivals = 0

    def reached(failpoint: str) -> None:
        nonlocal arrivals
        if failpoint == point:
            arrivals += 1
            if arrivals in KILLS:
                raise Killed

    world.reached = reached  # type: ignore[method-assign]
    kills = until_done(killed.pull)
    assert kills == len(KILLS)
    assert content(killed) == undisturbed
    if point == "pull.page_committed":
        assert jobs(peopled) == 2 * made  # whatever was stored of a job led on to the rest of it


def until_done(pull: Callable[[], object]) -> int:
    """Run again after every kill; how many there were."""
    for kills in range(50):
        try:
            pull()
        except Killed:
            continue
        return kills
    raise AssertionError("no run comes to an end")
