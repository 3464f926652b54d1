"""The nightly sample: stored scores against a full recompute, reported and mended."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from config.settings import Settings
from sync.context import Context, RunClock
from sync.mirror import catalog
from sync.pipeline import SyncRequest, settle
from sync.reports import RunProblem, RunReport
from tests.pipeline.test_score_stage import FIT, Loop, hot, loop
from tests.scoring.subject import DAY, engagement, person

__all__ = ["loop"]


def run(loop: Loop) -> list[RunProblem]:
    """A pass that scores; its problems."""
    loop.runs += 1
    clock = RunClock(f"r{loop.runs}", loop.now, loop.now, loop.now)
    report = RunReport(clock.run_id)
    ctx = Context(Settings(), loop.world, loop.mirror, {}, loop.models, clock)
    settle(ctx, report, SyncRequest(only=frozenset({"score"})))
    return report.problems


def behind_our_back(loop: Loop, table: Any, **values: Any) -> None:
    """Something changes and nobody is told."""
    with loop.mirror.write() as conn:
        conn.execute(update(table).where(table.c.person_id == "p1").values(**values))


@pytest.fixture
def scored(loop: Loop) -> Loop:
    loop.put(*(person(f"p{n}", **FIT) for n in range(4)))
    loop.put(engagements=[*hot(loop, "p0"), engagement("case_study", loop.now - DAY, "p1")])
    loop.put(engagements=[engagement("webinar_attended", loop.now - DAY, "p1")])
    assert run(loop) == []  # everybody was scored: nothing to compare with
    loop.world.advance(DAY)
    return loop


def test_a_night_without_findings(scored: Loop) -> None:
    for _ in range(35):
        assert run(scored) == []
        scored.world.advance(DAY)


@pytest.mark.parametrize(
    ("table", "values", "what"),
    [
        (catalog.ENGAGEMENT, {"deleted": True}, "total"),
        (catalog.PERSON, {"company_size": 1000}, "total"),
        (catalog.PERSON, {"student_domain": True}, "total"),
        (catalog.PERSON, {"company": None}, "eligible"),
        (catalog.SCORE, {"grade": "Z9"}, "grade"),
    ],
)
def test_what_differs_is_told_and_mended(scored: Loop, table: Any, values: dict[str, Any], what: str) -> None:
    behind_our_back(scored, table, **values)
    (problem,) = run(scored)
    assert (problem.code, problem.exit_code) == ("SCORES", 1)
    assert (
        f"1 of 4 sampled scores are not what a full recompute gives, the first by {what}" in problem.message
    )
    assert run(scored) == []  # once a day; and this run scored the person anew
    scored.world.advance(DAY)
    assert run(scored) == []


def test_it_looks_once_a_day(scored: Loop) -> None:
    assert run(scored) == []
    behind_our_back(scored, catalog.SCORE, grade="Z9")
    scored.world.advance(60)
    assert run(scored) == []
    scored.world.advance(DAY)
    assert [problem.code for problem in run(scored)] == ["SCORES"]
