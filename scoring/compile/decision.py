"""From sums to what follows: grade, suppression, who would enter or leave, and when to look again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
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
)

from scoring.compile.tables import AXES, integer, whole
from scoring.dialect import smaller
from scoring.model import Minimums, Model
from scoring.operators import condition_sql, is_known_sql

NEVER: Final = 2**62
"""Later than any moment; NULL outside the SQL."""


class DecisionSelect:
    """The select of one model's decisions over the axes table."""

    def __init__(
        self, model: Model, people: FromClause, events: Mapping[str, Table], as_of: ColumnElement[int]
    ) -> None:
        self.model = model
        self.people = people
        self.events = events
        self.as_of = as_of

    def build(self) -> Select[Any]:
        """One row a person: score, grade, what the model would do, and when to look again."""
        model, axes, people = self.model, AXES.c, self.people
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
        source = people.join(AXES, axes.person_id == people.c.person_id)
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
            reached = _reached(track.minimums, total, AXES.c.fit, AXES.c.engagement)
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
        grade, axes = self.model.grade, AXES.c
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
        axes = AXES.c
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
        wait = case((seconds < 1, 1), (seconds > 4e9, NEVER // 2), else_=whole(seconds))
        moments.append(case((axes.rate > 0, self.as_of + wait), else_=NEVER))
        first = smaller(*moments)
        return case((first < NEVER // 2, first), else_=null())


def _reached(
    minimums: Minimums,
    total: ColumnElement[int],
    fit: ColumnElement[int],
    engagement: ColumnElement[int],
) -> ColumnElement[bool]:
    pairs = ((total, minimums.total), (fit, minimums.fit), (engagement, minimums.engagement))
    return and_(true(), *(value >= least for value, least in pairs if least is not None))


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
