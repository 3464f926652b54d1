"""Scoring only whom something happened to gives what scoring everybody at every step gives."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from scoring.evaluate import evaluate
from scoring.load import load_model
from sync.mirror import catalog, overrides
from sync.mirror.engine import Mirror
from sync.mirror.overrides import Override
from tests.databases import one_more
from tests.pipeline.test_score_stage import START, Loop
from tests.scoring.subject import DAY, DEFAULT, engagement, person
from tests.world import SimulatedWorld

PEOPLE = ("p1", "p2", "p3")
KINDS = (
    "demo_requested",
    "trial_started",
    "webinar_attended",
    "content_downloaded",
    "page_view",
    "unsubscribed",
)
EXACT = ("grade", "suppressed", "shown", "eligible", "over_enter", "fast_track", "under_leave")
SPELL = ("person_id", "model", "entered_at", "entered_by", "left_at", "left_why")

waits = st.sampled_from([60, 3600, DAY, DAY, 3 * DAY, 13 * DAY, 14 * DAY, 31 * DAY])
happenings = st.tuples(
    st.just("engagement"), st.sampled_from(PEOPLE), st.sampled_from(KINDS), st.integers(-40 * DAY, DAY)
)
facts = st.tuples(
    st.just("fact"),
    st.sampled_from(PEOPLE),
    st.sampled_from(["seniority", "company_size", "crm_stage", "crm_mql", "student_domain"]),
    st.integers(0, 2),
)
words = st.tuples(
    st.just("override"),
    st.sampled_from(PEOPLE),
    st.sampled_from(["mql", "not_mql", "stage"]),
    st.integers(1, 20),
)
VALUES: dict[str, tuple[Any, ...]] = {
    "seniority": (None, 5, 7),
    "company_size": (None, 100, 1000),
    "crm_stage": ("lead", "sql", "recycled"),
    "crm_mql": (False, True, True),
    "student_domain": (False, False, True),
}
steps = st.lists(
    st.tuples(st.lists(st.one_of(happenings, facts, words), max_size=4), waits), min_size=1, max_size=6
)


@contextmanager
def mirrors(count: int) -> Iterator[list[Loop]]:
    """So many empty mirrors, gone after the block."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        loops = [start(stack.enter_context(one_more(Path(folder, str(n))))) for n in range(count)]
        yield loops
        for loop in loops:
            loop.mirror.close()


def start(url: str) -> Loop:
    world = SimulatedWorld(START)
    mirror = Mirror(url, world)
    loop = Loop(mirror, world)
    known = {"company": "ACME", "email": "a@acme.test", "email_domain": "acme.test"}
    loop.put(*(person(who, seniority=7, company_size=100, **known) for who in PEOPLE))
    return loop


def perform(loop: Loop, happened: list[Any], number: int) -> None:
    for index, (what, who, name, value) in enumerate(happened):
        if what == "fact":
            loop.change(who, **{name: VALUES[name][value]})
        elif what == "override":
            said = (name, "recycled" if name == "stage" else None, "because", "ann", loop.now)
            with loop.mirror.write() as conn:
                overrides.place(conn, Override(f"o{number}.{index}", who, *said, loop.now + value * DAY))
        else:
            row = engagement(name, loop.now + value, who, asset="/pricing case study", first_seen=loop.now)
            row["id"] = f"{number}.{index}"
            loop.put(engagements=[row])


