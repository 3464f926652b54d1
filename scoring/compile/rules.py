"""One rule → the select of its hits, in the order of the columns of HIT.

The arithmetic here is the pinned one, number for number the same as `scoring.decay` does in Python.
`edge` is the next moment at which the points jump (a window ends, a step is due), `rate` an upper bound
of how fast they drift, in thousandths a second.
"""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    FromClause,
    Select,
    Table,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.sql.selectable import Subquery

from scoring.compile.tables import all_sources, as_of, integer
from scoring.decay import EXPONENT_CAP, WHOLE
from scoring.model import Decay, HalfLife, LinearDecay, Rule, StepDecay
from scoring.operators import Lists, condition_sql


def fit_hits(rule: Rule, part: int, people: FromClause, lists: Lists) -> Select[Any]:
    """Everybody whom the rule's condition holds for."""
    condition = condition_sql(rule.when, people, lists) if rule.when is not None else literal(True)
    nothing = null().cast(BigInteger)
    return select(
        people.c.person_id,
        literal(rule.id),
        integer(part),
        integer(rule.points),
        integer(1),
        nothing,
        nothing,
        integer(0),
        nothing,
        integer(0),
        literal(0.0, Float(53)),
    ).where(condition)


def event_hits(
    rule: Rule,
    part: int,
    events: Table,
    until: Table | None,
    who: Select[Any] | None,
) -> Select[Any]:
    """Everybody whose events give the rule points. `who`: the people that its `when` holds for."""
    sums = (_band_sums if rule.bands else _sums)(rule, events, who)
    source: FromClause = sums
    conditions: list[ColumnElement[bool]] = [sums.c.points != 0]
    if until is not None:
        ends = (
            select(until.c.person_id, func.max(until.c.at).label("at")).group_by(until.c.person_id).subquery()
        )
        source = sums.outerjoin(ends, ends.c.person_id == sums.c.person_id)
        conditions.append(or_(ends.c.at.is_(None), ends.c.at <= sums.c.last_hit))
    return (
        select(
            sums.c.person_id,
            literal(rule.id),
            integer(part),
            sums.c.points,
            sums.c.count,
            sums.c.first_at,
            sums.c.last_at,
            sums.c.source,
            sums.c.edge_at,
            sums.c.rounded,
            sums.c.rate,
        )
        .select_from(source)
        .where(*conditions)
    )


def _sums(rule: Rule, events: Table, who: Select[Any] | None) -> Subquery:
    """Per person: the points of a rule without bands, before `until`."""
    row = events.c
    at = func.max(row.at) if rule.count == "once" else row.at
    value = decayed(rule.points, rule.decay, as_of() - at)
    points = value if rule.count == "once" else _capped(func.sum(value), rule.max_points)
    drift = func.abs(value) if rule.count == "once" else func.sum(func.abs(value))
    jump = _next_jump(rule.decay, at)
    edges = [] if jump is None else [jump if rule.count == "once" else func.min(jump)]
    if rule.within is not None:
        edges.append(func.min(row.at) + integer(rule.within))
    selected = select(
        row.person_id,
        cast(points, BigInteger).label("points"),
        func.count().label("count"),
        func.min(row.at).label("first_at"),
        func.max(row.at).label("last_at"),
        func.max(row.last_at).label("last_hit"),
        all_sources(row.source).label("source"),
        _first(edges).label("edge_at"),
        _rounded(rule).label("rounded"),
        _rate(rule, drift).label("rate"),
    ).group_by(row.person_id)
    if rule.within is not None:
        selected = selected.where(row.at > as_of() - integer(rule.within))
    if who is not None:
        selected = selected.where(row.person_id.in_(who))
    return selected.having(func.count() >= rule.at_least).subquery()


