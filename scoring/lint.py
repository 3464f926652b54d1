"""What a model can and cannot reach: how many combinations of its positive rules make an MQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from scoring.explain import number
from scoring.model import Axis, Group, Minimums, Model, Rule

Reached = Counter[tuple[int, int]]
"""(points, fast tracks whose event took part, as bits) → how many combinations give exactly this."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Of `combinations` of the positive rules: how many reach the total, and also every minimum.

    `added`: those that do not, and that a fast track lets in all the same.
    """

    rules: int
    combinations: int
    total: int
    every: int
    added: int


def reach(model: Model, *, repeated: bool) -> Reach:
    """Count by dynamic programming over points, so that any number of rules can be counted.

    Without decay; each rule once, or `repeated`: as often as its cap and its group's limit let it.
    """
    fit = _axis(model, model.fit, repeated)
    engagement = _axis(model, model.engagement, repeated)
    enter = model.mql.enter
    total = every = added = 0
    for (fit_points, fit_tracks), fit_count in fit.items():
        for (points, tracks), count in engagement.items():
            number_of = fit_count * count
            both = fit_points + points
            if enter.total is not None and both >= enter.total:
                total += number_of
            if _meets(enter, fit_points, points):
                every += number_of
            elif _fast(model, fit_tracks | tracks, fit_points, points):
                added += number_of
    rules = len([rule for rule in model.rules if _best(rule) > 0])
    return Reach(rules, 2**rules, total, every, added)


def _axis(model: Model, axis: Axis, repeated: bool) -> Reached:
    found: Reached = Counter({(0, 0): 1})
    for group in axis.groups:
        found = _sum(found, _group(model, group, repeated, axis))
    if axis.limit is None:
        return found
    return _collect((axis.limit.clamp(p), tracks, n) for (p, tracks), n in found.items())


def _group(model: Model, group: Group, repeated: bool, axis: Axis) -> Reached:
    found: Reached = Counter({(0, 0): 1})
    ceiling = group.limit.high if group.limit else axis.limit.high if axis.limit else 10**9
    for rule in group.rules:
        once = _best(rule)
        if once <= 0:
            continue
        points = once
        if repeated and rule.count == "each":
            points = min(rule.max_points or ceiling, max(ceiling, once))
        found = _sum(found, Counter({(0, 0): 1, (points, _tracks(model, rule)): 1}))
    if group.limit is None:
        return found
    return _collect((group.limit.clamp(p), tracks, n) for (p, tracks), n in found.items())


def _best(rule: Rule) -> int:
    """The most that a rule gives at once."""
    return max((band.points for band in rule.bands), default=rule.points)


def _tracks(model: Model, rule: Rule) -> int:
    return sum(1 << n for n, track in enumerate(model.mql.fast_track) if track.event == rule.event)


def _sum(left: Reached, right: Reached) -> Reached:
    return _collect(
        (p + q, tracks | others, n * m) for (p, tracks), n in left.items() for (q, others), m in right.items()
    )


def _collect(items: Iterable[tuple[int, int, int]]) -> Reached:
    found: Reached = Counter()
    for points, tracks, count in items:
        found[points, tracks] += count
    return found


def _meets(minimums: Minimums, fit: int, engagement: int) -> bool:
    pairs = ((fit + engagement, minimums.total), (fit, minimums.fit), (engagement, minimums.engagement))
    return all(value >= least for value, least in pairs if least is not None)


def _fast(model: Model, tracks: int, fit: int, engagement: int) -> bool:
    return any(
        tracks >> n & 1 and _meets(track.minimums, fit, engagement)
        for n, track in enumerate(model.mql.fast_track)
    )


def lint(model: Model) -> list[str]:
    """What `model lint` prints about reachability, then what looks wrong."""
    once, repeated = reach(model, repeated=False), reach(model, repeated=True)
    line = number(model.mql.enter.total or 0)
    lines = [
        f"{once.total} of {once.combinations} combinations of the {once.rules} positive rules, each once,"
        f" without decay, reach total {line}; {once.every} also meet every minimum",
        f"with repeated events up to their caps: {repeated.total} of {repeated.combinations};"
        f" {repeated.every} also meet every minimum",
    ]
    if model.mql.fast_track:
        lines.append(f"the fast track adds {once.added} combinations, {repeated.added} with repeated events")
    return lines + _warnings(model, repeated)


def _warnings(model: Model, repeated: Reach) -> list[str]:
    used = {name for rule in model.rules for name in (rule.event, rule.until)}
    used |= {track.event for track in model.mql.fast_track}
    found = [f"event {event.name} is never used" for event in model.events if event.name not in used]
    if repeated.every + repeated.added == 0:
        found.append("nobody can become an MQL: the threshold is out of reach")
    return found
