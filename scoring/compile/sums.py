"""From hits to sums: groups and axes within their limits, and the parts as they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    Subquery,
    Table,
    and_,
    case,
    func,
    literal,
    null,
    select,
    true,
    union_all,
)

from scoring.compile.tables import AXES, GROUP, HIT, NEVER, SEEN, as_of, integer, sources_text, whole
from scoring.dialect import smaller
from scoring.model import Limit, Model
from scoring.operators import condition_sql, is_known_sql


def select_groups(model: Model) -> Select[Any]:
    """The sum of each group that has hits, as it is and within its limit, and what time will change."""
    hit, raw = HIT.c, func.sum(HIT.c.points)
    limits = [
        (hit.part == part, _clamped(raw, group.limit))
        for part, (_, group) in enumerate(model.groups)
        if group.limit is not None
    ]
    points = case(*limits, else_=raw) if limits else raw
    return select(
        hit.person_id,
        hit.part,
        whole(raw),
        whole(points),
        func.max(hit.last_at),
        func.min(hit.edge_at),
        whole(func.sum(hit.rounded)),
        func.sum(hit.rate),
    ).group_by(hit.person_id, hit.part)


class AxesSelect:
    """The select of one row a person: both axes, what time will change, and what else decides."""

    def __init__(self, model: Model, people: FromClause, events: Mapping[str, Table]) -> None:
        self.model = model
        self.people = people
        self.events = events

    def build(self) -> Select[Any]:
        """Both axes as they are and within their limits, then the other columns of AXES."""
        model, person = self.model, self.people.c.person_id
        sums, future, tracks = self._sums(), _future(), self._tracks()
        fit_raw, raw = func.coalesce(sums.c.fit, 0), func.coalesce(sums.c.engagement, 0)
        edges = [func.coalesce(sums.c.edge_at, NEVER), func.coalesce(future.c.at, NEVER)]
        bits: ColumnElement[int] = integer(0)
        source = self.people.outerjoin(sums, sums.c.person_id == person)
        source = source.outerjoin(future, future.c.person_id == person)
        for bit, (within, last) in enumerate(tracks):
            source = source.outerjoin(last, last.c.person_id == person)
            bits += case((last.c.at.is_not(None), integer(1 << bit)), else_=integer(0))
            if within is not None:
                edges.append(func.coalesce(last.c.at + integer(within), NEVER))
        return select(
            person,
            whole(fit_raw),
            whole(_clamped(fit_raw, model.fit.limit)),
            whole(raw),
            whole(_clamped(raw, model.engagement.limit)),
            sums.c.renewed_at,
            smaller(*edges),
            whole(func.coalesce(sums.c.rounded, 0)),
            func.coalesce(sums.c.rate, 0.0),
            bits,
            self._suppressed(),
            self._applies(),
            and_(
                self.people.c.ambiguous.is_(False),
                *(is_known_sql(name, self.people) for name in model.mql.require_fields),
            ),
        ).select_from(source)

    def _sums(self) -> Subquery:
        """Per person with hits: the axes, the newest event of the `needs_new` group, the next edge, the
        speed of decay."""
        model, group, needed = self.model, GROUP.c, self.model.mql.recycle.needs_new
        fit = [n for n, (axis, _) in enumerate(model.groups) if axis is model.fit]
        renewing = [n for n, (_, found) in enumerate(model.groups) if found.name == needed and needed]
        return (
            select(
                group.person_id,
                func.sum(case((group.part.in_(fit), group.points), else_=0)).label("fit"),
                func.sum(case((group.part.in_(fit), 0), else_=group.points)).label("engagement"),
                func.max(case((group.part.in_(renewing), group.last_at))).label("renewed_at"),
                func.min(group.edge_at).label("edge_at"),
                func.sum(group.rounded).label("rounded"),
                func.sum(group.rate).label("rate"),
            )
            .group_by(group.person_id)
            .subquery()
        )

    def _tracks(self) -> list[tuple[int | None, Subquery]]:
        """(window, the last event of each person within it) of every fast track."""
        found = []
        for track in self.model.mql.fast_track:
            event = self.events[track.event]
            last = select(event.c.person_id, func.max(event.c.at).label("at")).group_by(event.c.person_id)
            if track.within is not None:
                last = last.where(event.c.at > as_of() - integer(track.within))
            found.append((track.within, last.subquery()))
        return found

    def _suppressed(self) -> ColumnElement[Any]:
        reasons = [
            (condition_sql(item.when, self.people, self.model.lists), literal(item.reason))
            for item in self.model.suppress
        ]
        return case(*reasons, else_=null()) if reasons else null()

    def _applies(self) -> ColumnElement[bool]:
        stage = self.people.c.stage_read.in_(self.model.applies_to)
        segment = self.model.segment
        return and_(stage, condition_sql(segment, self.people, self.model.lists) if segment else true())


def _future() -> Subquery:
    row = SEEN.c
    return (
        select(row.person_id, func.min(row.at).label("at"))
        .where(row.at > as_of())
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
