"""`model backtest`, `suggest` and `drift` on data whose right answers are worked out another way."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert

from scoring.evaluate import evaluate
from scoring.load import load_model
from scoring.model import Model
from sync.mirror.backtest import backtest
from sync.mirror.drift import drift, psi
from sync.mirror.leaks import leaks
from sync.mirror.past import DEAL, LINK, MEMBER, RECORD, Watched, apart, months_before
from sync.mirror.suggest import suggest
from tests.pipeline.test_score_stage import FIT, Loop, hot, loop
from tests.scoring.subject import DAY, default_model, engagement, person

__all__ = ["loop"]

HORIZON = 90 * DAY
COUNT = 60


def record(loop: Loop, who: str, created: int, won: int | None, *, is_won: bool = True) -> None:
    """The person's one record, known since `created`, with a deal that was closed at `won`."""
    key = {"crm": "hubspot", "object": "contacts", "id": who}
    blank = {"modified_ms": 0, "version": "", "fields": "{}", "raw": "{}", "gone": False, "changed": 0}
    own = {"rules_version": 1, "founder_id": who, "first_seen": 0}
    with loop.mirror.write() as conn:
        conn.execute(insert(RECORD).values(**key, **blank, **own, created_ms=created * 1000))
        conn.execute(insert(MEMBER).values(**key, person_id=who, evidence="alone"))
        if won is not None:
            deal = {"crm": "hubspot", "object": "deals", "id": f"d{who}"}
            state = {"is_closed": True, "is_won": is_won, "created_ms": (won - DAY) * 1000}
            conn.execute(insert(DEAL).values(**deal, **blank, **state, closed_ms=won * 1000))
            link = {"from_object": "contacts", "from_id": who, "to_object": "deals", "to_id": f"d{who}"}
            conn.execute(insert(LINK).values(crm="hubspot", **link, types="", is_primary=False))


class Town:
    """People of whom those who raise their hands buy more often than others, drawn anew but alike."""

    def __init__(self, loop: Loop, seed: int = 3) -> None:
        draw = random.Random(seed)
        self.people: dict[str, dict[str, Any]] = {}
        self.engagements: list[dict[str, Any]] = []
        self.created: dict[str, int] = {}
        self.won: dict[str, int | None] = {}
        for number in range(COUNT):
            who = f"p{number:03}"
            eager = draw.random() < 0.4
            size, rank = draw.choice((10, 100, 900)), draw.choice((4, 7))
            stage = draw.choice(("lead", "customer"))  # today's stage must not matter
            facts = {**FIT, "company_size": size, "seniority": rank, "crm_stage": stage}
            self.people[who] = person(**{"person_id": who, **facts})
            self.created[who] = loop.now - draw.randrange(100, 600) * DAY
            for kind in ("demo_requested", "trial_started", "webinar_attended") if eager else ("page_view",):
                at = loop.now - draw.randrange(1, 500) * DAY
                self.engagements.append(engagement(kind, at, who, asset="/pricing"))
            wins = draw.random() < (0.7 if eager else 0.2)
            self.won[who] = loop.now - draw.randrange(1, 400) * DAY if wins else None
        loop.put(*self.people.values(), engagements=self.engagements)
        for who in self.people:
            record(loop, who, self.created[who], self.won[who])

    def there(self, at: int) -> dict[str, bool]:
        """Who was known at a moment without having won, and whether they won in time."""
        found = {}
        for who, won in self.won.items():
            if self.created[who] <= at and (won is None or won > at):
                found[who] = won is not None and won <= at + HORIZON
        return found

    def judged(self, model: Model, at: int, now: int) -> list[tuple[int, bool, bool]]:
        """(total, qualifies, won) of everybody, by the oracle."""
        rows = []
        for who, won in self.there(at).items():
            did = [one for one in self.engagements if one["person_id"] == who]
            said = evaluate(model, {**self.people[who], "stage_read": "lead"}, did, as_of=at, known_at=now)
            good = said.eligible and (said.over_enter or said.fast_track is not None)
            rows.append((said.total, good, won))
        return rows


def area(rows: list[tuple[int, bool, bool]]) -> float:
    """Pair by pair."""
    won = [total for total, _, came in rows if came]
    lost = [total for total, _, came in rows if not came]
    points = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in won for b in lost)
    return points / (len(won) * len(lost))


