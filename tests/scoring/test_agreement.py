"""Random models over random histories: the SQL and the Python oracle say the same, to the thousandth."""

from __future__ import annotations

import os
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.evaluate import Evaluation, evaluate
from scoring.load import load_model
from scoring.model import Model
from tests.scoring.conftest import Databases
from tests.scoring.subject import (
    DAY,
    DEFAULT,
    FIELDS,
    NOW,
    assert_same,
    by_oracle,
    by_sql,
    database,
    default_model,
    engagement,
    person,
)

KINDS = (
    "demo_requested",
    "form_submitted",
    "trial_started",
    "page_view",
    "content_downloaded",
    "webinar_attended",
    "subscribed",
    "unsubscribed",
    "meeting",
)
ASSETS = (
    None,
    "",
    "https://acme.test/PRICING?a=1",
    "https://acme.test/pricing/",
    "/careers",
    "Demo form",
    "Case Study A",
    "case  study b",
    "https://acme.test/case-study/x",
    "Newsletter",
    "100%_off",
)
PEOPLE = ("p1", "p2", "p3")

times = st.one_of(
    st.integers(NOW - 200 * DAY, NOW + 2 * DAY),
    st.sampled_from([1800, 86400, 3600, 30 * DAY, 60 * DAY, 90 * DAY]).flatmap(
        lambda edge: st.sampled_from([NOW - edge - 1, NOW - edge, NOW - edge + 1])
    ),
    st.none(),
)


