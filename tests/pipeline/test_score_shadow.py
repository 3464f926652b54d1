"""A shadow week: a model scores beside or instead of a live one, and one sees whom it would take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scoring.load import load_model
from sync.mirror import catalog, overrides, queries
from sync.mirror.overrides import Override
from tests.pipeline.test_score_stage import FIT, Loop, hot, loop
from tests.scoring.subject import DAY, DEFAULT, default_model, person

__all__ = ["loop"]

SHADOW = DEFAULT.replace('status = "live"', 'status = "shadow"')


def listed(loop: Loop, **conditions: Any) -> dict[str, Any]:
    with loop.mirror.read() as conn:
        found = [one.to_json() for one in queries.people(conn, **conditions)]
    return {one["person_id"]: one.get("would_enter") for one in found}


def test_whom_a_shadow_would_take_is_listed(loop: Loop) -> None:
    loop.models = [load_model(SHADOW, "scoring.toml")]
    people = [person(**FIT), person("p2", **FIT), person("p3", **FIT), person("p4", **FIT)]
    some = [*hot(loop), *hot(loop, "p3"), *hot(loop, "p4")]
    loop.put(*people, engagements=some)
    loop.change("p3", crm_stage="customer", stage="customer")
    with loop.mirror.write() as conn:
        said = ("not_mql", None, "a friend", "ann", loop.now, loop.now + DAY)
        overrides.place(conn, Override("o1", "p4", *said))
    loop.score()
    asked = {"model": "b2b-default", "decides": False}
    assert listed(loop, stage="mql", **asked) == {"p1": True}
    everybody = {"p1": True, "p2": False, "p3": False, "p4": False}
    assert listed(loop, **asked) == everybody
    assert listed(loop, stage="customer", **asked) == {"p3": False}
    assert listed(loop, stage="mql") == {}
    assert listed(loop) == dict.fromkeys(everybody)


def test_a_shadow_beside_a_live_model_is_asked_by_its_own_name(loop: Loop) -> None:
    stricter = SHADOW.replace("version = 1", "version = 2").replace(
        "total = 100, fit = 15", "total = 100, fit = 30"
    )
    loop.models = [default_model(), load_model(stricter, "next.toml")]
    loop.put(person(**FIT), person("p2", **FIT), engagements=hot(loop))
    loop.score()
    assert listed(loop, stage="mql") == {"p1": None}
    assert listed(loop, stage="mql", model="b2b-default@2", decides=False) == {"p1": True}


def test_whom_a_model_meets_as_a_shadow_it_meets_for_the_first_time_when_it_goes_live(loop: Loop) -> None:
    loop.models = [load_model(SHADOW, "scoring.toml")]
    loop.put(person(crm_mql=True), person("p2", crm_stage="recycled", stage="recycled"))
    for _ in range(2):
        loop.score()
        loop.world.advance(DAY)
    assert loop.rows(catalog.SPELL) == []
    loop.models = [replace(loop.models[0], status="live")]
    loop.score()
    spells = {row["person_id"]: (row["entered_by"], row["left_why"]) for row in loop.rows(catalog.SPELL)}
    assert spells == {"p1": ("crm", None), "p2": ("crm", "recycled")}
    loop.world.advance(DAY)
    assert (loop.score().mql_entered, len(loop.rows(catalog.SPELL))) == (0, 2)