def caught(rows: list[tuple[int, bool, bool]], top: float) -> float:
    """The mean over the orders of those who are tied: each has the share of the room that is left."""
    room, found = len(rows) * top, 0.0
    for total in sorted({row[0] for row in rows}, reverse=True):
        tied = [row for row in rows if row[0] == total]
        found += sum(row[2] for row in tied) * max(0.0, min(1.0, room / len(tied)))
        room -= len(tied)
    return found / sum(row[2] for row in rows) / top


def test_backtest_against_pairs_counted_one_by_one(loop: Loop) -> None:
    town, model = Town(loop), default_model()
    with loop.mirror.read() as conn:
        found = backtest(conn, model, Watched("won", HORIZON), loop.now, 12)
    moments = months_before(loop.now, HORIZON, 12)
    by_month = [town.judged(model, at, loop.now) for at in moments]
    rows = [row for month in by_month for row in month]
    assert (found.people, found.won) == (len(rows), sum(row[2] for row in rows))
    assert found.auc == pytest.approx(area(rows), abs=1e-4)
    assert found.auc is not None
    assert found.auc > 0.55
    for top in (10, 20):
        assert found.lift[top] == pytest.approx(caught(rows, top / 100), abs=0.006)
    good = [row for row in rows if row[1]]
    assert found.qualified == len(good) > 0
    assert found.precision == pytest.approx(sum(row[2] for row in good) / len(good), abs=1e-4)
    assert [(one.at, one.people, one.won, one.qualified, one.qualified_won) for one in found.months] == [
        (
            at,
            len(month),
            sum(r[2] for r in month),
            sum(r[1] for r in month),
            sum(r[1] and r[2] for r in month),
        )
        for at, month in zip(moments, by_month, strict=True)
        if month
    ]


def test_backtest_without_anybody(loop: Loop) -> None:
    with loop.mirror.read() as conn:
        found = backtest(conn, default_model(), Watched("won", HORIZON), loop.now, 3)
    assert (found.people, found.auc, found.lift, found.precision) == (0, None, {10: None, 20: None}, None)


def test_a_lost_deal_is_no_win_but_an_opportunity(loop: Loop) -> None:
    loop.put(person("p1"), person("p2"))
    record(loop, "p1", loop.now - 300 * DAY, loop.now - 120 * DAY, is_won=False)
    record(loop, "p2", loop.now - 300 * DAY, None)
    with loop.mirror.read() as conn:
        won = backtest(conn, default_model(), Watched("won", HORIZON), loop.now, 3)
        opened = backtest(conn, default_model(), Watched("opportunity", HORIZON), loop.now, 3)
    assert (won.won, [month.won for month in opened.months]) == (0, [1, 1, 0])


def test_months_are_over_and_windows_apart() -> None:
    now = int(datetime(2027, 4, 15, tzinfo=UTC).timestamp())
    words = [datetime.fromtimestamp(at, UTC).isoformat()[:10] for at in months_before(now, HORIZON, 3)]
    assert words == ["2026-11-01", "2026-12-01", "2027-01-01"]
    assert apart(now, HORIZON, 2) == [now - 2 * HORIZON, now - HORIZON]


def test_suggest_finds_what_was_put_in_with_the_odds_of_a_table(loop: Loop) -> None:
    town, model = Town(loop), default_model()
    with loop.mirror.read() as conn:
        found = suggest(conn, model, Watched("won", HORIZON), loop.now, 4)
    moments = apart(loop.now, HORIZON, 4)
    there = [(who, won, at) for at in moments for who, won in town.there(at).items()]
    assert (found.people, found.won) == (len(there), sum(won for _, won, _ in there))
    assert found.rules
    assert len(found.rules) <= 15
    for rule in found.rules:
        assert rule.points % 5 == 0
        assert rule.points
        assert rule.low <= rule.odds <= rule.high
        assert (rule.points > 0) == (rule.odds > 1)
    strongest = found.rules[0]
    kinds = {"trial_started_1": "trial_started", "demo_request_1": "demo_requested"}
    assert (strongest.id in kinds, strongest.axis) == (True, "engagement")
    did = {
        (who, at)
        for who, _, at in there
        for one in town.engagements
        if (one["person_id"], one["kind"]) == (who, kinds[strongest.id])
        and at - HORIZON < one["occurred_at"] <= at
    }
    a = sum(won for who, won, at in there if (who, at) in did)
    b = len(did) - a
    c = found.won - a
    d = found.people - len(did) - c
    odds = (a + 0.5) * (d + 0.5) / ((b + 0.5) * (c + 0.5))
    assert (strongest.people, strongest.won) == (len(did), a)
    assert strongest.odds == pytest.approx(odds, abs=0.006)
    assert strongest.points == min(50, 5 * math.floor(10 * math.log2(odds) / 5 + 0.5))


