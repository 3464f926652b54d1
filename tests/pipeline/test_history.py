"""Why somebody was an MQL on a day of the past, with what was known then."""

from __future__ import annotations

from datetime import UTC, datetime

from scoring.load import load_model
from sync.mirror import catalog
from sync.mirror.explain import explain_person
from tests.pipeline.test_score_stage import FIT, Loop, loop
from tests.scoring.subject import DAY, DEFAULT, engagement, person

__all__ = ["loop"]

MARCH_3 = int(datetime(2027, 3, 3, tzinfo=UTC).timestamp())
FEBRUARY_20 = MARCH_3 - 11 * DAY


def test_why_was_she_an_mql_on_3_march(loop: Loop) -> None:
    loop.world.advance(FEBRUARY_20 - loop.now)
    demo = engagement("demo_requested", FEBRUARY_20 - DAY, first_seen=FEBRUARY_20)
    loop.put(person(**FIT), engagements=[demo])
    loop.score()
    loop.world.advance(40 * DAY)  # April: she changed her job, and something of February came late
    late = engagement("trial_started", FEBRUARY_20 - 5 * DAY, first_seen=loop.now)
    loop.put(engagements=[late])
    loop.change(seniority=4, job_title="Analyst", company_size=5)
    loop.score()
    spell = loop.one(catalog.SPELL)
    with loop.mirror.read() as conn:
        asked = {
            "on that day": explain_person(conn, "p1", loop.models, now=loop.now, as_of=MARCH_3),
            "by the spell": explain_person(conn, "p1", loop.models, now=loop.now, spell=spell["id"]),
        }
        known_then = explain_person(conn, "p1", loop.models, now=loop.now, as_of=MARCH_3, known_at=MARCH_3)
        known_now = explain_person(conn, "p1", loop.models, now=loop.now, as_of=MARCH_3, known_at=loop.now)
    for answer in asked.values():  # decided on what stood there: her old job, the demo, not the late trial
        assert answer is not None
        assert answer["from"] == "spell"
        assert {hit["rule"] for hit in answer["hits"]} == {
            "director_or_higher",
            "size_50_250",
            "demo_request",
        }
        assert answer["score"]["as_of"] == "2027-02-20T00:00:00Z"
        assert answer["spells"][0]["entered_by"] == "fast_track:demo"
    assert known_then is not None
    assert known_now is not None
    assert {hit["rule"] for hit in known_then["hits"]} == {"demo_request"}  # facts are today's
    assert {hit["rule"] for hit in known_now["hits"]} == {"demo_request", "trial_started"}
    assert known_then["score"]["as_of"] == "2027-03-03T00:00:00Z"


def test_late_arrival_is_scored_by_when_it_happened_and_the_spell_starts_now(loop: Loop) -> None:
    loop.put(person(**FIT))
    loop.score()
    loop.world.advance(DAY)
    loop.put(engagements=[engagement("demo_requested", loop.now - 10 * DAY, first_seen=loop.now)])
    assert loop.score().mql_entered == 1
    assert loop.one(catalog.SPELL)["entered_at"] == loop.now
    (hit,) = [row for row in loop.rows(catalog.HIT) if row["rule"] == "demo_request"]
    assert hit["last_at"] == loop.now - 10 * DAY
    assert hit["points"] < 25_000


def test_a_rule_edited_while_a_spell_is_open_evicts_nobody_and_what_was_decided_stays_told(
    loop: Loop,
) -> None:
    loop.put(person(**FIT), engagements=[engagement("demo_requested", loop.now - 60)])
    loop.score()
    stricter = DEFAULT.replace("version = 1", "version = 2", 1).replace(
        "points = 15, when", "points = 1, when"
    )
    loop.models = [load_model(stricter, "scoring.toml")]
    loop.world.advance(60)
    assert loop.score().mql_left == 0
    spell = loop.one(catalog.SPELL)
    assert (spell["left_at"], spell["version"], loop.stage()) == (None, 1, "mql")
    with loop.mirror.read() as conn:
        now = explain_person(conn, "p1", loop.models, now=loop.now)
        then = explain_person(conn, "p1", loop.models, now=loop.now, spell=spell["id"])
    assert now is not None
    assert then is not None
    assert (now["score"]["fit"], now["score"]["version"]) == (11.0, 2)
    assert (then["score"]["fit"], then["score"]["version"]) == (25.0, 1)
