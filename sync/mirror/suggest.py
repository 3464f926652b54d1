"""Points that the past would give: what those who won had more often than the others, rule by rule.

Every candidate is a rule of the model's own language and is counted by the same SQL that scores. The
moments lie a horizon apart, so every outcome is seen once. Points are ten for each doubling of the odds,
in steps of five. Each rule is judged alone: two that say the same count twice, so of alternatives for one
fact or one event only the one that tells most is kept.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from sqlalchemy import case, func, select

from scoring.model import (
    ENGAGEMENT,
    FIT,
    POINT,
    STAGES,
    Axis,
    Comparison,
    ConditionValue,
    Group,
    Minimums,
    Model,
    Qualification,
    Rule,
)
from scoring.operators import sentence
from scoring.titles import LEVELS
from sync.mirror.catalog import PERSON
from sync.mirror.engine import Connection
from sync.mirror.leaks import Leak, leaks
from sync.mirror.past import AT_RISK, Watched, apart, fill_at_risk, outcomes, past_program
from sync.mirror.programs import run_program, temporary

MOST_RULES: Final = 15
STEP: Final = 5
PER_DOUBLING: Final = 10
MOST_POINTS: Final = 50
SURE: Final = 2.576
LIKELY: Final = 1.96
"""Standard deviations: one in a hundred, or in twenty, says as much by chance."""

SIZES: Final = ((1, 10), (11, 50), (51, 250), (251, 1000), (1001, 5000), (5001, 10_000_000))
FACTS: Final = ("industry", "country", "lead_source")
VALUES: Final = 10
"""The commonest values of a fact that are looked at."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rule, and what it is an alternative for ("": for nothing)."""

    rule: Rule
    family: str
    toml: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A rule worth having. `people` had it, `won` of them; odds as a ratio, with its 95 % interval;
    `deviations`: how many standard deviations they are away from even."""

    id: str
    axis: str
    points: int
    people: int
    won: int
    odds: float
    low: float
    high: float
    deviations: float
    confidence: str
    words: str
    toml: str

    def to_json(self) -> dict[str, Any]:
        """One entry of `rules`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Suggested:
    """The rules, strongest first; `leaks`: fields that were left out."""

    people: int
    won: int
    rules: tuple[Suggestion, ...]
    leaks: tuple[Leak, ...]


def suggest(conn: Connection, model: Model, watched: Watched, now: int, moments: int) -> Suggested:
    """At most 15 rules, from what people had at past moments and what came within the horizon."""
    leaking = tuple(leaks(conn, model))
    left_out = {leak.field for leak in leaking}
    candidates = [*_fit(conn, left_out), *_engagement(model, watched.horizon)]
    people = won = 0
    had: Counter[str] = Counter()
    had_won: Counter[str] = Counter()
    with outcomes(conn, watched.label):
        program = past_program(_counting(model, candidates))
        for at in apart(now, watched.horizon, moments):
            there, came = fill_at_risk(conn, at, watched.horizon)
            people, won = people + there, won + came
            with temporary(conn, program.tables):
                run_program(conn, program, as_of=at, known_at=now)
                hit = program.hits.subquery().c
                query = (
                    select(hit.rule, func.count(), func.sum(case((AT_RISK.c.won.is_(True), 1), else_=0)))
                    .join(AT_RISK, AT_RISK.c.person_id == hit.person_id)
                    .group_by(hit.rule)
                )
                for rule, count, won_by in conn.execute(query):
                    had[rule] += count
                    had_won[rule] += int(won_by)
    found = [
        (one.family, weighed)
        for one in candidates
        if (weighed := weigh(one, had[one.rule.id], had_won[one.rule.id], people, won)) is not None
    ]
    return Suggested(people, won, tuple(_best(found)), leaking)


