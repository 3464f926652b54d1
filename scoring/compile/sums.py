"""From hits to sums: groups and axes within their limits, and the parts as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    Subquery,
    case,
    func,
    literal,
    null,
    select,
    union_all,
)

from scoring.compile.tables import AXES, GROUP, HIT, SEEN, integer, sources_text, whole
from scoring.model import Limit, Model


def select_groups(model: Model) -> Select[Any]:
    """The sum of each group that has hits, as it is and within its limit."""
    raw = func.sum(HIT.c.points)
    limits = [
        (HIT.c.part == part, _clamped(raw, group.limit))
        for part, (_, group) in enumerate(model.groups)
        if group.limit is not None
    ]
    points = case(*limits, else_=raw) if limits else raw
    return select(HIT.c.person_id, HIT.c.part, whole(raw), whole(points)).group_by(
        HIT.c.person_id, HIT.c.part
    )


def select_axes(model: Model, people: FromClause, as_of: ColumnElement[int]) -> Select[Any]:
    """One row a person: both axes as they are and within their limits, and what time will change."""
    person = people.c.person_id
    fit_parts = [n for n, (axis, _) in enumerate(model.groups) if axis is model.fit]
    points, part = GROUP.c.points, GROUP.c.part
    sums = (
        select(
            GROUP.c.person_id,
            func.sum(case((part.in_(fit_parts), points), else_=0)).label("fit"),
            func.sum(case((part.in_(fit_parts), 0), else_=points)).label("engagement"),
        )
        .group_by(GROUP.c.person_id)
        .subquery()
    )
    times, future = _times(model), _future(as_of)
    fit_raw, raw = func.coalesce(sums.c.fit, 0), func.coalesce(sums.c.engagement, 0)
    return select(
        person,
        whole(fit_raw),
        whole(_clamped(fit_raw, model.fit.limit)),
        whole(raw),
        whole(_clamped(raw, model.engagement.limit)),
        times.c.edge_at,
        times.c.renewed_at,
        future.c.at,
        func.coalesce(times.c.rate, 0.0),
    ).select_from(
        people.outerjoin(sums, sums.c.person_id == person)
        .outerjoin(times, times.c.person_id == person)
        .outerjoin(future, future.c.person_id == person)
    )


def _times(model: Model) -> Subquery:
    """Per person: the next edge, the speed of decay, and the newest event of the `needs_new` group."""
    hit, needed = HIT.c, model.mql.recycle.needs_new
    parts = [n for n, (_, group) in enumerate(model.groups) if group.name == needed and needed]
    return (
        select(
            hit.person_id,
            func.min(hit.edge_at).label("edge_at"),
            func.max(case((hit.part.in_(parts), hit.last_at))).label("renewed_at"),
            func.sum(hit.rate).label("rate"),
        )
        .group_by(hit.person_id)
        .subquery()
    )


def _future(as_of: ColumnElement[int]) -> Subquery:
    row = SEEN.c
    return (
        select(row.person_id, func.min(row.at).label("at"))
        .where(row.at > as_of)
        .group_by(row.person_id)
        .subquery()
    )


def select_hits(model: Model) -> CompoundSelect[Any]:
    """Every part of every score: rules, then limits that bite."""
    hit, group, axes = HIT.c, GROUP.c, AXES.c
    axis_of = case(*((hit.part == n, axis.name) for n, (axis, _) in enumerate(model.groups)), else_="")
    group_of = [(hit.part == n, g.name) for n, (_, g) in enumerate(model.groups) if g.name]
    selects: list[Select[Any]] = [
        select(
            hit.person_id.label("person_id"),
            hit.rule.label("rule"),
            axis_of.label("axis"),
            (case(*group_of, else_=null()) if group_of else null()).label("group"),
            hit.points.label("points"),
            hit.count.label("count"),
            hit.first_at.label("first_at"),
            hit.last_at.label("last_at"),
            sources_text(hit.source).label("sources"),
        )
    ]
    for part, (axis, found) in enumerate(model.groups):
        if found.limit is not None:
            bites = (group.part == part, group.points != group.raw)
            name = found.name or axis.name
            selects.append(
                _limit_row(group.person_id, name, axis.name, found.name, group.points - group.raw, bites)
            )
    for axis in model.axes:
        if axis.limit is not None:
            points = axes[axis.name] - axes[f"{axis.name}_raw"]
            selects.append(_limit_row(axes.person_id, axis.name, axis.name, None, points, (points != 0,)))
    return union_all(*selects)


def _limit_row(
    person: ColumnElement[Any],
    name: str,
    axis: str,
    group: str | None,
    points: ColumnElement[Any],
    where: Sequence[ColumnElement[bool]],
) -> Select[Any]:
    """What a limit takes away or adds, as a part of its own."""
    return select(
        person,
        literal(f"limit:{name}"),
        literal(axis),
        literal(group) if group else null(),
        points,
        integer(0),
        null().cast(BigInteger),
        null().cast(BigInteger),
        literal(""),
    ).where(*where)


def _clamped(value: ColumnElement[Any], limit: Limit | None) -> ColumnElement[Any]:
    if limit is None:
        return value
    return case((value < limit.low, limit.low), (value > limit.high, limit.high), else_=value)