def _band_sums(rule: Rule, events: Table, who: Select[Any] | None) -> Subquery:
    """Per person: the first band that holds, with the events of its window."""
    row = events.c
    inside = [
        literal(True) if band.within is None else row.at > as_of() - integer(band.within)
        for band in rule.bands
    ]
    counts = [func.count(case((window, 1))) for window in inside]
    holds = [count >= band.at_least for count, band in zip(counts, rule.bands, strict=True)]
    firsts = [func.min(case((window, row.at))) for window in inside]
    edges = [
        first + integer(band.within)
        for first, band in zip(firsts, rule.bands, strict=True)
        if band.within is not None
    ]
    sources = [all_sources(case((window, row.source), else_=integer(0))) for window in inside]

    def chosen(values: list[Any]) -> ColumnElement[Any]:
        return case(*zip(holds, values, strict=True), else_=integer(0))

    selected = select(
        row.person_id,
        chosen([integer(band.points) for band in rule.bands]).label("points"),
        chosen(counts).label("count"),
        chosen(firsts).label("first_at"),
        func.max(row.at).label("last_at"),
        func.max(row.last_at).label("last_hit"),
        chosen(sources).label("source"),
        _first(edges).label("edge_at"),
        integer(0).label("rounded"),
        literal(0.0, Float(53)).label("rate"),
    ).group_by(row.person_id)
    if who is not None:
        selected = selected.where(row.person_id.in_(who))
    return selected.subquery()


def decayed(points: int, decay: Decay | None, age: ColumnElement[Any]) -> ColumnElement[Any]:
    """What is left of `points` (thousandths) at an age in whole seconds, half a thousandth rounded up."""
    p = integer(points)
    match decay:
        case None:
            return p
        case HalfLife(seconds):
            exponent = cast(age, Float(53)) / literal(float(seconds), Float(53))
            power = func.pow(literal(0.5, Float(53)), exponent, type_=Float(53))
            half_up = func.floor(
                literal(float(points), Float(53)) * power + literal(0.5, Float(53)), type_=Float(53)
            )
            return case((age > integer(seconds * EXPONENT_CAP), integer(0)), else_=cast(half_up, BigInteger))
        case StepDecay(share, every):
            left = integer(WHOLE) - (age // integer(every)) * integer(share)
            return _share(p, points > 0, case((left > 0, left), else_=integer(0)), WHOLE)
        case LinearDecay(life):
            left = integer(life) - age
            return _share(p, points > 0, case((left > 0, left), else_=integer(0)), life)


def _share(
    points: ColumnElement[int], positive: bool, left: ColumnElement[int], whole: int
) -> ColumnElement[Any]:
    """points * left / whole, ties toward plus infinity; SQL divides integers toward zero, hence two cases."""
    if positive:
        return (points * left * integer(2) + integer(whole)) // integer(2 * whole)
    return -((-points * left * integer(2) + integer(whole - 1)) // integer(2 * whole))


def _capped(total: ColumnElement[Any], cap: int | None) -> ColumnElement[Any]:
    if cap is None:
        return total
    beyond = total > integer(cap) if cap > 0 else total < integer(cap)
    return case((beyond, integer(cap)), else_=total)


def _next_jump(decay: Decay | None, at: ColumnElement[Any]) -> ColumnElement[Any] | None:
    """When the next step of a decay is due; None for decays without steps."""
    if not isinstance(decay, StepDecay):
        return None
    done = (as_of() - at) // integer(decay.every)
    some_left = done * integer(decay.share) < integer(WHOLE)
    return case((some_left, at + (done + integer(1)) * integer(decay.every)), else_=null())


def _rate(rule: Rule, drift: ColumnElement[Any]) -> ColumnElement[Any]:
    match rule.decay:
        case HalfLife(seconds):
            return drift * literal(math.log(2) / seconds, Float(53))
        case LinearDecay(life):
            return func.count() * literal(abs(rule.points) / life, Float(53))
    return literal(0.0, Float(53))


def _rounded(rule: Rule) -> ColumnElement[int]:
    """How many values that drift are rounded and summed; steps are exact until the next one is due."""
    if not isinstance(rule.decay, HalfLife | LinearDecay):
        return integer(0)
    return integer(1) if rule.count == "once" else func.count()


def _first(edges: list[ColumnElement[Any]]) -> ColumnElement[Any]:
    """The earlier of at most two moments that may be NULL, or of the windows of several bands."""
    if not edges:
        return null().cast(BigInteger)
    first = edges[0]
    for edge in edges[1:]:
        first = case((and_(edge.is_not(None), first.is_(None)), edge), (edge < first, edge), else_=first)
    return first
