"""From the axes to what follows: grade, who would enter or leave, and when to look again. Row by row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, null, select, true

from scoring.compile.tables import AXES, NEVER, as_of, integer, whole
from scoring.dialect import smaller
from scoring.model import Minimums, Model

POINT_OF_DRIFT = 1000
"""A score that drifted by more, in thousandths, is computed anew."""


def select_decision(model: Model) -> Select[Any]:
    """One row a person: score, grade, what the model would do, and when to look again."""
    axes = AXES.c
    total = axes.fit + axes.engagement
    track = _fast_track(model, total)
    leave = model.mql.leave
    under = literal(False) if leave is None else and_(total < leave.total, track.is_(None))
    return select(
        axes.person_id,
        total,
        axes.fit,
        axes.engagement,
        axes.renewed_at,
        _due(model, total),
        _grade(model),
        axes.suppressed,
        track,
        axes.applies,
        and_(axes.applies.is_(True), axes.known.is_(True), axes.suppressed.is_(None)),
        _reached(model.mql.enter, total, axes.fit, axes.engagement),
        under,
    )


def _fast_track(model: Model, total: ColumnElement[int]) -> ColumnElement[Any]:
    """The id of the first fast track that holds."""
    found = []
    for bit, track in enumerate(model.mql.fast_track):
        recent = AXES.c.tracks.bitwise_and(integer(1 << bit)) != 0
        reached = _reached(track.minimums, total, AXES.c.fit, AXES.c.engagement)
        found.append((and_(recent, reached), literal(track.id)))
    return case(*found, else_=null()) if found else null()


def _grade(model: Model) -> ColumnElement[str]:
    grade, axes = model.grade, AXES.c
    fit = case(*((axes.fit >= least, word) for word, least in grade.fit), else_=grade.fit_below)
    engagement = case(
        *((axes.engagement >= least, word) for word, least in grade.engagement),
        else_=grade.engagement_below,
    )
    return fit + engagement


def _due(model: Model, total: ColumnElement[int]) -> ColumnElement[Any]:
    """The first moment at which time alone may change the decision, the grade or a whole point.

    Decay is bounded from above by its present speed, and each value that drifts may be off by half a
    thousandth now and then: so the moment is never late; it may be early.
    """
    axes = AXES.c
    gaps: list[ColumnElement[Any]] = [func.abs(total - value) for value in sorted(_total_lines(model))]
    gaps += [func.abs(axes.engagement - value) for value in sorted(_engagement_lines(model))]
    gap: ColumnElement[Any] = integer(POINT_OF_DRIFT)
    if gaps:
        nearest = smaller(*gaps) if len(gaps) > 1 else gaps[0]
        gap = smaller(gap, nearest - axes.rounded)
    seconds = func.floor(gap / axes.rate)
    wait = case((seconds < 1, 1), (seconds > 4e9, NEVER // 2), else_=whole(seconds))
    first = case((axes.rate > 0, smaller(axes.edge_at, as_of() + wait)), else_=axes.edge_at)
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