def weigh(candidate: Candidate, people: int, won: int, all_people: int, all_won: int) -> Suggestion | None:
    """The odds of those who had it against those who had not; None when chance may explain it.

    Half a person is added to each of the four counts, so that nothing is infinite.
    """
    cells = (won, people - won, all_won - won, all_people - people - (all_won - won))
    yes_won, yes_lost, no_won, no_lost = (count + 0.5 for count in cells)
    odds = math.log(yes_won * no_lost / (yes_lost * no_won))
    deviation = math.sqrt(1 / yes_won + 1 / yes_lost + 1 / no_won + 1 / no_lost)
    points = STEP * math.floor(PER_DOUBLING * odds / math.log(2) / STEP + 0.5)
    points = max(-MOST_POINTS, min(MOST_POINTS, points))
    if not points or abs(odds) < LIKELY * deviation:
        return None
    rule = candidate.rule
    low, middle, high = (round(math.exp(odds + n * LIKELY * deviation), 2) for n in (-1, 0, 1))
    return Suggestion(
        id=rule.id,
        axis=rule.axis,
        points=points,
        people=people,
        won=won,
        odds=middle,
        low=low,
        high=high,
        deviations=round(odds / deviation, 2),
        confidence="high" if abs(odds) >= SURE * deviation else "fair",
        words=sentence(rule.when) if rule.when else f"{rule.event}, {rule.at_least} or more",
        toml=candidate.toml.format(points=points),
    )


def _best(found: list[tuple[str, Suggestion]]) -> list[Suggestion]:
    """The strongest of each family, the strongest of those."""
    ranked = sorted(found, key=lambda one: (-abs(one[1].deviations), one[1].id))
    kept: list[Suggestion] = []
    taken: set[str] = set()
    for family, one in ranked:
        if family not in taken or not family:
            taken.add(family)
            kept.append(one)
    return kept[:MOST_RULES]


def _fit(conn: Connection, left_out: set[str]) -> Iterator[Candidate]:
    if "job_title" not in left_out:
        for level in LEVELS:
            yield _fact(f"{level}_or_higher", "job_title", "seniority_at_least", level, "job_title")
    if "company_size" not in left_out:
        for low, high in SIZES:
            yield _fact(f"size_{low}_{high}", "company_size", "between", (low, high))
    for name in (name for name in FACTS if name not in left_out):
        column = PERSON.c[name]
        query = select(column).where(column.is_not(None), column != "").group_by(column)
        common = conn.execute(query.order_by(func.count().desc(), column).limit(VALUES)).scalars()
        for number, value in enumerate(common, 1):
            yield _fact(f"{name}_{number}", name, "equals", value)
    yield _fact("free_mail", "email_domain", "in_list", "free_mail_domains")


def _fact(name: str, fact: str, operator: str, value: ConditionValue, family: str = "") -> Candidate:
    rule = Rule(name, FIT, POINT, when=Comparison(fact, operator, value))
    written = _toml(list(value) if isinstance(value, tuple) else value)
    condition = f"{{{{ {fact} = {{{{ {operator} = {written} }}}} }}}}"
    return Candidate(rule, family, f'{{{{ id = "{name}", points = {{points}}, when = {condition} }}}}')


def _toml(value: Any) -> str:
    """A value as TOML, safe for `str.format`."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        escaped = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped)
        value = f'"{escaped}"'
    return str(value).replace("{", "{{").replace("}", "}}")


def _engagement(model: Model, horizon: int) -> Iterator[Candidate]:
    for event in model.events:
        for at_least in (1, 3):
            name = f"{event.name}_{at_least}"
            rule = Rule(name, ENGAGEMENT, POINT, event=event.name, at_least=at_least, within=horizon)
            often = f"at_least = {at_least}, " if at_least > 1 else 'count = "once", '
            text = f'event = "{event.name}", {often}within = "{horizon // 3600}h"'
            toml = f'{{{{ id = "{name}", points = {{points}}, {text} }}}}'
            yield Candidate(rule, f"event {event.name}", toml)


def _counting(model: Model, candidates: list[Candidate]) -> Model:
    """A model whose every rule is a candidate worth a point: its hits are the people who have it."""
    rules: dict[str, list[Rule]] = {FIT: [], ENGAGEMENT: []}
    for one in candidates:
        rules[one.rule.axis].append(one.rule)
    fit, engagement = (Axis(name, (Group(None, tuple(rules[name])),)) for name in (FIT, ENGAGEMENT))
    return replace(
        model,
        fit=fit,
        engagement=engagement,
        suppress=(),
        segment=None,
        account=None,
        applies_to=STAGES,
        mql=Qualification(enter=Minimums()),
    )
