"""The awkward histories, one test each; both the SQL and the oracle must give the same answer."""

from __future__ import annotations

from typing import Any

import pytest

from scoring.compile import compile_model
from scoring.compile.accounts import select_accounts
from scoring.domains import is_student
from scoring.evaluate import Evaluation, account_points
from scoring.load import load_model
from scoring.model import Model
from sync.mirror import catalog
from sync.mirror.programs import run_program, temporary
from tests.scoring.conftest import Databases
from tests.scoring.subject import (
    DAY,
    DEFAULT,
    NOW,
    assert_same,
    by_oracle,
    by_sql,
    default_model,
    engagement,
    person,
)

FIT: dict[str, Any] = {
    "seniority": 7,
    "company_size": 100,
    "company": "ACME",
    "email": "a@acme.test",
    "email_domain": "acme.test",
}


class Scoring:
    """Scores one person by SQL and by the oracle, which agree; on one of the databases."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    def __call__(
        self,
        *engagements: dict[str, Any],
        model: Model | None = None,
        as_of: int = NOW,
        known_at: int = NOW,
        **facts: Any,
    ) -> Evaluation:
        model = model or default_model()
        people = [person(**facts)]
        expected = by_oracle(model, people, engagements, as_of=as_of, known_at=known_at)
        with self._databases() as conn:
            assert_same(by_sql(conn, model, people, engagements, as_of=as_of, known_at=known_at), expected)
        return expected["p1"]


@pytest.fixture
def scored(databases: Databases) -> Scoring:
    return Scoring(databases)


def points(evaluation: Evaluation) -> dict[str, float]:
    return {hit.rule: hit.points / 1000 for hit in evaluation.hits}


def changed(old: str, new: str) -> Model:
    assert old in DEFAULT
    return load_model(DEFAULT.replace(old, new, 1), "changed.toml")


def test_the_articles_table_each_once(scored: Scoring) -> None:
    found = scored(
        engagement("demo_requested", NOW),
        engagement("trial_started", NOW),
        *(engagement("page_view", NOW - n * DAY, asset="https://a.b/pricing?x=1") for n in range(3)),
        engagement("content_downloaded", NOW, asset="ACME case study"),
        engagement("webinar_attended", NOW),
        engagement("subscribed", NOW, asset="Newsletter"),
        **FIT,
    )
    assert points(found) == {
        "director_or_higher": 15,
        "size_50_250": 10,
        "demo_request": 25,
        "pricing_3plus": 15,
        "trial_started": 30,
        "case_study": 10,
        "webinar": 10,
        "newsletter": 5,
    }
    assert (found.total, found.grade, found.over_enter) == (120_000, "A1", True)


def test_an_intern_with_ten_case_studies_is_no_mql(scored: Scoring) -> None:
    studies = [engagement("content_downloaded", NOW, asset=f"case study {n}") for n in range(10)]
    found = scored(*studies, engagement("demo_requested", NOW), seniority=1, company="x", email="i@x.test")
    assert points(found) == {"case_study": 20, "demo_request": 25}
    assert not found.over_enter
    assert found.fast_track is None


def test_a_ceo_who_looked_once_is_no_mql(scored: Scoring) -> None:
    found = scored(engagement("page_view", NOW, asset="https://a.b/"), **FIT)
    assert (found.total, found.grade, found.over_enter) == (25_000, "A4", False)


def test_late_arrival_is_scored_by_when_it_happened(scored: Scoring) -> None:
    late = engagement("demo_requested", NOW - 60 * DAY, first_seen=NOW - 5)
    assert points(scored(late)) == {"demo_request": 12.5}
    assert points(scored(late, known_at=NOW - 6)) == {}


def test_a_deleted_engagement_is_gone(scored: Scoring) -> None:
    assert scored(engagement("demo_requested", NOW, deleted=True)).total == 0


def test_the_same_event_from_both_crms_is_one(scored: Scoring) -> None:
    found = scored(
        engagement("demo_requested", NOW - 3600, crm="hubspot"),
        engagement("form_submitted", NOW - 60, crm="salesforce", asset="Book a DEMO"),
    )
    (hit,) = found.hits
    assert (hit.count, hit.first_at, hit.sources) == (1, NOW - 3600, ("hubspot", "salesforce"))


def test_a_burst_of_reloads_is_one_visit(scored: Scoring) -> None:
    reloads = [engagement("page_view", NOW - 7200 + n * 60, asset="https://a.b/pricing") for n in range(100)]
    assert points(scored(*reloads)) == {}
    more = [engagement("page_view", NOW - n * DAY, asset="https://a.b/pricing") for n in (1, 2)]
    assert points(scored(*reloads, *more)) == {"pricing_3plus": 15}


def test_a_chain_ends_exactly_at_the_gap(scored: Scoring) -> None:
    model = changed("at_least = 3", "at_least = 2")
    for gap, expected in ((1799, {}), (1800, {"pricing_3plus": 15})):
        visits = [engagement("page_view", NOW - DAY + n * gap, asset="/pricing") for n in range(2)]
        assert points(scored(*visits, model=model)) == expected


def test_the_same_case_study_twice_within_the_hour_counts_once_another_one_too(scored: Scoring) -> None:
    urls = ("https://a.b/case-study/x?utm=1", "http://A.B/case-study/x/", "https://a.b/case-study/y")
    found = scored(*(engagement("content_downloaded", NOW - n, asset=url) for n, url in enumerate(urls)))
    assert found.hits[0].count == 2


def test_future_dates_wait(scored: Scoring) -> None:
    future = engagement("demo_requested", NOW + 1, first_seen=NOW)
    assert scored(future).total == 0
    assert scored(future, as_of=NOW + 1, known_at=NOW + 1).total == 25_000


def test_a_missing_time_is_never_scored(scored: Scoring) -> None:
    assert scored(engagement("demo_requested", None)).total == 0


def test_windows_are_half_open(scored: Scoring) -> None:
    for at, expected in ((NOW - 90 * DAY, 0), (NOW - 90 * DAY + 1, -20_000)):
        assert scored(engagement("page_view", at, asset="/careers")).total == expected


def test_days_are_seconds_whatever_the_local_clock_does(scored: Scoring) -> None:
    """Thirty blocks of 24 h lie across the European and American changes to summer time."""
    march = 1_773_000_000  # 2026-03-08T20:00:00Z
    webinar = engagement("webinar_attended", march)
    for after, expected in ((30 * DAY - 1, 10_000), (30 * DAY, 7_500)):
        assert scored(webinar, as_of=march + after, known_at=march + after).total == expected


def test_exactly_on_the_threshold_is_enough(scored: Scoring) -> None:
    enter = "enter = { total = 100, fit = 15, engagement = 40 }"
    for fit, reached in ((25, True), (26, False)):
        model = changed(enter, f"enter = {{ total = 80, fit = {fit}, engagement = -9 }}")
        demo, trial = engagement("demo_requested", NOW), engagement("trial_started", NOW)
        found = scored(demo, trial, model=model, **FIT)
        assert (found.total, found.fit) == (80_000, 25_000)
        assert found.over_enter is reached
        assert not found.under_leave


@pytest.mark.parametrize("missing", [None, ""])
def test_a_missing_fact_does_not_match_unless_the_rule_says_so(scored: Scoring, missing: str | None) -> None:
    rule = "points = 10, when = { company_size = { between = [50, 250] } }"
    known = "points = 10, when = { country = { in = ['DE'] } }"
    unknown = "points = 10, or_unknown = true, when = { country = { in = ['DE'] } }"
    assert scored(model=changed(rule, known), country=missing).total == 0
    assert scored(model=changed(rule, unknown), country=missing).total == 10_000
    assert scored(model=changed(rule, unknown), country="FR").total == 0


def test_mail_opened_by_a_scanner_is_nothing(scored: Scoring) -> None:
    model = changed('kind = "webinar_attended"', 'kind = "email_opened"')
    assert scored(engagement("email_opened", NOW, is_bot=True), model=model).total == 0
    assert scored(engagement("email_opened", NOW), model=model).total == 10_000


def test_unsubscribed_then_subscribed_again(scored: Scoring) -> None:
    gone = engagement("unsubscribed", NOW - 10)
    assert points(scored(gone)) == {"unsubscribed": -25}
    assert points(scored(gone, engagement("subscribed", NOW - 11))) == {"unsubscribed": -25}
    assert points(scored(gone, engagement("subscribed", NOW - 10))) == {"unsubscribed": -25}
    assert points(scored(gone, engagement("subscribed", NOW - 9))) == {}
    again = engagement("unsubscribed", NOW - 8)
    assert points(scored(gone, engagement("subscribed", NOW - 9), again)) == {"unsubscribed": -25}


def test_someone_unsubscribed_who_asks_for_a_demo_qualifies(scored: Scoring) -> None:
    found = scored(engagement("unsubscribed", NOW), engagement("demo_requested", NOW), **FIT)
    assert (found.fast_track, found.eligible) == ("demo", True)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"email_domain": "x.edu", "student_domain": True}, "student"),
        ({"email_domain": "Rival.TEST"}, "competitor"),
        ({"crm_stage": "customer"}, "customer"),
        ({}, None),
    ],
)
def test_suppressed_people_are_scored_and_never_enter(
    scored: Scoring, facts: dict[str, Any], reason: str | None
) -> None:
    model = load_model(DEFAULT, "scoring.toml", {"competitors": ["rival.test"]})
    found = scored(engagement("demo_requested", NOW), model=model, **{**FIT, **facts})
    assert found.suppressed == reason
    assert found.eligible is (reason is None)
    assert found.fit == (-25_000 if reason == "student" else 25_000)


@pytest.mark.parametrize(
    ("facts", "eligible"),
    [
        ({}, True),
        ({"company": ""}, False),
        ({"email": None}, False),
        ({"ambiguous": True}, False),
        ({"crm_stage": "recycled"}, True),
        ({"crm_stage": "sql"}, False),
        ({"crm_stage": "disqualified"}, False),
    ],
)
def test_who_may_enter(scored: Scoring, facts: dict[str, Any], eligible: bool) -> None:
    found = scored(engagement("demo_requested", NOW), **{**FIT, **facts})
    assert found.eligible is eligible
    assert found.total == 50_000


def test_limits_are_parts_of_their_own(scored: Scoring) -> None:
    model = changed("limit = [0, 70]", "limit = [0, 20]")
    found = scored(engagement("demo_requested", NOW), engagement("trial_started", NOW), model=model)
    assert points(found) == {"demo_request": 25, "trial_started": 30, "limit:high_intent": -35}
    model = changed("limit = [-100, 50]", "limit = [-10, 50]")
    found = scored(model=model, student_domain=True, email_domain="x.edu")
    assert points(found) == {"student_email": -50, "limit:fit": 40}


def test_nothing_is_clamped_at_zero_before_the_axes_are_added(scored: Scoring) -> None:
    found = scored(engagement("unsubscribed", NOW), **FIT)
    assert (found.total, found.engagement) == (0, -25_000)


def test_bands_give_the_first_that_holds(scored: Scoring) -> None:
    bands = "bands = [{ at_least = 3, within = '7d', points = 20 }, { at_least = 2, points = 5 }]"
    model = changed(
        'points = 15, event = "pricing_visit", at_least = 3, within = "30d"',
        f'event = "pricing_visit", {bands}',
    )

    def visits(*days: int) -> list[dict[str, Any]]:
        return [engagement("page_view", NOW - day * DAY, asset="/pricing") for day in days]

    assert points(scored(*visits(1, 2, 3), model=model)) == {"pricing_3plus": 20}
    assert points(scored(*visits(1, 2, 7), model=model)) == {"pricing_3plus": 5}
    assert points(scored(*visits(1), model=model)) == {}


def test_a_person_nobody_has_heard_of(scored: Scoring) -> None:
    found = scored()
    assert (found.total, found.grade, found.hits) == (0, "C4", ())


ACCOUNT = DEFAULT.replace("[events]", '[account]\nby = "{}"\nsum_top = 2\n\n[events]', 1)


@pytest.mark.parametrize("by", ["company", "email_domain"])
def test_an_account_is_the_sum_of_its_most_engaged_people(databases: Databases, by: str) -> None:
    model = load_model(ACCOUNT.replace("{}", by), "account.toml")
    people = [
        person("p1", company="ACME", email_domain="acme.test"),
        person("p2", company="acme", email_domain="ACME.test"),
        person("p3", company="Acme", email_domain="acme.test"),
        person("p4", company="Other", email_domain="other.test"),
        person("p5", company="", email_domain="gmail.com", free_mail=True),
        person("p6", company=None, email_domain=None),
    ]
    engagements = [
        engagement("demo_requested", NOW, "p1"),
        engagement("trial_started", NOW, "p2"),
        engagement("webinar_attended", NOW, "p3"),
        engagement("unsubscribed", NOW, "p4"),
        engagement("demo_requested", NOW, "p5"),
    ]
    scores = by_oracle(model, people, engagements)
    expected = account_points(model, ((row, scores[row["person_id"]].engagement) for row in people))
    names = ("acme", "other") if by == "company" else ("acme.test", "other.test")
    assert expected == {names[0]: 55_000, names[1]: 0}
    with databases() as conn:
        by_sql(conn, model, people, engagements)
        program = compile_model(model, catalog.people(), catalog.engagements())
        with temporary(conn, program.tables):
            run_program(conn, program, as_of=NOW, known_at=NOW)
            assert model.account is not None
            found = conn.execute(select_accounts(model.account, catalog.people(), program.decision)).all()
    assert {row.account: row.points for row in found} == expected
    assert {row.account: row.people for row in found} == {names[0]: 3, names[1]: 1}


@pytest.mark.parametrize("name", ["employees", "partners", "competitors", "customers"])
def test_employees_partners_and_competitors_come_from_lists_whatever_their_case(
    scored: Scoring, name: str
) -> None:
    text = DEFAULT.replace('"competitors"', f'"{name}"')
    model = load_model(text, "lists.toml", {name: [" Friends.TEST ", ""]})
    for domain, reason in (("friends.test", "competitor"), ("foes.test", None)):
        assert scored(model=model, **{**FIT, "email_domain": domain}).suppressed == reason


def test_staff_of_a_university_hospital_are_no_students(scored: Scoring) -> None:
    for domain, fit in (("med.cornell.edu", 0), ("cornell.edu", -50_000)):
        facts = {"email_domain": domain, "student_domain": is_student(domain)}
        assert scored(**facts).fit == fit
