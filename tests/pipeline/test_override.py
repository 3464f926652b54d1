"""An administrator's word about a person: author, reason and an end; before the model and the CRMs."""

from __future__ import annotations

from typing import Any

from sync.mirror import catalog, overrides
from sync.mirror.explain import explain_person
from sync.mirror.overrides import Override
from sync.mirror.timeline import timeline
from tests.pipeline.test_score_stage import FIT, Loop, hot, loop
from tests.scoring.subject import DAY, engagement, person

__all__ = ["loop"]


def say(loop: Loop, verdict: str, *, days: int = 10, stage: str | None = None, who: str = "p1") -> Override:
    """An administrator's word for so many days."""
    number = len(loop.rows(catalog.OVERRIDE))
    said = Override(f"o{number}", who, verdict, stage, "so I say", "ann", loop.now, loop.now + days * DAY)
    with loop.mirror.write() as conn:
        overrides.place(conn, said)
    return said


def spells(loop: Loop) -> list[tuple[Any, ...]]:
    rows = sorted(loop.rows(catalog.SPELL), key=lambda row: (row["entered_at"], row["left_at"] or 0))
    return [(row["person_id"], row["entered_by"], row["left_why"]) for row in rows]


def test_an_mql_by_override_whatever_the_points_until_it_ends(loop: Loop) -> None:
    loop.put(person("p1", student_domain=True), person("p2"))
    loop.score()
    said = say(loop, "mql", days=20)
    assert loop.score().mql_entered == 1
    assert spells(loop) == [("p1", "override", None)]
    assert loop.stage() == "mql"
    for _ in range(19):  # far longer below the line than the model has patience
        loop.world.advance(DAY)
        assert loop.score().mql_left == 0
    loop.world.advance(DAY)  # it ends by itself, and the readings of all those days count
    assert loop.score().mql_left == 1
    assert spells(loop) == [("p1", "override", "decayed")]
    ended = loop.one(catalog.OVERRIDE)
    assert (ended["ended_at"], ended["ended_why"], loop.stage()) == (said.until, "expired", "lead")


def test_no_mql_by_override_and_the_model_decides_again_when_it_ends(loop: Loop) -> None:
    loop.put(person("p1", **FIT), person("p2", crm_mql=True), engagements=hot(loop))
    say(loop, "not_mql", days=3)
    say(loop, "not_mql", days=9, who="p2")
    assert loop.score().mql_entered == 0
    assert (loop.stage(), loop.stage("p2")) == ("lead", "lead")
    loop.world.advance(3 * DAY - 1)
    assert loop.score().mql_entered == 0
    loop.world.advance(1)  # nobody touched anything: time alone
    assert loop.score().mql_entered == 1
    assert (loop.stage(), loop.stage("p2")) == ("mql", "lead")


def test_no_mql_by_override_ends_an_open_spell_at_once(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=hot(loop))
    loop.score()
    say(loop, "not_mql", days=2)
    assert loop.score().mql_left == 1
    assert (spells(loop), loop.stage()) == ([("p1", "threshold", "override")], "lead")
    loop.world.advance(3 * DAY)  # afterwards as after any spell: a cooldown, and something new
    assert loop.score().mql_entered == 0


def test_a_stage_by_override_stands_for_what_the_crms_say(loop: Loop) -> None:
    loop.put(person("p1", **FIT), person("p2", crm_stage="customer", **FIT))
    loop.put(engagements=[*hot(loop), *hot(loop, "p2")])
    say(loop, "stage", stage="customer")
    say(loop, "stage", stage="lead", who="p2", days=5)
    assert loop.score().mql_entered == 1
    assert (loop.stage(), loop.stage("p2")) == ("customer", "mql")
    assert loop.one(catalog.SCORE)["suppressed"] == "customer"
    assert loop.one(catalog.SCORE, "p2")["suppressed"] is None
    loop.world.advance(5 * DAY)
    assert loop.score().mql_left == 1
    assert (loop.stage("p2"), spells(loop)) == ("customer", [("p2", "threshold", "customer")])


def test_cleared_or_replaced(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=hot(loop))
    say(loop, "not_mql")
    loop.score()
    loop.world.advance(60)
    say(loop, "stage", stage="disqualified")
    loop.score()
    assert loop.stage() == "disqualified"
    loop.world.advance(60)
    with loop.mirror.write() as conn:
        held = overrides.end(conn, "p1", loop.now, "cleared")
        assert held is not None
        assert held.stage == "disqualified"
        assert overrides.end(conn, "p1", loop.now, "cleared") is None
    assert loop.score().mql_entered == 1
    assert [row["ended_why"] for row in loop.rows(catalog.OVERRIDE)] == ["replaced", "cleared"]


def test_sales_has_the_last_word_over_an_override(loop: Loop) -> None:
    loop.put(person("p1"), person("p2", crm_stage="sql"), person("p3", ambiguous=True))
    for who in ("p1", "p2", "p3"):
        say(loop, "mql", who=who)
    assert loop.score().mql_entered == 1
    assert [loop.stage(who) for who in ("p1", "p2", "p3")] == ["mql", "sql", "lead"]
    loop.change(crm_stage="recycled")
    assert loop.score().mql_left == 1
    assert (loop.stage(), spells(loop)) == ("recycled", [("p1", "override", "recycled")])


def test_whom_sales_returned_an_override_brings_back(loop: Loop) -> None:
    loop.put(person(crm_stage="recycled"))
    loop.score()
    say(loop, "mql")
    loop.world.advance(60)
    assert loop.score().mql_entered == 1
    assert loop.stage() == "mql"


def test_an_override_follows_a_merge_and_the_newer_one_holds(loop: Loop) -> None:
    loop.put(person("p1"), person("p2"))
    say(loop, "stage", stage="customer", who="p2")
    loop.world.advance(60)
    say(loop, "not_mql", who="p1")
    with loop.mirror.write() as conn:
        conn.execute(catalog.PERSON.delete().where(catalog.PERSON.c.person_id == "p2"))
        conn.execute(overrides.ALIAS.insert().values(alias="p2", person_id="p1"))
    loop.score()
    with loop.mirror.read() as conn:
        held = overrides.current(conn, "p1")
        all_of_them = [(one.verdict, one.ended_why) for one in overrides.of_person(conn, "p1")]
    assert held is not None
    assert held.verdict == "not_mql"
    assert all_of_them == [("not_mql", None), ("stage", "merged")]


def test_an_override_is_told_by_explain_and_timeline(loop: Loop) -> None:
    loop.put(person(**FIT), engagements=[engagement("demo_requested", loop.now - 60)])
    said = say(loop, "not_mql", days=1)
    loop.score()
    loop.world.advance(DAY)
    loop.score()
    with loop.mirror.read() as conn:
        moments = timeline(conn, "p1", 50)
        answer = explain_person(conn, "p1", loop.models, now=loop.now)
    words = [(one.at, one.what, one.detail) for one in moments if one.kind == "override"]
    assert words == [
        (said.until, "override ended", "expired"),
        (said.at, "override: no MQL", "by ann until 2027-01-12: so I say"),
    ]
    assert answer is not None
    assert answer["override"] is None
    say(loop, "mql")
    with loop.mirror.read() as conn:
        answer = explain_person(conn, "p1", loop.models, now=loop.now)
    assert answer is not None
    assert (answer["override"]["verdict"], answer["override"]["by"]) == ("mql", "ann")
