"""`person explain`: the arithmetic in words, what is missing, when time ends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from scoring.evaluate import Hit, evaluate, events_of
from scoring.explain import age, duration, fading, hit_text, number
from scoring.load import load_model
from sync.mirror.catalog import ENGAGEMENT, PERSON
from sync.mirror.engine import Connection, Mirror
from sync.mirror.explain import explain_person, people_as_of
from tests.databases import mirror_url
from tests.scoring.subject import DAY, DEFAULT, NOW, default_model, engagement, person
from tests.world import SimulatedWorld

FACTS: dict[str, Any] = {
    "seniority": 7,
    "job_title": "VP",
    "company_size": 100,
    "email": "a@acme.test",
    "email_domain": "acme.test",
    "crm_stage": "lead",
}


def evaluated(*engagements: dict[str, Any], as_of: int = NOW, **facts: Any) -> Any:
    row = {**person(**{**FACTS, **facts}), "stage_read": "lead"}
    return evaluate(default_model(), row, engagements, as_of=as_of, known_at=as_of)


def texts(*engagements: dict[str, Any], **facts: Any) -> dict[str, str]:
    found = evaluated(*engagements, **facts)
    return {hit.rule: hit_text(default_model(), hit, NOW) for hit in found.hits}


def test_fit_in_words() -> None:
    assert texts(student_domain=True) == {
        "director_or_higher": "director_or_higher: +15 because job title is director or higher",
        "size_50_250": "size_50_250: +10 because company size is between 50 and 250",
        "student_email": "student_email: -50 because e-mail domain is on the list student domains",
    }


def test_decay_in_words() -> None:
    found = texts(
        engagement("demo_requested", NOW - 60 * DAY),
        engagement("webinar_attended", NOW - 31 * DAY),
        engagement("webinar_attended", NOW - DAY),
        *(engagement("page_view", NOW - n * DAY, asset="/pricing") for n in (1, 2, 3)),
    )
    assert found["demo_request"] == (
        "demo_request: +12.5 for 1 demo_request, the latest 60.0 days ago: 25 × 0.5^(60.00 d / 60 d) = 12.5"
    )
    assert found["webinar"] == (
        "webinar: +17.5 for 2 webinar, the latest 1.0 days ago: +10 each, 25 % of it gone every 30 days"
    )
    assert found["pricing_3plus"] == (
        "pricing_3plus: +15 for 3 pricing_visit, the latest 1.0 days ago (at least 3 within 30 days)"
    )


def test_limits_and_caps_in_words() -> None:
    studies = [engagement("content_downloaded", NOW, asset=f"case study {n}") for n in range(5)]
    webinars = [engagement("webinar_attended", NOW - n * DAY) for n in range(5)]
    found = texts(*studies, *webinars, engagement("subscribed", NOW, asset="newsletter"))
    assert found["case_study"].endswith("half of it gone after 60 days, no more than 20")
    assert found["limit:mid_intent"] == "limit of mid_intent: -5, it gives no more than 40"


def test_a_part_of_an_earlier_version_is_still_named() -> None:
    hit = Hit("gone_rule", "fit", None, 5_000, 1)
    assert hit_text(default_model(), hit, NOW) == "gone_rule: +5"


@pytest.mark.parametrize(
    ("seconds", "words"), [(86400, "1 day"), (172800, "2 days"), (5400, "90 minutes"), (61, "61 seconds")]
)
def test_durations(seconds: int, words: str) -> None:
    assert duration(seconds) == words


def test_numbers_and_ages() -> None:
    assert [number(n) for n in (25_000, 24_700, -3_125, 0)] == ["25", "24.7", "-3.125", "0"]
    assert age(7200) == "2.0 hours ago"


def test_when_time_alone_ends_it() -> None:
    model = default_model()
    row = {**person(**FACTS, company="ACME"), "stage_read": "lead"}
    demo = engagement("demo_requested", NOW)
    found = fading(model, row, events_of(model, [demo], as_of=NOW, known_at=NOW), NOW)
    assert found.below_enter_at == found.under_leave_at == NOW + 30 * DAY  # the fast track's window
    nothing = fading(model, row, events_of(model, [], as_of=NOW, known_at=NOW), NOW)
    assert (nothing.below_enter_at, nothing.under_leave_at) == (None, None)


@pytest.fixture
def conn(tmp_path: Path, database: str) -> Iterator[Connection]:
    mirror = Mirror(mirror_url(tmp_path), SimulatedWorld())
    with mirror.write() as conn:
        conn.execute(insert(PERSON).values(**person(**FACTS)))
        conn.execute(insert(ENGAGEMENT).values(**engagement("demo_requested", NOW - 60 * DAY)))
    with mirror.read() as conn:
        yield conn
    mirror.close()


def test_explaining_another_moment(conn: Connection) -> None:
    found = explain_person(conn, "p1", [default_model()], now=NOW, as_of=NOW + 60 * DAY)
    assert found is not None
    assert found["score"]["total"] == 31.25
    assert found["score"]["as_of"] == "2027-03-16T08:00:00Z"
    assert found["missing"] == [{"axis": "engagement", "points": 33.75}, {"axis": "total", "points": 68.75}]
    assert found["missing_fields"] == ["company"]
    assert sum(hit["points"] for hit in found["hits"]) == found["score"]["total"]
    assert [hit["rule"] for hit in found["hits"]] == ["director_or_higher", "size_50_250", "demo_request"]
    assert found["hits"][2]["sources"] == ["hubspot"]
    assert found["summary"] == (
        "31.25 points, grade A4 (fit 25, engagement 6.25): "
        "director or higher +15, size 50 250 +10, demo request +6.25"
    )


def test_known_at_hides_what_came_later(conn: Connection) -> None:
    found = explain_person(conn, "p1", [default_model()], now=NOW, known_at=NOW - 61 * DAY)
    assert found is not None
    assert found["score"]["engagement"] == 0


def test_nobody(conn: Connection) -> None:
    assert explain_person(conn, "p9", [default_model()], now=NOW) is None


def test_everybody_at_another_moment(conn: Connection) -> None:
    segmented = load_model(
        DEFAULT.replace('"b2b-default"', '"dach"').replace("[events]", 'segment.country = "DE"\n[events]', 1),
        "dach.toml",
    )
    for models in ([default_model()], [segmented, default_model()]):
        found = people_as_of(conn, models, as_of=NOW, known_at=NOW)
        assert found["p1"].total == 37_500
        assert found["p1"].model == "b2b-default"