def test_what_is_suggested_can_be_pasted_into_a_model(loop: Loop) -> None:
    Town(loop)
    with loop.mirror.read() as conn:
        found = suggest(conn, default_model(), Watched("won", HORIZON), loop.now, 4)
    text = default_model().text
    fit = ",\n".join(rule.toml for rule in found.rules if rule.axis == "fit")
    other = ",\n".join(rule.toml for rule in found.rules if rule.axis == "engagement")
    start = text.index("[fit]\n")
    end = text.index("[[suppress]]")
    sections = f"[fit]\nrules = [{fit}]\n[engagement]\nrules = [{other}]\n"
    changed = text[:start] + sections + text[end:].replace(', needs_new = "high_intent"', "")
    model = load_model(changed, "suggested.toml")
    assert [(rule.id, rule.points) for rule in model.rules] == [
        (rule.id, 1000 * rule.points)
        for axis in ("fit", "engagement")
        for rule in found.rules
        if rule.axis == axis
    ]


def test_a_field_that_sales_fills_in_is_a_leak_and_left_out(loop: Loop) -> None:
    loop.put(*(person(f"s{n:02}", crm_stage="sql", industry="Steel", company_size=100) for n in range(25)))
    loop.put(*(person(f"l{n:02}", company_size=100) for n in range(40)))
    with loop.mirror.read() as conn:
        (leak,) = leaks(conn, default_model())
    assert (leak.field, leak.worked, leak.others, leak.used) == ("industry", 1.0, 0.0, False)
    loop.change("l00", industry="Steel")
    loop.change("l01", industry="Steel")
    loop.change("l02", industry="Steel")
    with loop.mirror.read() as conn:
        assert leaks(conn, default_model()) == []  # three of forty fill it in themselves


def test_drift_against_bins_counted_one_by_one(loop: Loop) -> None:
    town, model = Town(loop), default_model()
    since = loop.now - 200 * DAY
    with loop.mirror.read() as conn:
        found = drift(conn, model, since, loop.now)
    for axis in found.axes:
        sides = []
        for at in (since, loop.now):
            counts: dict[int, int] = {}
            for who, facts in town.people.items():
                if town.created[who] <= at:
                    did = [one for one in town.engagements if one["person_id"] == who]
                    said = evaluate(model, {**facts, "stage_read": "lead"}, did, as_of=at, known_at=loop.now)
                    place = getattr(said, axis.axis) // 10_000
                    counts[place] = counts.get(place, 0) + 1
            sides.append(counts)
        assert axis.psi == pytest.approx(psi(*sides))
        assert axis.psi is not None
        assert axis.psi > 0
    assert found.people == (sum(sides[0].values()), COUNT)


def test_the_index_of_stability() -> None:
    assert psi({1: 50, 2: 50}, {1: 5, 2: 5}) == 0
    assert psi({1: 50, 2: 50}, {1: 80, 2: 20}) == pytest.approx(
        0.3 * math.log(1.6) - 0.3 * math.log(0.4), abs=1e-4
    )
    assert psi({}, {1: 1}) is None


def test_drift_holds_shares_of_mqls_against_the_healthy_bands(loop: Loop) -> None:
    loop.put(*(person(f"p{n}", **FIT) for n in range(4)))
    for n in range(4):
        record(loop, f"p{n}", loop.now - 5 * DAY, None)
    loop.put(engagements=[*hot(loop, "p0"), *hot(loop, "p1")])
    loop.score()
    loop.world.advance(DAY)
    loop.change("p0", crm_stage="sql")
    loop.score()
    with loop.mirror.read() as conn:
        found = drift(conn, default_model(), loop.now - 90 * DAY, loop.now)
    week = found.weeks[-1].mqls
    assert (week.part, week.whole, week.rate, week.healthy) == (2, 4, 0.5, False)
    sales = found.to_sales
    assert (sales.part, sales.whole, sales.healthy) == (1, 2, False)
    assert [one.mqls.healthy for one in found.weeks[:-1]] == [None, None, None]