EXAMPLES = int(os.environ.get("SCORE_EXAMPLES", "6"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(played=steps)
def test_incremental_equals_full(database: str, played: Any) -> None:
    shorter = played if database == "sqlite" else played[:3]  # the other database costs four times as much
    with mirrors(2) as (some, everybody):
        for number, (happened, wait) in enumerate(shorter):
            for loop in (some, everybody):
                perform(loop, happened, number)
                loop.score(full=loop is everybody)
            assert_equal(some, everybody)
            for loop in (some, everybody):
                loop.world.advance(wait)


FIT_RULES = "[fit]\nlimit = [-100, 50]\nrules = ["
IS_MQL = '{ id = "is_mql", points = -7, when = { stage = { equals = "mql" } } },'
READING_STAGE = (
    DEFAULT.replace(FIT_RULES, f"{FIT_RULES}\n  {IS_MQL}"),
    DEFAULT.replace('["subscriber", "lead", "mql", "recycled"]', '["lead", "recycled"]'),
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(played=steps, text=st.sampled_from(READING_STAGE))
def test_incremental_equals_full_for_models_that_read_the_stage(
    database: str, played: Any, text: str
) -> None:
    """What a spell makes of the stage is read by the next run, whoever it scores."""
    assert text != DEFAULT
    model = load_model(text, "stage.toml")
    with mirrors(2) as (some, everybody):
        for loop in (some, everybody):
            loop.models = [model]
        for number, (happened, wait) in enumerate(played if database == "sqlite" else played[:2]):
            for loop in (some, everybody):
                perform(loop, happened, number)
                loop.score(full=loop is everybody)
            assert_equal(some, everybody)
            for loop in (some, everybody):
                loop.world.advance(60)
                loop.score(full=loop is everybody)
            assert_equal(some, everybody)
            for loop in (some, everybody):
                loop.world.advance(wait)


def test_whose_spell_was_opened_is_scored_again_by_a_model_that_reads_the_stage() -> None:
    with mirrors(1) as (loop,):
        loop.models = [load_model(READING_STAGE[0], "stage.toml")]
        perform(loop, [("engagement", "p1", kind, -DAY) for kind in KINDS[:3]], 0)
        assert loop.score().mql_entered == 1
        assert "is_mql" not in {hit["rule"] for hit in loop.rows(catalog.HIT)}
        loop.world.advance(60)
        assert loop.score().recomputed == 1
        assert [hit["person_id"] for hit in loop.rows(catalog.HIT) if hit["rule"] == "is_mql"] == ["p1"]
        loop.world.advance(60)
        assert loop.score().recomputed == 0


def assert_equal(some: Loop, everybody: Loop) -> None:
    """The same decisions, stages and spells; points that are at most one old point apart, and once exact."""
    for mine, full in zip(some.rows(catalog.SCORE), everybody.rows(catalog.SCORE), strict=True):
        assert {name: mine[name] for name in EXACT} == {name: full[name] for name in EXACT}
        assert abs(mine["total"] - full["total"]) <= 1_010
        if mine["as_of"] == full["as_of"]:
            assert {**mine} == {**full}
    for table, names in ((catalog.SPELL, SPELL), (catalog.PERSON, ("person_id", "stage", "score_round"))):
        assert _rows(some, table, names) == _rows(everybody, table, names)


def _rows(loop: Loop, table: Any, names: tuple[str, ...]) -> list[Any]:
    return sorted((tuple(row[name] for name in names) for row in loop.rows(table)), key=repr)


def test_a_stored_score_is_what_the_oracle_says_for_its_own_moment() -> None:
    with mirrors(1) as (loop,):
        for number in range(5):
            perform(loop, [("engagement", "p1", kind, -number * DAY) for kind in KINDS], number)
            loop.score()
            loop.world.advance(DAY)
        with loop.mirror.read() as conn:
            people = {
                row["person_id"]: dict(row) for row in conn.execute(select(catalog.people())).mappings()
            }
            rows = [dict(row) for row in conn.execute(select(catalog.engagements())).mappings()]
            hits = [dict(row) for row in conn.execute(select(catalog.HIT)).mappings()]
        for score in loop.rows(catalog.SCORE):
            mine = [row for row in rows if row["person_id"] == score["person_id"]]
            found = evaluate(
                loop.models[0],
                people[score["person_id"]],
                mine,
                as_of=score["as_of"],
                known_at=score["known_at"],
            )
            assert (found.total, found.grade) == (score["total"], score["grade"])
            stored = {hit["rule"]: hit["points"] for hit in hits if hit["person_id"] == score["person_id"]}
            assert {hit.rule: hit.points for hit in found.hits} == stored
