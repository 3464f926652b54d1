"""The funnel, on people whose way is known."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from sync.mirror.catalog import SPELL
from sync.mirror.funnel import HAND_OFF, STAGES, Part, funnel
from tests.pipeline.test_model_past import record
from tests.pipeline.test_score_stage import FIT, Loop, loop
from tests.scoring.subject import DAY, person

__all__ = ["loop"]

START = 1_780_272_000  # 2026-06-01T00:00Z


def way(
    loop: Loop,
    who: str,
    *,
    known: int = 0,
    mql: int | None = None,
    touched: int | None = None,
    won: int | None = None,
    owner: str | None = None,
    **facts: object,
) -> None:
    """A person by days after START; the deal of whoever is won was opened the day before."""
    loop.put({**person(who, **FIT), **facts})
    record(loop, who, START + known * DAY, None if won is None else START + won * DAY)
    if mql is None:
        return
    at = START + mql * DAY
    spell = {"id": f"s{who}", "person_id": who, "model": "m", "version": 1, "model_hash": "h"}
    with loop.mirror.write() as conn:
        conn.execute(insert(SPELL).values(**spell, entered_at=at, entered_by="threshold", snapshot="{}"))
        if touched is not None or owner:
            moment = None if touched is None else START + touched * DAY
            conn.execute(
                insert(HAND_OFF).values(
                    spell_id=f"s{who}",
                    person_id=who,
                    owner=owner,
                    started_at=at,
                    touched_at=moment,
                    touched_by=None if touched is None else "status",
                )
            )


@pytest.fixture
def town(loop: Loop) -> Loop:
    """Five people: one won, one with sales, one given back, one waiting, one who bought by himself."""
    way(loop, "won", mql=10, touched=12, won=40, owner="ann@x.io", crm_stage="customer", lead_source="Web")
    way(loop, "sql", mql=20, touched=26, owner="bob@x.io", crm_stage="sql", lead_source="Web")
    way(loop, "back", mql=30, owner="ann@x.io", crm_stage="recycled", rejected_reason="No budget")
    way(loop, "wait", known=31, lead_source="Fair")
    way(loop, "self", known=32, won=50, crm_stage="customer", lead_source="Fair")
    return loop


def asked(loop: Loop, since: int | None = None, by: str | None = None) -> tuple[Part, dict[str, Part]]:
    with loop.mirror.read() as conn:
        found = funnel(conn, since=since, by=by, now=START + 60 * DAY)
    assert [reason for reason, _ in found.rejections] in ([], ["No budget"])
    return found.total, {part.name: part for part in found.parts}


def test_every_stage_counts_those_who_went_through_the_ones_before(town: Loop) -> None:
    total, parts = asked(town)
    assert parts == {}
    assert total.reached == {"known": 5, "mql": 3, "accepted": 2, "opportunity": 1, "won": 1}
    assert total.passed_by == 1
    assert [total.rate(name) for name in STAGES] == [None, 0.6, 0.6667, 0.5, 1.0]


def test_velocity_is_the_median_of_days(town: Loop) -> None:
    total, _ = asked(town)
    assert total.days == {"known": None, "mql": 20.0, "accepted": 4.0, "opportunity": 27.0, "won": 1.0}


def test_by_source_owner_and_month(town: Loop) -> None:
    _, sources = asked(town, by="source")
    assert {name: part.reached["known"] for name, part in sources.items()} == {
        "Web": 2,
        "(none)": 1,
        "Fair": 2,
    }
    assert (sources["Web"].reached["won"], sources["Fair"].reached["won"]) == (1, 0)
    assert sources["Fair"].passed_by == 1
    _, owners = asked(town, by="owner")
    assert {name: part.reached["mql"] for name, part in owners.items()} == {
        "ann@x.io": 2,
        "bob@x.io": 1,
        "(none)": 0,
    }
    _, months = asked(town, by="month")
    assert {name: part.reached["known"] for name, part in months.items()} == {"2026-06": 3, "2026-07": 2}


def test_since_leaves_out_whom_the_crms_knew_before(town: Loop) -> None:
    total, _ = asked(town, since=START + 31 * DAY)
    assert (total.reached["known"], total.reached["mql"], total.passed_by) == (2, 0, 1)


def test_nobody(loop: Loop) -> None:
    total, _ = asked(loop)
    assert total.reached == dict.fromkeys(STAGES, 0)
    assert asked(loop, by="month")[1] == {}
