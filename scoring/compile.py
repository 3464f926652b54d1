"""Model + two selectables (people, engagements) → named stages of SQL. Nothing is executed here.

    seen ──▶ events ──▶ hits ──▶ groups ──▶ axes ──▶ decision

Each stage fills temporary tables by `INSERT … SELECT`; whoever runs the program counts their rows.
`seen` tells for each engagement which events it belongs to (one bit each), so the large table is read
once. `events` makes chains of hits into events. `hits` has one row per person and rule that gives points,
`groups` and `axes` sum and limit them, `decision` says what follows.

The people selectable has the columns of `scoring.fields` and `ambiguous`, `seniority`, `stage_read`
(the CRMs' evidence plus the open spell before this scoring) and the domain flags; the engagement
selectable has those of the table `engagement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    FromClause,
    MetaData,
    Select,
    String,
    Table,
    and_,
    case,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.sql.selectable import CompoundSelect, Subquery

from scoring.compile_rules import CRMS, all_sources, event_hits, fit_hits, integer
from scoring.dialect import like_pattern, matches_like, smaller
from scoring.model import Event, EventMatch, Limit, Minimums, Model
from scoring.operators import condition_sql, is_known_sql

NEVER: Final = 2**62
"""Later than any moment; NULL outside the SQL."""


@dataclass(frozen=True, slots=True)
class Step:
    """Fill one temporary table from one select."""

    table: Table
    select: Select[Any] | CompoundSelect[Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps that belong together; their rows are counted together."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, in order, and where the results lie.

    `decision` has one row per person; `hits` selects the parts of every score, limit rows included:
    person_id, rule, axis, group, points, count, first_at, last_at, sources.
    """

    model: Model
    tables: tuple[Table, ...]
    stages: tuple[Stage, ...]
    decision: Table
    hits: CompoundSelect[Any]


def compile_model(
    model: Model, people: FromClause, engagements: FromClause, *, as_of: int, known_at: int
) -> Program:
    """The program that scores exactly `people` as of a moment, with what was known at another."""
    compiler = _Compiler(model, people, engagements, as_of, known_at)
    stages = (
        Stage("seen", (Step(compiler.seen, compiler.select_seen()),)),
        Stage("events", tuple(compiler.event_steps())),
        Stage("hits", tuple(compiler.hit_steps())),
        Stage("groups", (Step(compiler.group, compiler.select_groups()),)),
        Stage("axes", (Step(compiler.axes, compiler.select_axes()),)),
        Stage("decision", (Step(compiler.decision, compiler.select_decision()),)),
    )
    tables = tuple(compiler.metadata.tables.values())
    return Program(model, tables, stages, compiler.decision, compiler.select_hits())


def _event_names(model: Model) -> tuple[str, ...]:
    """The events that something uses, in file order."""
    used = {name for rule in model.rules for name in (rule.event, rule.until) if name}
    used |= {track.event for track in model.mql.fast_track}
    return tuple(event.name for event in model.events if event.name in used)


