"""What `status` makes of the runs: a failure counts until something has made it good, whatever came after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from config.settings import Settings
from sync.mirror.engine import Mirror
from sync.status import Status, status_of
from tests.databases import mirror_url
from tests.world import SimulatedWorld

NOW = 1_800_000_000
MINUTE, DAY = 60, 86_400


@pytest.fixture
def mirror(tmp_path: Path, database: str) -> Iterator[Mirror]:
    opened = Mirror(mirror_url(tmp_path), SimulatedWorld())
    yield opened
    opened.close()


def of(mirror: Mirror, *runs: tuple[Any, ...]) -> Status:
    """The status after these runs: (kind, outcome, seconds ago, further keys of its report)."""
    with mirror.write() as conn:
        for number, (kind, outcome, ago, *more) in enumerate(runs):
            problem = {"message": f"{kind} did not work"} if outcome in ("failed", "deferred") else None
            report = {"problems": [problem] if problem else [], **(more[0] if more else {})}
            values = {"id": f"r{number:03}", "kind": kind, "at": NOW - ago, "outcome": outcome}
            conn.execute(
                text(
                    "INSERT INTO run (id, kind, started_at, finished_at, outcome, report) "
                    "VALUES (:id, :kind, :at, :at, :outcome, :report)"
                ),
                {**values, "report": json.dumps(report)},
            )
    return status_of(mirror, (), NOW, Settings())


def test_a_chore_that_went_well_does_not_hide_a_pull_that_failed(mirror: Mirror) -> None:
    found = of(mirror, ("daemon:pull", "failed", 300), ("daemon:retention", "ok", 60))
    assert (found.state, found.reasons) == ("failed", ["the last run failed: daemon:pull did not work"])


def test_one_crm_that_went_well_does_not_hide_the_other(mirror: Mirror) -> None:
    found = of(mirror, ("daemon:salesforce", "failed", 300), ("daemon:hubspot", "ok", 60))
    assert (found.state, found.reasons) == (
        "degraded",
        ["the last salesforce failed: daemon:salesforce did not work"],
    )


def test_a_night_that_failed_is_not_forgotten_over_a_day_of_good_pulls(mirror: Mirror) -> None:
    pulls = [("daemon:pull", "ok", 300 * number) for number in range(150)]
    found = of(mirror, ("daemon:reconcile", "failed", 10 * 3600), ("daemon:sweep", "deferred", DAY), *pulls)
    assert found.state == "degraded"
    assert sorted(found.reasons) == [
        "the last reconcile failed: daemon:reconcile did not work",
        "the last sweep was put off: daemon:sweep did not work",
    ]


@pytest.mark.parametrize(
    ("failed", "mended"),
    [
        ("daemon:pull", "daemon:pull"),
        ("daemon:pull", "daemon:full"),
        ("daemon:salesforce", "sync"),
        ("daemon:full", "sync"),
        ("daemon:reconcile", "daemon:reconcile"),
        ("daemon:reconcile", "reconcile"),
        ("approve", "daemon:pull"),
        ("resync", "sync"),
        ("sync", "daemon:pull"),
        ("plan", "apply"),
    ],
)
def test_what_was_made_good_is_over(mirror: Mirror, failed: str, mended: str) -> None:
    assert of(mirror, (failed, "failed", 300), (mended, "ok", 60)).state == "ok"


@pytest.mark.parametrize(
    ("failed", "later"),
    [("daemon:full", "daemon:pull"), ("daemon:reconcile", "sync"), ("daemon:sweep", "daemon:retention")],
)
def test_what_was_not_is_not(mirror: Mirror, failed: str, later: str) -> None:
    found = of(mirror, ("daemon:pull", "ok", 400), (failed, "failed", 300), (later, "ok", 60))
    assert found.state == "degraded"


def test_books_that_do_not_balance_are_told_until_they_do(mirror: Mirror) -> None:
    wrong = {"books_balance": False}
    found = of(mirror, ("daemon:pull", "failed", 300, wrong), ("daemon:sample", "ok", 60))
    assert not found.books_balance
    assert found.state == "failed"


def test_of_runs_long_ago_the_newest_counts(mirror: Mirror) -> None:
    assert of(mirror, ("sync", "failed", 90 * DAY)).state == "failed"


def test_killed_runs_and_the_one_under_way_say_nothing(mirror: Mirror) -> None:
    found = of(mirror, ("sync", "ok", 900), ("daemon:pull", "killed", 300), ("daemon:pull", None, 60))
    assert found.state == "ok"
