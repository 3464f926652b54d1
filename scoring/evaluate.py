"""A model over plain rows in Python: slow, plain to read, and the oracle that the SQL is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from scoring.decay import decayed
from scoring.dialect import fold_text, glob_matches
from scoring.model import Axis, Band, Event, Limit, Minimums, Model, Rule, comparisons_of
from scoring.operators import fact, holds

Row = Mapping[str, Any]
SPELL_STAGES: Final = ("subscriber", "lead", "mql", "recycled")
"""Stages between which the beginning and the end of a spell move a person."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a person: a chain of hits from `at` to `last_at`, and which CRMs reported them."""

    at: int
    last_at: int
    sources: frozenset[str]


@dataclass(frozen=True, slots=True)
class Hit:
    """One part of a score. `points` are thousandths; times are epoch seconds, None for facts and limits."""

    rule: str
    axis: str
    group: str | None
    points: int
    count: int
    first_at: int | None = None
    last_at: int | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model says about a person at a moment; the hits always sum to `total`."""

    total: int
    fit: int
    engagement: int
    grade: str
    hits: tuple[Hit, ...]
    suppressed: str | None
    applies: bool
    eligible: bool
    over_enter: bool
    fast_track: str | None
    under_leave: bool
    renewed_at: int | None


def evaluate(
    model: Model, person: Row, engagements: Iterable[Row], *, as_of: int, known_at: int
) -> Evaluation:
    """Score one person. The rows have the columns of the two selectables of `scoring.compile`."""
    happened = events_of(model, engagements, as_of=as_of, known_at=known_at)
    return evaluate_events(model, person, happened, as_of=as_of)


def evaluate_events(
    model: Model, person: Row, happened: Mapping[str, list[Happened]], *, as_of: int
) -> Evaluation:
    """Score one person by events that are known already, none of them later than `as_of`."""
    fit = _axis(model.fit, model, person, happened, as_of)
    engagement = _axis(model.engagement, model, person, happened, as_of)
    fit_points, points = sum(hit.points for hit in fit), sum(hit.points for hit in engagement)
    total = fit_points + points
    suppressed = next((s.reason for s in model.suppress if holds(s.when, person, model.lists)), None)
    segment = model.segment is None or holds(model.segment, person, model.lists)
    applies = person["stage_read"] in model.applies_to and segment
    track = _fast_track(model, happened, total, fit_points, points, as_of)
    leave = model.mql.leave
    needed = model.mql.recycle.needs_new
    return Evaluation(
        total=total,
        fit=fit_points,
        engagement=points,
        grade=_grade(model, fit_points, points),
        hits=(*fit, *engagement),
        suppressed=suppressed,
        applies=applies,
        eligible=applies
        and not person["ambiguous"]
        and suppressed is None
        and all(fact(person, name) is not None for name in model.mql.require_fields),
        over_enter=_reached(model.mql.enter, total, fit_points, points),
        fast_track=track,
        under_leave=leave is not None and total < leave.total and track is None,
        renewed_at=max(
            (hit.last_at for hit in (*fit, *engagement) if hit.last_at and hit.group == needed and needed),
            default=None,
        ),
    )


def events_of(
    model: Model, engagements: Iterable[Row], *, as_of: int, known_at: int
) -> dict[str, list[Happened]]:
    """The events of a person by name, in order of time."""
    rows = sorted(
        (row for row in engagements if _counts(row, as_of, known_at)), key=lambda row: row["occurred_at"]
    )
    return {event.name: _chains(event, _matching(event, rows)) for event in model.events}


def _counts(row: Row, as_of: int, known_at: int) -> bool:
    at = row["occurred_at"]
    gone = row["is_bot"] or row["deleted"]
    return at is not None and not gone and at <= as_of and row["first_seen"] <= known_at


def _matching(event: Event, rows: Sequence[Row]) -> list[Row]:
    kinds = {match.kind for match in event.any_of}
    return [row for row in rows if row["kind"] in kinds and _matches(event, row)]


def _matches(event: Event, row: Row) -> bool:
    return any(
        row["kind"] == match.kind
        and (match.asset is None or (row["asset"] is not None and glob_matches(row["asset"], match.asset)))
        for match in event.any_of
    )


def _chains(event: Event, rows: Sequence[Row]) -> list[Happened]:
    """Rows in order of time → events; each hit closer than `same_if_within` to the one before joins it."""
    finished: list[Happened] = []
    open_chains: dict[str, Happened] = {}
    for row in rows:
        at, sources = row["occurred_at"], frozenset([row["crm"]])
        key = (row["asset_key"] or "") if event.distinct_by_asset else ""
        chain = open_chains.get(key)
        if event.same_if_within is None:
            finished.append(Happened(at, at, sources))
        elif chain is not None and at - chain.last_at < event.same_if_within:
            open_chains[key] = replace(chain, last_at=at, sources=chain.sources | sources)
        else:
            finished += [chain] if chain is not None else []
            open_chains[key] = Happened(at, at, sources)
    return sorted([*finished, *open_chains.values()], key=lambda event: event.at)


def _axis(
    axis: Axis, model: Model, person: Row, happened: Mapping[str, list[Happened]], as_of: int
) -> list[Hit]:
    """The hits of an axis, limit rows after what they limit."""
    found: list[Hit] = []
    for group in axis.groups:
        hits = [
            hit for rule in group.rules if (hit := rule_hit(rule, model, person, happened, as_of)) is not None
        ]
        found += hits + _limit(group.limit, group.name or axis.name, axis.name, group.name, hits)
    return found + _limit(axis.limit, axis.name, axis.name, None, found)


def _limit(limit: Limit | None, name: str, axis: str, group: str | None, hits: Sequence[Hit]) -> list[Hit]:
    raw = sum(hit.points for hit in hits)
    if limit is None or limit.clamp(raw) == raw:
        return []
    return [Hit(f"limit:{name}", axis, group, limit.clamp(raw) - raw, 0)]


def rule_hit(
    rule: Rule, model: Model, person: Row, happened: Mapping[str, list[Happened]], as_of: int
) -> Hit | None:
    """What one rule gives a person; None when that is nothing."""
    if rule.when is not None and not holds(rule.when, person, model.lists):
        return None
    if rule.event is None:
        return Hit(rule.id, rule.axis, rule.group, rule.points, 1)
    events, points = counted(rule, happened[rule.event], as_of)
    if not events or points == 0:
        return None
    last_hit = max(event.last_at for event in events)
    if rule.until is not None and any(event.at > last_hit for event in happened[rule.until]):
        return None
    sources = tuple(sorted(frozenset().union(*(event.sources for event in events))))
    return Hit(rule.id, rule.axis, rule.group, points, len(events), events[0].at, events[-1].at, sources)


def counted(rule: Rule, events: Sequence[Happened], as_of: int) -> tuple[list[Happened], int]:
    """The events that a rule counts, in order, and the points they give."""
    if rule.bands:
        return _band(rule.bands, events, as_of)
    inside = _window(events, rule.within, as_of)
    if len(inside) < rule.at_least:
        return [], 0
    if rule.count == "once":
        return inside, decayed(rule.points, rule.decay, as_of - inside[-1].at)
    total = sum(decayed(rule.points, rule.decay, as_of - event.at) for event in inside)
    if rule.max_points is not None:
        total = min(total, rule.max_points) if rule.max_points > 0 else max(total, rule.max_points)
    return inside, total


def _band(bands: Sequence[Band], events: Sequence[Happened], as_of: int) -> tuple[list[Happened], int]:
    for band in bands:
        inside = _window(events, band.within, as_of)
        if len(inside) >= band.at_least:
            return inside, band.points
    return [], 0


def _window(events: Sequence[Happened], within: int | None, as_of: int) -> list[Happened]:
    return [event for event in events if within is None or event.at > as_of - within]


def _fast_track(
    model: Model, happened: Mapping[str, list[Happened]], total: int, fit: int, points: int, as_of: int
) -> str | None:
    for track in model.mql.fast_track:
        recent = _window(happened[track.event], track.within, as_of)
        if recent and _reached(track.minimums, total, fit, points):
            return track.id
    return None


def _reached(minimums: Minimums, total: int, fit: int, engagement: int) -> bool:
    pairs = ((total, minimums.total), (fit, minimums.fit), (engagement, minimums.engagement))
    return all(value >= least for value, least in pairs if least is not None)


def _grade(model: Model, fit: int, engagement: int) -> str:
    grade = model.grade
    letter = next((word for word, least in grade.fit if fit >= least), grade.fit_below)
    digit = next((word for word, least in grade.engagement if engagement >= least), grade.engagement_below)
    return letter + digit


def account_of(model: Model, person: Row) -> str | None:
    """The account that a person belongs to; None without one."""
    by = model.account.by if model.account else ""
    name = fact(person, by) if by else None
    return None if name is None or (by == "email_domain" and person["free_mail"]) else fold_text(name)


def account_points(model: Model, people: Iterable[tuple[Row, int]]) -> dict[str, int]:
    """The roll-up of every account, from each person and their engagement points."""
    engaged: dict[str, list[int]] = {}
    for person, points in people:
        account = account_of(model, person)
        if account is not None:
            engaged.setdefault(account, []).append(max(0, points))
    top = model.account.sum_top if model.account else 0
    return {account: sum(sorted(found, reverse=True)[:top]) for account, found in engaged.items()}


def reads_spells(model: Model) -> bool:
    """Whether a score may be another one because a spell was opened or closed: its stage is read, too."""
    if len({stage in model.applies_to for stage in SPELL_STAGES}) > 1:
        return True
    asked = [one for when in model.conditions for one in comparisons_of(when) if one.field == "stage"]
    rows = [{"stage_read": stage} for stage in SPELL_STAGES]
    return any(len({holds(one, row, model.lists) for row in rows}) > 1 for one in asked)