class _Compiler:
    """The tables of one program and the selects that fill them."""

    def __init__(
        self, model: Model, people: FromClause, engagements: FromClause, as_of: int, known_at: int
    ) -> None:
        self.model = model
        self.people = people
        self.engagements = engagements
        self.as_of = integer(as_of)
        self.known_at = integer(known_at)
        self.names = _event_names(model)
        self.metadata = MetaData()
        self.seen = self._table(
            "seen", _text("person_id"), _int("at"), _text("asset_key"), _int("source"), _int("mask")
        )
        self.events = {
            name: self._table(
                f"event_{number}", _text("person_id"), _int("at"), _int("last_at"), _int("source")
            )
            for number, name in enumerate(self.names)
        }
        self.hit = self._table(
            "hit", _text("person_id"), _text("rule"), _int("part"), *map(_int, _HIT_INTEGERS), _real("rate")
        )
        self.group = self._table("group", _text("person_id"), _int("part"), _int("raw"), _int("points"))
        self.axes = self._table("axes", _text("person_id"), *map(_int, _AXES_INTEGERS), _real("rate"))
        self.decision = self._table(
            "decision",
            _text("person_id"),
            *map(_int, ("total", "fit", "engagement", "renewed_at", "due_at")),
            *map(_text, ("grade", "suppressed", "fast_track")),
            *map(_flag, ("applies", "eligible", "over_enter", "under_leave")),
        )

    def _table(self, name: str, *columns: Column[Any]) -> Table:
        return Table(f"scoring_{name}", self.metadata, *columns, prefixes=["TEMPORARY"])

    # events

    def select_seen(self) -> Select[Any]:
        """Every engagement that belongs to an event, future ones included, with a bit for each event."""
        row = self.engagements.c
        matches = [self._matches(self.model.event(name)) for name in self.names]
        zero = integer(0)
        mask = sum(
            (case((match, integer(1 << bit)), else_=zero) for bit, match in enumerate(matches)), start=zero
        )
        source = case(*((row.crm == crm, integer(1 << bit)) for bit, crm in enumerate(CRMS)), else_=zero)
        return select(row.person_id, row.occurred_at, row.asset_key, source, mask).where(
            row.person_id.is_not(None),
            row.occurred_at.is_not(None),
            row.is_bot.is_(False),
            row.deleted.is_(False),
            row.first_seen <= self.known_at,
            row.kind.in_(sorted({m.kind for name in self.names for m in self.model.event(name).any_of})),
            or_(literal(False), *matches),
        )

    def _matches(self, event: Event) -> ColumnElement[bool]:
        return or_(literal(False), *(self._match(match) for match in event.any_of))

    def _match(self, match: EventMatch) -> ColumnElement[bool]:
        row = self.engagements.c
        if match.asset is None:
            return row.kind == match.kind
        return and_(
            row.kind == match.kind,
            row.asset.is_not(None),
            matches_like(row.asset, like_pattern(match.asset)),
        )

    def event_steps(self) -> list[Step]:
        """One table an event."""
        return [
            Step(self.events[name], self._select_event(self.model.event(name), bit))
            for bit, name in enumerate(self.names)
        ]

    def _select_event(self, event: Event, bit: int) -> Select[Any]:
        """Chains of hits, each closer than `same_if_within` to the one before; the first gives the time."""
        row = self.seen.c
        hits = (row.mask.bitwise_and(integer(1 << bit)) != 0, row.at <= self.as_of)
        if event.same_if_within is None:
            return select(row.person_id, row.at, row.at.label("last_at"), row.source).where(*hits)
        keys = [row.person_id, row.asset_key] if event.distinct_by_asset else [row.person_id]
        before = func.lag(row.at).over(partition_by=keys, order_by=row.at)
        starts = case((row.at - before < event.same_if_within, 0), else_=1)
        asset = func.coalesce(row.asset_key, "") if event.distinct_by_asset else literal("")
        marked = (
            select(row.person_id, asset.label("asset"), row.at, row.source, starts.label("starts"))
            .where(*hits)
            .subquery()
        )
        # peers are summed together (the default frame): hits of one second stay in one chain
        chain = func.sum(marked.c.starts).over(
            partition_by=[marked.c.person_id, marked.c.asset], order_by=marked.c.at
        )
        chained = select(*marked.c, chain.label("chain")).subquery()
        return select(
            chained.c.person_id,
            func.min(chained.c.at),
            func.max(chained.c.at),
            all_sources(chained.c.source),
        ).group_by(chained.c.person_id, chained.c.asset, chained.c.chain)

    # hits

    def hit_steps(self) -> list[Step]:
        """One select a rule."""
        steps = []
        for part, (_, group) in enumerate(self.model.groups):
            for rule in group.rules:
                if rule.event is None:
                    selected = fit_hits(rule, part, self.people, self.model.lists)
                else:
                    until = self.events[rule.until] if rule.until else None
                    who = None
                    if rule.when is not None:
                        condition = condition_sql(rule.when, self.people, self.model.lists)
                        who = select(self.people.c.person_id).where(condition)
                    selected = event_hits(rule, part, self.events[rule.event], until, who, self.as_of)
                steps.append(Step(self.hit, selected))
        return steps

    # sums

    def select_groups(self) -> Select[Any]:
        """The sum of each group that has hits, as it is and within its limit."""
        raw = func.sum(self.hit.c.points)
        limits = [
            (self.hit.c.part == part, _clamped(raw, group.limit))
            for part, (_, group) in enumerate(self.model.groups)
            if group.limit is not None
        ]
        points = case(*limits, else_=raw) if limits else raw
        return select(self.hit.c.person_id, self.hit.c.part, _whole(raw), _whole(points)).group_by(
            self.hit.c.person_id, self.hit.c.part
        )

    def select_axes(self) -> Select[Any]:
        """One row a person: both axes as they are and within their limits, and what time will change."""
        model, person = self.model, self.people.c.person_id
        fit_parts = [n for n, (axis, _) in enumerate(model.groups) if axis is model.fit]
        points, part = self.group.c.points, self.group.c.part
        sums = (
            select(
                self.group.c.person_id,
                func.sum(case((part.in_(fit_parts), points), else_=0)).label("fit"),
                func.sum(case((part.in_(fit_parts), 0), else_=points)).label("engagement"),
            )
            .group_by(self.group.c.person_id)
            .subquery()
        )
        times, future = self._times(), self._future()
        fit_raw, raw = func.coalesce(sums.c.fit, 0), func.coalesce(sums.c.engagement, 0)
        return select(
            person,
            _whole(fit_raw),
            _whole(_clamped(fit_raw, model.fit.limit)),
            _whole(raw),
            _whole(_clamped(raw, model.engagement.limit)),
            times.c.edge_at,
            times.c.renewed_at,
            future.c.at,
            func.coalesce(times.c.rate, 0.0),
        ).select_from(
            self.people.outerjoin(sums, sums.c.person_id == person)
            .outerjoin(times, times.c.person_id == person)
            .outerjoin(future, future.c.person_id == person)
        )

    def _times(self) -> Subquery:
        """Per person: the next edge, the speed of decay, and the newest event of the `needs_new` group."""
        hit, needed = self.hit.c, self.model.mql.recycle.needs_new
        parts = [n for n, (_, group) in enumerate(self.model.groups) if group.name == needed and needed]
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

    def _future(self) -> Subquery:
        row = self.seen.c
        return (
            select(row.person_id, func.min(row.at).label("at"))
            .where(row.at > self.as_of)
            .group_by(row.person_id)
            .subquery()
        )

    # decision

    def select_decision(self) -> Select[Any]:
        """One row a person: score, grade, what the model would do, and when to look again."""
        model, axes, people = self.model, self.axes.c, self.people
        total = axes.fit + axes.engagement
        tracks = self._tracks(total)
        track = (
            case(*((holds, literal(name)) for name, holds, _ in tracks), else_=null()) if tracks else null()
        )
        suppressed = self._suppressed()
        applies = self._applies()
        eligible = and_(
            applies,
            people.c.ambiguous.is_(False),
            suppressed.is_(None),
            *(is_known_sql(name, people) for name in model.mql.require_fields),
        )
        leave = model.mql.leave
        under = literal(False) if leave is None else and_(total < leave.total, track.is_(None))
        source = people.join(self.axes, axes.person_id == people.c.person_id)
        for _, _, last in tracks:
            source = source.outerjoin(last, last.c.person_id == people.c.person_id)
        return select(
            people.c.person_id,
            total,
            axes.fit,
            axes.engagement,
            axes.renewed_at,
            self._due(total, tracks),
            self._grade(),
            suppressed,
            track,
            applies,
            eligible,
            _reached(model.mql.enter, total, axes.fit, axes.engagement),
            under,
        ).select_from(source)

    def _tracks(self, total: ColumnElement[int]) -> list[tuple[str, ColumnElement[bool], Subquery]]:
        """(id, whether it holds, the last event of each person) of every fast track."""
        found = []
        for track in self.model.mql.fast_track:
            event = self.events[track.event]
            last = select(event.c.person_id, func.max(event.c.at).label("at")).group_by(event.c.person_id)
            if track.within is not None:
                last = last.where(event.c.at > self.as_of - track.within)
            newest = last.subquery()
            reached = _reached(track.minimums, total, self.axes.c.fit, self.axes.c.engagement)
            found.append((track.id, and_(newest.c.at.is_not(None), reached), newest))
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

    def _grade(self) -> ColumnElement[str]:
        grade, axes = self.model.grade, self.axes.c
        fit = case(*((axes.fit >= least, word) for word, least in grade.fit), else_=grade.fit_below)
        engagement = case(
            *((axes.engagement >= least, word) for word, least in grade.engagement),
            else_=grade.engagement_below,
        )
        return fit + engagement

    def _due(
        self, total: ColumnElement[int], tracks: Sequence[tuple[str, ColumnElement[bool], Subquery]]
    ) -> ColumnElement[Any]:
        """The first moment at which time alone may change the decision, the grade or a whole point.

        Decay is bounded from above by its present speed, so the moment is never late; it may be early.
        """
        axes = self.axes.c
        moments: list[ColumnElement[Any]] = [
            func.coalesce(axes.edge_at, NEVER),
            func.coalesce(axes.future_at, NEVER),
        ]
        for track, (_, _, last) in zip(self.model.mql.fast_track, tracks, strict=True):
            if track.within is not None:
                moments.append(func.coalesce(last.c.at + track.within, NEVER))
        gaps: list[ColumnElement[Any]] = [integer(1000)]
        gaps += [func.abs(total - value) for value in _total_lines(self.model)]
        gaps += [func.abs(axes.engagement - value) for value in _engagement_lines(self.model)]
        gap = smaller(*gaps) if len(gaps) > 1 else gaps[0]
        seconds = func.floor(gap / axes.rate)
        wait = case((seconds < 1, 1), (seconds > 4e9, NEVER // 2), else_=_whole(seconds))
        moments.append(case((axes.rate > 0, self.as_of + wait), else_=NEVER))
        first = smaller(*moments)
        return case((first < NEVER // 2, first), else_=null())

    # results

    def select_hits(self) -> CompoundSelect[Any]:
        """Every part of every score: rules, then limits that bite."""
        model, hit, group, axes = self.model, self.hit.c, self.group.c, self.axes.c
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
                _sources_text(hit.source).label("sources"),
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


_HIT_INTEGERS: Final = ("points", "count", "first_at", "last_at", "source", "edge_at")
_AXES_INTEGERS: Final = (
    "fit_raw",
    "fit",
    "engagement_raw",
    "engagement",
    "edge_at",
    "renewed_at",
    "future_at",
)


def _text(name: str) -> Column[Any]:
    return Column(name, String)


def _int(name: str) -> Column[Any]:
    return Column(name, BigInteger)


def _real(name: str) -> Column[Any]:
    return Column(name, Float(53))


def _flag(name: str) -> Column[Any]:
    return Column(name, Boolean)


def _whole(value: ColumnElement[Any]) -> ColumnElement[int]:
    """As a 64-bit integer: PostgreSQL sums to numeric, floors to double."""
    return value.cast(BigInteger)


def _clamped(value: ColumnElement[Any], limit: Limit | None) -> ColumnElement[Any]:
    if limit is None:
        return value
    return case((value < limit.low, limit.low), (value > limit.high, limit.high), else_=value)


def _reached(
    minimums: Minimums,
    total: ColumnElement[int],
    fit: ColumnElement[int],
    engagement: ColumnElement[int],
) -> ColumnElement[bool]:
    pairs = ((total, minimums.total), (fit, minimums.fit), (engagement, minimums.engagement))
    return and_(true(), *(value >= least for value, least in pairs if least is not None))


def _sources_text(source: ColumnElement[Any]) -> ColumnElement[str]:
    names = {
        mask: ",".join(crm for bit, crm in enumerate(CRMS) if mask & 1 << bit)
        for mask in range(1, 1 << len(CRMS))
    }
    return case(names, value=source, else_="")


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


def _total_lines(model: Model) -> set[int]:
    """Totals at which a decision changes."""
    lines = [model.mql.enter.total, model.mql.leave.total if model.mql.leave else None]
    lines += [track.minimums.total for track in model.mql.fast_track]
    return {line for line in lines if line is not None}


def _engagement_lines(model: Model) -> set[int]:
    """Engagement points at which a decision or the grade changes."""
    lines = [model.mql.enter.engagement, *(least for _, least in model.grade.engagement)]
    lines += [track.minimums.engagement for track in model.mql.fast_track]
    return {line for line in lines if line is not None}
