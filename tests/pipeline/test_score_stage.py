"""The score stage on a real mirror: whom it scores, what it stores, who enters and who leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select, update

from config.errors import ConfigError
from config.settings import Settings
from scoring.load import load_model
from scoring.model import Model
from sync.context import Context, RunClock
from sync.core.stage import Action, Candidate, decide
from sync.mirror import catalog, models, scores
from sync.mirror.engine import Mirror
from sync.mirror.explain import explain_person
from sync.mirror.programs import SCOPE, SCOPE_WITH_FACTS, program_for, run_program, temporary
from sync.mirror.runs import PEOPLE_WENT, scoring_round, set_meta
from sync.mirror.tables import PersonAlias
from sync.reports import ScoreCounts
from sync.stages.score import score
from tests.databases import mirror_url
from tests.scoring.subject import DAY, DEFAULT, default_model, engagement, person
from tests.world import SimulatedWorld

FIT = {
    "job_title": "VP Sales",
    "seniority": 7,
    "company": "ACME",
    "company_size": 100,
    "email": "ann@acme.test",
    "email_domain": "acme.test",
}
START = datetime(2027, 1, 11, 12, tzinfo=UTC)


@dataclass
class Loop:
    """A mirror whose clock a test moves."""

    mirror: Mirror
    world: SimulatedWorld
    models: Sequence[Model] = field(default_factory=lambda: [default_model()])
    runs: int = 0

    @property
    def now(self) -> int:
        return int(self.world.now().timestamp())

    def put(self, *people: dict[str, Any], engagements: Sequence[dict[str, Any]] = ()) -> None:
        """Store people (touched) and engagements."""
        with self.mirror.write() as conn:
            if people:
                touched = {"score_round": scoring_round(conn)}
                conn.execute(insert(catalog.PERSON), [{**one, **touched} for one in people])
            if engagements:
                conn.execute(insert(catalog.ENGAGEMENT), list(engagements))
                whom = {row["person_id"] for row in engagements}
                catalog.touch(conn, catalog.PERSON.c.person_id.in_(whom))

    def change(self, person_id: str = "p1", **facts: Any) -> None:
        """The CRM shows something else about a person."""
        with self.mirror.write() as conn:
            table = catalog.PERSON
            mine = table.c.person_id == person_id
            if facts:
                conn.execute(update(table).where(mine).values(**facts))
            catalog.touch(conn, mine)

    def score(self, *, full: bool = False, as_of: int | None = None) -> ScoreCounts:
        self.runs += 1
        clock = RunClock(f"r{self.runs}", self.now, as_of or self.now, self.now)
        return score(Context(Settings(), self.world, self.mirror, {}, self.models, clock), full=full)

    def rows(self, table: Any) -> list[dict[str, Any]]:
        with self.mirror.read() as conn:
            keys = list(table.primary_key.columns)
            return [dict(row) for row in conn.execute(select(table).order_by(*keys)).mappings()]

    def one(self, table: Any, person_id: str = "p1") -> dict[str, Any]:
        return next(row for row in self.rows(table) if row["person_id"] == person_id)

    def stage(self, person_id: str = "p1") -> str:
        return str(self.one(catalog.PERSON, person_id)["stage"])


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    simulated = SimulatedWorld(START)
    mirror = Mirror(mirror_url(tmp_path), simulated)
    yield Loop(mirror, simulated)
    mirror.close()


def hot(loop: Loop, person_id: str = "p1", ago: int = DAY) -> list[dict[str, Any]]:
    """Engagement that is worth more than 80 points."""
    at = loop.now - ago
    kinds = ("demo_requested", "trial_started", "webinar_attended")
    return [engagement(kind, at, person_id) for kind in kinds] + [
        engagement("page_view", at + hour * 3600, person_id, asset="https://a.b/pricing") for hour in range(3)
    ]


def test_someone_over_the_threshold_becomes_an_mql_once(loop: Loop) -> None:
    loop.put(person(**FIT), person("p2"), engagements=hot(loop))
    assert loop.score() == ScoreCounts(people=2, recomputed=2, mql_entered=1, mql_left=0)
    assert loop.stage() == "mql"
    assert loop.stage("p2") == "lead"
    spell = loop.one(catalog.SPELL)
    assert (spell["entered_by"], spell["entered_at"], spell["left_at"]) == ("threshold", loop.now, None)
    snapshot = json.loads(spell["snapshot"])
    assert sum(hit["points"] for hit in snapshot["hits"]) == snapshot["score"]["total"] >= 100_000
    assert snapshot["facts"]["job_title"] == "VP Sales"
    loop.world.advance(60)
    assert loop.score(full=True).mql_entered == 0
    assert len(loop.rows(catalog.SPELL)) == 1


def test_a_demo_request_of_a_fitting_person_qualifies_now(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=[engagement("demo_requested", loop.now - 60)])
    assert loop.score().mql_entered == 1
    assert loop.one(catalog.SPELL)["entered_by"] == "fast_track:demo"


def test_a_shadow_that_goes_live_decides_in_the_same_process(loop: Loop) -> None:
    live = default_model()
    loop.models = [replace(live, status="shadow")]
    loop.put(person(**FIT), engagements=hot(loop))
    assert loop.score().mql_entered == 0
    loop.models = [live]
    assert loop.score().mql_entered == 1
    assert loop.one(catalog.SCORE)["shown"] is True


def test_a_second_run_scores_nobody(loop: Loop) -> None:
    loop.put(person(**FIT), person("p2"), engagements=hot(loop))
    loop.score()
    before = loop.rows(catalog.SCORE), loop.rows(catalog.HIT)
    loop.world.advance(1)
    assert loop.score() == ScoreCounts(people=2, recomputed=0)
    assert (loop.rows(catalog.SCORE), loop.rows(catalog.HIT)) == before


def test_only_the_touched_are_scored_and_their_rows_replaced(loop: Loop) -> None:
    loop.put(*(person(f"p{n}", **FIT) for n in range(1, 6)))
    loop.score()
    loop.put(engagements=[engagement("webinar_attended", loop.now, "p3")])
    assert loop.score().recomputed == 1
    loop.change("p3", company_size=10)
    assert loop.score().recomputed == 1
    hits = {row["rule"] for row in loop.rows(catalog.HIT) if row["person_id"] == "p3"}
    assert hits == {"director_or_higher", "webinar"}


def test_time_alone_makes_a_person_due(loop: Loop) -> None:
    webinar = engagement("webinar_attended", loop.now - 10)
    loop.put(person(), engagements=[webinar])
    loop.score()
    assert loop.one(catalog.SCORE)["total"] == 10_000
    assert loop.one(catalog.SCORE)["due_at"] == webinar["occurred_at"] + 30 * DAY
    loop.world.advance(30 * DAY - 11)
    assert loop.score().recomputed == 0
    loop.world.advance(1)
    assert loop.score().recomputed == 1
    assert loop.one(catalog.SCORE)["total"] == 7_500


def test_where_most_are_touched_everybody_is_scored(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    loop.put(*(person(f"p{number}") for number in range(5)))
    loop.score()
    monkeypatch.setattr(scores, "MANY", 1)
    for touched, scored in (((0,), 1), ((0, 1), 2), ((0, 1, 2), 5), ((), 0)):
        loop.world.advance(60)
        for number in touched:
            loop.change(f"p{number}", company_size=100 + loop.runs)
        assert loop.score().recomputed == scored


def test_a_future_engagement_waits(loop: Loop) -> None:
    loop.put(person(), engagements=[engagement("webinar_attended", loop.now + 100, first_seen=loop.now)])
    loop.score()
    assert loop.one(catalog.SCORE)["total"] == 0
    loop.world.advance(100)
    assert loop.score().recomputed == 1
    assert loop.one(catalog.SCORE)["total"] == 10_000


def test_a_change_of_model_scores_everybody_and_evicts_nobody(loop: Loop) -> None:
    loop.put(person(**FIT), person("p2"), engagements=hot(loop))
    loop.score()
    text = DEFAULT.replace("version = 1", "version = 2").replace("points = 25,", "points = 5,")
    loop.models = [load_model(text, "scoring.toml")]
    counts = loop.score()
    assert (counts.recomputed, counts.mql_entered, counts.mql_left) == (2, 0, 0)
    assert loop.stage() == "mql"
    assert {row["version"] for row in loop.rows(catalog.SCORE)} == {2}


def test_a_model_of_another_name_takes_the_open_spells_over(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=hot(loop))
    loop.score()
    loop.models = [load_model(DEFAULT.replace('"b2b-default"', '"better"'), "scoring.toml")]
    assert loop.score() == ScoreCounts(people=1, recomputed=1)
    assert loop.one(catalog.SPELL)["model"] == "better"
    assert [row["model"] for row in loop.rows(catalog.SCORE)] == ["better"]
    loop.change(crm_stage="recycled")
    assert loop.score().mql_left == 1


def test_a_published_version_cannot_be_edited(loop: Loop) -> None:
    loop.put(person())
    loop.score()
    loop.models = [load_model(DEFAULT.replace("points = 25,", "points = 30,"), "scoring.toml")]
    with pytest.raises(ConfigError, match=r"scoring.toml:\d+: version: .*edited since; expected version = 2"):
        loop.score()
    loop.models = [load_model(DEFAULT.replace("2027-02-28", "2027-05-28"), "scoring.toml")]
    loop.score()
    with loop.mirror.read() as conn:
        assert models.published_text(conn, "b2b-default") == DEFAULT
        assert [row["version"] for row in models.published(conn)] == [1]


def test_first_sight_of_somebody_the_crms_call_an_mql(loop: Loop) -> None:
    loop.put(person(crm_mql=True), person("p2", crm_mql=True, ambiguous=True), person("p3"))
    assert loop.score().mql_entered == 1
    assert loop.one(catalog.SPELL)["entered_by"] == "crm"
    assert [loop.stage(p) for p in ("p1", "p2", "p3")] == ["mql", "lead", "lead"]
    loop.change("p3", crm_mql=True)
    assert loop.score().mql_entered == 0


def test_someone_whom_sales_returned_before_we_looked_needs_a_new_event(loop: Loop) -> None:
    loop.put(person(crm_stage="recycled", **FIT), engagements=hot(loop))
    assert loop.score().mql_entered == 0
    assert loop.stage() == "recycled"
    loop.world.advance(31 * DAY)
    loop.put(engagements=[engagement("demo_requested", loop.now)])
    assert loop.score().mql_entered == 1


def test_returned_by_sales_then_a_new_high_intent_event_after_the_cooldown(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=hot(loop))
    loop.score()
    loop.change(crm_stage="recycled")
    assert loop.score().mql_left == 1
    assert loop.one(catalog.SPELL)["left_why"] == "recycled"
    assert loop.stage() == "recycled"
    loop.world.advance(DAY)  # new, but within the cooldown
    loop.put(engagements=[engagement("demo_requested", loop.now)])
    assert loop.score().mql_entered == 0
    due = loop.one(catalog.SCORE)["due_at"]
    left_at = loop.one(catalog.SPELL)["left_at"]
    assert due <= left_at + 30 * DAY
    loop.world.advance(29 * DAY - 1)
    assert loop.score().mql_entered == 0
    loop.world.advance(1)
    assert loop.score().mql_entered == 1
    assert [s["entered_by"] for s in loop.rows(catalog.SPELL)][-1] in ("threshold", "fast_track:demo")
    # the status still says what sales said before: the spell just opened is not closed by that
    assert loop.stage() == "mql"
    loop.world.advance(60)
    assert loop.score(full=True).mql_left == 0
    loop.change(crm_stage="lead")  # our MQL was written
    assert (loop.score().mql_left, loop.stage()) == (0, "mql")
    loop.change(crm_stage="recycled")  # and sales returns the lead again
    assert (loop.score().mql_left, loop.stage()) == (1, "recycled")


def test_a_low_score_ends_a_spell_only_after_a_fortnight_of_readings(loop: Loop) -> None:
    loop.put(person(crm_mql=True))
    loop.score()
    left = []
    for day in range(1, 16):
        loop.world.advance(DAY)
        left.append(loop.score().mql_left)
        assert loop.stage() == ("lead" if sum(left) else "mql"), day
    assert left.index(1) == 13  # fourteen days after it was opened, not before
    assert loop.one(catalog.SPELL)["left_why"] == "decayed"


def test_a_spell_ends_the_moment_that_it_is_old_enough(loop: Loop) -> None:
    loop.put(person(crm_mql=True))  # at noon
    loop.score()
    for _ in range(13):
        loop.world.advance(DAY)
        assert loop.score().mql_left == 0
    looked = []
    for wait in (DAY // 2 + 60, DAY // 2 - 61, 1):  # the first reading of the day, a second too early, noon
        loop.world.advance(wait)
        looked.append((loop.score(), loop.now))
    assert [(counts.recomputed, counts.mql_left) for counts, _ in looked] == [(1, 0), (0, 0), (1, 1)]
    assert loop.one(catalog.SPELL)["left_at"] == loop.one(catalog.SPELL)["entered_at"] + 14 * DAY


@pytest.mark.sqlite("the plans of SQLite")
def test_a_run_with_nothing_new_looks_at_no_spell_and_no_score(loop: Loop) -> None:
    loop.put(*(person(f"p{number}", **FIT) for number in range(3)), engagements=hot(loop, "p0"))
    loop.score()
    loop.world.advance(60)
    asked: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(loop.mirror.engine, "before_cursor_execute", note)
    assert loop.score().recomputed == 0
    event.remove(loop.mirror.engine, "before_cursor_execute", note)
    tables = program_for(loop.models[0], scoped=True).tables
    with loop.mirror.write() as conn, temporary(conn, (SCOPE_WITH_FACTS, *tables)):
        for statement, parameters in asked:
            if "count(*)" in statement or not re.match("INSERT|UPDATE|DELETE|SELECT", statement):
                continue
            plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            for step in [row.detail for row in plan]:
                assert not re.match(r"SCAN (person|score|score_hit|spell|spell_reading)\b", step), statement


def test_an_outage_evicts_nobody(loop: Loop) -> None:
    loop.put(person(crm_mql=True))
    loop.score()
    loop.world.advance(14 * DAY)
    assert loop.score().mql_left == 0
    assert loop.stage() == "mql"


def test_nobody_is_evicted_while_sales_works_the_lead(loop: Loop) -> None:
    loop.put(person(crm_mql=True))
    loop.score()
    loop.change(crm_stage="sql")
    for _ in range(16):
        loop.world.advance(DAY)
        assert loop.score().mql_left == 0
    assert loop.stage() == "sql"
    assert loop.one(catalog.SPELL)["left_at"] is None


def test_a_fast_track_mql_is_not_evicted_for_a_low_total(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=[engagement("demo_requested", loop.now)])
    loop.score()
    for _ in range(29):
        loop.world.advance(DAY)
        assert loop.score().mql_left == 0


def test_flapping_around_the_line_does_not_open_and_close(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=hot(loop))
    loop.score()
    for day in range(20):
        loop.world.advance(DAY)
        loop.change(company_size=100 if day % 3 == 0 else 10, seniority=7 if day % 3 == 0 else 1)
        counts = loop.score()
        assert (counts.mql_entered, counts.mql_left) == (0, 0)


def test_won_ends_the_spell(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=hot(loop))
    loop.score()
    loop.change(crm_stage="customer")
    assert loop.score().mql_left == 1
    assert (loop.stage(), loop.one(catalog.SPELL)["left_why"]) == ("customer", "customer")
    assert loop.one(catalog.SCORE)["suppressed"] == "customer"


def test_two_people_become_one_and_the_older_spell_stays(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=hot(loop))
    loop.score()
    loop.world.advance(DAY)
    loop.put(person("p2", **FIT), engagements=hot(loop, "p2"))
    loop.score()
    with loop.mirror.write() as conn:
        conn.execute(catalog.PERSON.delete().where(catalog.PERSON.c.person_id == "p1"))
        conn.execute(update(catalog.ENGAGEMENT).values(person_id="p2"))
        conn.execute(insert(PersonAlias.metadata.tables["person_alias"]).values(alias="p1", person_id="p2"))
        set_meta(conn, PEOPLE_WENT, "yes")
    loop.change("p2")
    assert loop.score().mql_left == 1
    spells = sorted(loop.rows(catalog.SPELL), key=lambda spell: spell["entered_at"])
    assert [(s["person_id"], s["left_why"]) for s in spells] == [("p2", None), ("p2", "merged")]
    assert {row["person_id"] for row in loop.rows(catalog.SCORE)} == {"p2"}


def test_all_records_gone(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=hot(loop))
    loop.score()
    with loop.mirror.write() as conn:
        conn.execute(catalog.PERSON.delete())
        set_meta(conn, PEOPLE_WENT, "yes")
    assert loop.score() == ScoreCounts(people=0, recomputed=0, mql_entered=0, mql_left=1)
    assert loop.one(catalog.SPELL)["left_why"] == "gone"
    assert loop.rows(catalog.SCORE) == []


def test_the_answers_about_a_person_agree(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=hot(loop))
    loop.score()
    spell = loop.one(catalog.SPELL)
    loop.world.advance(5 * DAY)
    loop.score()
    with loop.mirror.read() as conn:
        now = explain_person(conn, "p1", loop.models, now=loop.now)
        then = explain_person(conn, "p1", loop.models, now=loop.now, as_of=spell["entered_at"] + 60)
        same = explain_person(conn, "p1", loop.models, now=loop.now, spell=spell["id"])
    assert now is not None
    assert then is not None
    assert then == same
    assert (now["from"], then["from"]) == ("score", "spell")
    assert now["score"]["total"] == loop.one(catalog.SCORE)["total"] / 1000 < then["score"]["total"]
    for answer in (now, then):
        parts = sum(round(hit["points"] * 1000) for hit in answer["hits"])
        assert parts == round(answer["score"]["total"] * 1000)
    assert now["spells"][0]["entered_by"] == "threshold"
    assert now["fades"]["below_enter_at"] <= now["fades"]["under_leave_at"]


def test_the_account_of_a_person_is_told_by_its_most_engaged_people(loop: Loop) -> None:
    text = DEFAULT.replace("[events]", '[account]\nby = "company"\nsum_top = 2\n\n[events]', 1)
    loop.models = [load_model(text, "account.toml")]
    others = [person(f"p{n}", company="acme") for n in (2, 3)]
    demos = [engagement("demo_requested", loop.now, f"p{n}") for n in (1, 2, 3)]
    loop.put(person(**FIT), *others, person("p4"), engagements=demos)
    loop.score()
    with loop.mirror.read() as conn:
        ann, alone = (explain_person(conn, p, loop.models, now=loop.now) for p in ("p1", "p4"))
    assert ann is not None
    assert alone is not None
    assert ann["account"] == {"name": "ACME", "points": 50.0, "people": 3}
    assert alone["account"] is None


def test_as_of_moves_the_clock_of_the_score_only(loop: Loop) -> None:
    loop.put(person(), engagements=[engagement("webinar_attended", loop.now - 10)])
    loop.score()
    loop.score(as_of=loop.now + 31 * DAY)
    assert loop.one(catalog.SCORE)["total"] == 7_500
    loop.score()
    assert loop.one(catalog.SCORE)["total"] == 10_000


def test_a_score_of_another_moment_makes_nobody_an_mql(loop: Loop) -> None:
    loop.put(person(**FIT), person("p2", crm_mql=True), engagements=hot(loop))
    assert loop.score(as_of=loop.now - 60).mql_entered == 1  # whom the CRMs call so
    assert loop.one(catalog.SCORE)["over_enter"]
    assert [loop.stage(p) for p in ("p1", "p2")] == ["lead", "mql"]
    assert loop.score().mql_entered == 1
    assert loop.stage() == "mql"


def test_a_shadow_model_scores_and_moves_nobody(loop: Loop) -> None:
    text = DEFAULT.replace('"b2b-default"', '"trial"').replace('status = "live"', 'status = "shadow"')
    loop.models = [load_model(text, "trial.toml")]
    loop.put(person(**FIT), engagements=hot(loop))
    assert loop.score().mql_entered == 0
    assert loop.one(catalog.SCORE)["over_enter"]
    assert not loop.one(catalog.SCORE)["shown"]


def test_a_shadow_beside_the_live_version_of_the_same_name(loop: Loop) -> None:
    shadow = DEFAULT.replace("version = 1", "version = 2").replace('status = "live"', 'status = "shadow"')
    loop.models = [default_model(), load_model(shadow, "next.toml")]
    loop.put(person(**FIT), engagements=hot(loop))
    loop.score()
    assert [(row["model"], row["version"], row["shown"]) for row in loop.rows(catalog.SCORE)] == [
        ("b2b-default", 1, True),
        ("b2b-default@2", 2, False),
    ]
    loop.models = [default_model(), load_model(shadow.replace('"shadow"', '"live"'), "next.toml")]
    with pytest.raises(ConfigError, match="live as version 1"):
        loop.score()


def test_the_first_live_model_that_applies_decides(loop: Loop) -> None:
    german = DEFAULT.replace('"b2b-default"', '"dach"').replace(
        "[events]", 'segment = { country = { in = ["DE", "AT"] } }\n\n[events]', 1
    )
    loop.models = [load_model(german, "dach.toml"), default_model()]
    engagements = [*hot(loop), *hot(loop, "p2")]
    loop.put(person(country="DE", **FIT), person("p2", country="FR", **FIT), engagements=engagements)
    assert loop.score().mql_entered == 2
    assert {s["person_id"]: s["model"] for s in loop.rows(catalog.SPELL)} == {
        "p1": "dach",
        "p2": "b2b-default",
    }
    shown = {row["person_id"]: row["model"] for row in loop.rows(catalog.SCORE) if row["shown"]}
    assert shown == {"p1": "dach", "p2": "b2b-default"}


def test_a_list_that_changes_scores_everybody(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=hot(loop, ago=60))
    loop.models = [load_model(DEFAULT, "scoring.toml", {"competitors": ["other.test"]})]
    loop.score()
    loop.models = [load_model(DEFAULT, "scoring.toml", {"competitors": ["ACME.test"]})]
    assert loop.score().recomputed == 1
    assert loop.one(catalog.SCORE)["suppressed"] == "competitor"


def test_only_candidates_are_looked_at_one_by_one(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def counting(person: Candidate, *rest: Any) -> Action:
        looked_at.append(person.person_id)
        return decide(person, *rest)

    monkeypatch.setattr("sync.stages.score.decide", counting)
    people = [person(f"p{n}", crm_stage="customer" if n % 7 == 0 else "lead") for n in range(300)]
    loop.put(*people, person("hot", **FIT), person("known", crm_mql=True), engagements=hot(loop, "hot"))
    assert loop.score().recomputed == 302
    # the spell that was just opened for "known" has a low score and is asked about leaving, too
    assert sorted(looked_at) == ["hot", "known", "known"]
    looked_at.clear()
    assert loop.score(full=True).recomputed == 302
    assert looked_at == ["known"]


def test_a_run_that_is_killed_before_its_commit_leaves_everything_as_it_was(loop: Loop) -> None:
    class Killed(Exception):
        pass

    def reached(failpoint: str) -> None:
        if failpoint == "score.uncommitted":
            raise Killed

    loop.put(person(**FIT), engagements=hot(loop))
    tables = (catalog.SCORE, catalog.HIT, catalog.SPELL, catalog.PERSON, catalog.READING)
    before = [loop.rows(table) for table in tables]
    passed, loop.world.reached = loop.world.reached, reached  # type: ignore[method-assign]
    with pytest.raises(Killed):
        loop.score()
    assert [loop.rows(table) for table in tables] == before
    loop.world.reached = passed  # type: ignore[method-assign]
    assert loop.score().mql_entered == 1
    assert {"score.started", "score.uncommitted", "score.committed"} <= set(loop.world.failpoints)


def test_parts_that_do_not_add_up_stop_the_run(loop: Loop) -> None:
    loop.put(person(**FIT))

    def wrong() -> None:
        clock = scores.Clock(loop.now, loop.now, loop.now)
        program = program_for(default_model(), scoped=False)
        with loop.mirror.write() as conn, temporary(conn, (SCOPE, *program.tables)):
            scores.fill_scope(conn, clock, everybody=True, new_day=True)
            run_program(conn, program, as_of=loop.now, known_at=loop.now)
            hits = program.stages[2].steps[0].table
            conn.execute(update(hits).where(hits.c.rule == "size_50_250").values(points=9_999))
            scores.replace_scores(conn, program, clock, [program.model.name], everybody=True)

    with pytest.raises(scores.ScoreMismatch, match="p1: b2b-default says 25000 thousandths"):
        wrong()
    assert loop.rows(catalog.SCORE) == []


def test_the_parts_of_a_decision_are_worded_by_the_model_it_was_made_with(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=[engagement("demo_requested", loop.now - 30 * DAY + 60)])
    loop.score()
    spell = loop.one(catalog.SPELL)
    other = DEFAULT.replace("version = 1", "version = 2", 1)
    loop.models = [
        load_model(other.replace('"60d"', '"30d"').replace("points = 25", "points = 40"), "s.toml")
    ]
    loop.world.advance(60)
    loop.score()
    texts = {}
    for asked in (spell["id"], None):
        with loop.mirror.read() as conn:
            answer = explain_person(conn, "p1", loop.models, now=loop.now, spell=asked)
        assert answer is not None
        texts[asked] = next(hit["text"] for hit in answer["hits"] if hit["rule"] == "demo_request")
    assert "25 × 0.5^(30.00 d / 60 d)" in texts[spell["id"]]
    assert "40 × 0.5^(30.00 d / 30 d)" in texts[None]