@st.composite
def engagements(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Bursts of the same thing, from both CRMs, some of it gone, late, in the future or by a machine."""
    found: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 8))):
        at, kind, asset = draw(times), draw(st.sampled_from(KINDS)), draw(st.sampled_from(ASSETS))
        who = draw(st.sampled_from(PEOPLE))
        for _ in range(draw(st.integers(1, 5))):
            found.append(
                engagement(
                    kind,
                    at,
                    who,
                    asset=asset,
                    crm=draw(st.sampled_from(["hubspot", "salesforce"])),
                    is_bot=draw(st.integers(0, 9)) == 0,
                    deleted=draw(st.integers(0, 9)) == 0,
                    first_seen=draw(st.sampled_from([NOW - 300 * DAY, NOW, NOW + 1])),
                )
            )
            at = None if at is None else at + draw(st.sampled_from([0, 1, 1799, 1800, 1801, 3600, DAY]))
    return found


@st.composite
def people(draw: st.DrawFn) -> list[dict[str, Any]]:
    """People with facts that may be missing or empty."""
    text = st.sampled_from([None, "", "acme.test", "ACME.test", "x_y%", "Äcme", "DE"])
    return [
        person(
            who,
            email=draw(text),
            email_domain=draw(text),
            company=draw(text),
            country=draw(text),
            industry=draw(text),
            company_size=draw(st.sampled_from([None, 0, 49, 50, 250, 251])),
            job_title=draw(text),
            seniority=draw(st.sampled_from([None, 1, 5, 6, 9])),
            student_domain=draw(st.booleans()),
            ambiguous=draw(st.integers(0, 5)) == 0,
            fields=draw(st.sampled_from(["{}", '{"tier": "Gold"}', '{"tier": null}', '{"tier": ""}'])),
            crm_stage=draw(st.sampled_from(["subscriber", "lead", "customer", "recycled", "sql"])),
        )
        for who in PEOPLE
    ]


steps = st.tuples(st.sampled_from([0.5, 7, 25, 33.333, 100]), st.integers(1, 900))
decays = st.one_of(
    st.none(),
    st.integers(1, 3000).map('{{ half_life = "{}h" }}'.format),
    st.integers(1, 3000).map('{{ life = "{}h" }}'.format),
    steps.map(lambda step: f'{{ step = "{step[0]}%", every = "{step[1]}h" }}'),
)
points = st.integers(-40, 60).filter(bool)
windows = st.one_of(st.none(), st.sampled_from(["30m", "24h", "30d", "90d", "200d"]))
EVENTS = ("demo", "visit", "study", "any_page", "off", "on")
COMPARISONS = (
    'country = "de"',
    'country = { in = ["DE", "ÄCME"] }',
    'country = { in = ["acme.test"], or_unknown = true }',
    "company_size = { between = [50, 250] }",
    "company_size = { at_least = 50, at_most = 50 }",
    "company_size = { at_most = 49, or_unknown = true }",
    "company_size = { in = [0, 250] }",
    'company = { contains = "_y%" }',
    'company = { starts_with = "acm" }',
    'company = { ends_with = "TEST" }',
    "company = { is_set = true }",
    "company = { is_empty = true }",
    'job_title = { seniority_at_least = "director" }',
    'job_title = { seniority_at_least = "manager", or_unknown = true }',
    'email_domain = { in_list = "student_domains" }',
    'email_domain = { in_list = "competitors" }',
    'fields.tier = "gold"',
    "fields.tier = { is_empty = true }",
    'stage = { in = ["customer", "recycled"] }',
)
EVENT_TEXT = """
demo.any_of = [{ kind = "demo_requested" }, { kind = "form_submitted", asset = "*demo*" }]
demo.same_if_within = "24h"
visit = { kind = "page_view", asset = "*/pric?ng*", same_if_within = "30m" }
study = { kind = "content_downloaded", asset = "*case*study*", same_if_within = "1h", distinct_by = "asset" }
any_page = { kind = "page_view" }
off = { kind = "unsubscribed", same_if_within = "2h" }
on = { kind = "subscribed", asset = "*" }
"""


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    """The inside of a `when` table."""
    shape = draw(st.sampled_from(["one", "one", "two", "any", "not", "all"])) if depth else "one"
    if shape == "one":
        return draw(st.sampled_from(COMPARISONS))
    inner = draw(conditions(depth - 1))
    other = draw(conditions(depth - 1))
    return {
        "two": f"all = [{{ {inner} }}], any = [{{ {other} }}]",
        "any": f"any = [{{ {inner} }}, {{ {other} }}]",
        "all": f"all = [{{ {inner} }}, {{ {other} }}]",
        "not": f"not = {{ {inner} }}",
    }[shape]


@st.composite
def event_rules(draw: st.DrawFn, number: int) -> str:
    """One rule of the engagement axis."""
    event, given_points = draw(st.sampled_from(EVENTS)), draw(points)
    parts = [f'id = "r{number}"', f'event = "{event}"']
    mode = draw(st.sampled_from(["once", "each", "at_least", "bands"]))
    if mode == "bands":
        bands = [
            f"{{ at_least = {draw(st.integers(1, 4))}, points = {draw(points)}"
            + (f', within = "{window}" }}' if (window := draw(windows)) else " }")
            for _ in range(draw(st.integers(1, 3)))
        ]
        parts.append(f"bands = [{', '.join(bands)}]")
    else:
        parts.append(f"points = {given_points}")
        if (window := draw(windows)) is not None:
            parts.append(f'within = "{window}"')
        if (decay := draw(decays)) is not None:
            parts.append(f"decay = {decay}")
        if mode == "at_least":
            parts.append(f"at_least = {draw(st.integers(1, 4))}")
        if mode == "each":
            parts.append('count = "each"')
            if draw(st.booleans()):
                parts.append(f"max_points = {2 * given_points}")
    if (until := draw(st.sampled_from([None, None, "off", "on"]))) and until != event:
        parts.append(f'until = "{until}"')
    if draw(st.integers(0, 3)) == 0:
        parts.append(f"when = {{ {draw(conditions())} }}")
    return f"  {{ {', '.join(parts)} }},"


@st.composite
def model_texts(draw: st.DrawFn) -> str:
    """A whole model file."""
    fit = [
        f'  {{ id = "f{n}", points = {draw(points)}, when = {{ {draw(conditions())} }} }},'
        for n in range(draw(st.integers(0, 3)))
    ]
    groups, number = [], 0
    for name in ("one", "two"):
        rules = []
        for _ in range(draw(st.integers(1, 3))):
            number += 1
            rules.append(draw(event_rules(number)))
        limit = draw(st.sampled_from(["", "limit = [0, 30]", "limit = [-20, 0]", "limit = [-10, 10]"]))
        groups.append(f"[engagement.groups.{name}]\n{limit}\nrules = [\n{chr(10).join(rules)}\n]\n")
    track = f'{{ id = "t", event = "{draw(st.sampled_from(EVENTS))}", fit = {draw(st.integers(-20, 20))} }}'
    return "\n".join(
        [
            'name = "drawn"\nversion = 1\nstatus = "live"\napplies_to = ["lead", "recycled"]',
            f"segment = {{ {draw(conditions())} }}" if draw(st.booleans()) else "",
            f"[events]{EVENT_TEXT}",
            "[fit]\nlimit = [-30, 20]\nrules = [\n" + "\n".join(fit) + "\n]",
            "[engagement]\nlimit = [-50, 60]\n",
            *groups,
            f'[[suppress]]\nreason = "s"\nwhen = {{ {draw(conditions())} }}',
            "[grade]\nfit = { A = 15, B = 0 }\nengagement = { 1 = 30, 2 = 10 }",
            "[mql]\nenter = { total = 20, fit = 0, engagement = 10 }",
            f'fast_track = [{track}]\nrequire_fields = ["company"]\nleave = {{ total = 15, after = "7d" }}',
            'recycle = { cooldown = "3d", needs_new = "one" }',
        ]
    )


EXAMPLES = int(os.environ.get("SCORE_EXAMPLES", "15"))
FEW = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(who=people(), what=engagements(), order=st.randoms(use_true_random=False))
def test_the_default_model(databases: Databases, who: Any, what: Any, order: random.Random) -> None:
    model = default_model()
    expected = by_oracle(model, who, what)
    order.shuffle(who)
    order.shuffle(what)
    with databases() as conn:
        assert_same(by_sql(conn, model, who, what), expected)


@FEW
@given(text=model_texts(), who=people(), what=engagements(), order=st.randoms(use_true_random=False))
def test_drawn_models(databases: Databases, text: str, who: Any, what: Any, order: random.Random) -> None:
    model = load_model(text, "drawn.toml", {"competitors": ["ACME.TEST"]})
    expected = by_oracle(model, who, what)
    order.shuffle(what)
    assert by_oracle(model, who, what) == expected
    with databases() as conn:
        assert_same(by_sql(conn, model, who, what), expected)


@FEW
@given(text=model_texts(), who=people(), what=engagements())
def test_nothing_that_matters_changes_before_a_person_is_due(
    databases: Databases, text: str, who: Any, what: Any
) -> None:
    """Between two looks neither grade nor decision changes, and no score by more than a point."""
    for row in what:
        row["first_seen"] = NOW - 300 * DAY
    for model in (load_model(text, "drawn.toml"), load_model(DEFAULT, "scoring.toml")):
        with databases() as conn:
            scored = by_sql(conn, model, who, what)
        for row in who:
            due = scored[row["person_id"]].row["due_at"]
            mine = [e for e in what if e["person_id"] == row["person_id"]]
            now = _at(model, row, mine, NOW)
            last = NOW + 400 * DAY if due is None else due - 1
            for moment in (last, (NOW + last) // 2, NOW + 1):
                if NOW < moment <= last:
                    then = _at(model, row, mine, moment)
                    assert _steady(then) == _steady(now)
                    assert abs(then.total - now.total) <= 1_010


def test_rounding_does_not_carry_a_score_over_a_line_before_the_person_is_due() -> None:
    """116 thousandths above a line, of which rounding alone may take one."""
    what = [
        engagement("demo_requested", NOW - 6_842_981, "p1", first_seen=0),
        engagement("demo_requested", NOW - 6_756_581, "p1", first_seen=0),
        engagement("trial_started", NOW - 3_601, "p1", first_seen=0),
    ]
    who = person("p1", company="ACME")
    with database() as conn:
        due = by_sql(conn, default_model(), [who], what)["p1"].row["due_at"]
    assert [_at(default_model(), who, what, moment).grade for moment in (NOW, due - 1)] == ["C2", "C2"]


def _at(model: Model, row: dict[str, Any], mine: list[dict[str, Any]], moment: int) -> Evaluation:
    read = {**row, "stage_read": row["crm_stage"]}
    return evaluate(model, read, mine, as_of=moment, known_at=moment)


def _steady(evaluation: Evaluation) -> tuple[Any, ...]:
    """What must not change; `renewed_at` goes when the last thousandth does, and only matters when due."""
    changing = ("total", "fit", "engagement", "renewed_at")
    return tuple(getattr(evaluation, name) for name in FIELDS if name not in changing)
