"""A score in words: the arithmetic of each part, what is missing to the threshold, when decay ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scoring.decay import WHOLE
from scoring.evaluate import Evaluation, Happened, Hit, evaluate_events
from scoring.model import POINT, Decay, HalfLife, LinearDecay, Minimums, Model, Rule, StepDecay
from scoring.operators import sentence

DAY: Final = 86400
HORIZON: Final = 366
"""Days that are looked ahead for the end of a score."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Points (thousandths) missing on an axis, or on the total, to the threshold."""

    axis: str
    points: int


@dataclass(frozen=True, slots=True)
class Fading:
    """When time alone, without another event, takes a person below the lines; None: not within a year."""

    below_enter_at: int | None
    under_leave_at: int | None


def missing(minimums: Minimums, total: int, fit: int, engagement: int) -> list[Missing]:
    """What is missing on each axis and on the total; nothing when the threshold is reached."""
    pairs = (
        ("fit", fit, minimums.fit),
        ("engagement", engagement, minimums.engagement),
        ("total", total, minimums.total),
    )
    return [
        Missing(axis, least - value) for axis, value, least in pairs if least is not None and value < least
    ]


def number(points: int) -> str:
    """Thousandths as people write them: 25, 24.7, -3.125."""
    return f"{points / POINT:.3f}".rstrip("0").rstrip(".")


def signed(points: int) -> str:
    """With the sign in front: +25, -3.125."""
    return number(points) if points < 0 else f"+{number(points)}"


def duration(seconds: int) -> str:
    """ "30 days", "24 hours", "90 seconds": the largest unit that is exact."""
    for unit, size in (("day", DAY), ("hour", 3600), ("minute", 60)):
        if seconds % size == 0 and seconds >= size:
            return f"{seconds // size} {unit}{'' if seconds == size else 's'}"
    return f"{seconds} seconds"


def age(seconds: int) -> str:
    """How long ago, to a tenth of a day."""
    if seconds < DAY:
        return f"{seconds / 3600:.1f} hours ago"
    return f"{seconds / DAY:.1f} days ago"


def hit_text(model: Model, hit: Hit, as_of: int) -> str:
    """One part of a score as a sentence with its arithmetic."""
    if hit.rule.startswith("limit:"):
        return _limit_text(model, hit)
    rule = model.rule(hit.rule)
    if rule is None:  # a part stored by an earlier version of the model
        return f"{hit.rule}: {signed(hit.points)}"
    if rule.event is None:
        why = sentence(rule.when) if rule.when else "always"
        return f"{rule.id}: {signed(hit.points)} because {why}"
    return f"{rule.id}: {_event_text(rule, hit, as_of)}"


def _limit_text(model: Model, hit: Hit) -> str:
    name = hit.rule.removeprefix("limit:")
    found = next((group.limit for _, group in model.groups if group.name == name), None)
    limit = found or next((axis.limit for axis in model.axes if axis.name == name), None)
    if limit is None:
        return f"{hit.rule}: {signed(hit.points)}"
    bound = limit.high if hit.points < 0 else limit.low
    word = "more" if hit.points < 0 else "less"
    return f"limit of {name}: {signed(hit.points)}, it gives no {word} than {number(bound)}"


def _event_text(rule: Rule, hit: Hit, as_of: int) -> str:
    latest = "" if hit.last_at is None else f", the latest {age(max(0, as_of - hit.last_at))}"
    times = f"{hit.count} {rule.event}{latest}"
    window = f" within {duration(rule.within)}" if rule.within is not None else ""
    if rule.bands:
        return f"{signed(hit.points)} for {times}"
    if rule.at_least > 1:
        need = f" (at least {rule.at_least}{window})"
        return f"{signed(hit.points)} for {times}{need}{_decay_text(rule, hit, as_of)}"
    if rule.count == "once":
        return f"{signed(hit.points)} for {times}{window}{_decay_text(rule, hit, as_of)}"
    each = f"{signed(rule.points)} each"
    fading = f", {_decay_words(rule.decay)}" if rule.decay else ""
    cap = ""
    if rule.max_points is not None and hit.points == rule.max_points:
        cap = f", no more than {number(rule.max_points)}"
    return f"{signed(hit.points)} for {times}{window}: {each}{fading}{cap}"


def _decay_text(rule: Rule, hit: Hit, as_of: int) -> str:
    """The arithmetic of one event's decay."""
    if rule.decay is None or hit.last_at is None:
        return ""
    old = as_of - hit.last_at
    p = number(rule.points)
    match rule.decay:
        case HalfLife(seconds):
            term = f"{p} × 0.5^({old / DAY:.2f} d / {seconds / DAY:g} d)"
        case StepDecay(share, every):
            term = f"{p} × {max(0, WHOLE - old // every * share) / 1000:g} %"
        case LinearDecay(life):
            term = f"{p} × {max(0, life - old) / life:.1%}"
    return f": {term} = {number(hit.points)}"


def _decay_words(decay: Decay) -> str:
    match decay:
        case HalfLife(seconds):
            return f"half of it gone after {duration(seconds)}"
        case StepDecay(share, every):
            return f"{share / 1000:g} % of it gone every {duration(every)}"
        case LinearDecay(life):
            return f"all of it gone after {duration(life)}"


def summary(total: int, fit: int, engagement: int, grade: str, hits: Iterable[Hit]) -> str:
    """One line that a rep can paste: the score, then its largest parts."""
    parts = sorted(hits, key=lambda hit: (-abs(hit.points), hit.rule))
    named = ", ".join(f"{hit.rule.replace('_', ' ')} {signed(hit.points)}" for hit in parts)
    head = f"{number(total)} points, grade {grade} (fit {number(fit)}, engagement {number(engagement)})"
    return f"{head}: {named}" if named else f"{head}: nothing yet"


def fading(
    model: Model, person: Mapping[str, Any], happened: Mapping[str, list[Happened]], as_of: int
) -> Fading:
    """When decay and the ends of windows alone take a person below the lines.

    Looked for day by day, then to the second: a line that is crossed twice within a day may be missed.
    """

    def at(moment: int) -> Evaluation:
        return evaluate_events(model, person, happened, as_of=moment)

    def qualifies(moment: int) -> bool:
        found = at(moment)
        return found.over_enter or found.fast_track is not None

    def stays(moment: int) -> bool:
        return not at(moment).under_leave

    has_leave = model.mql.leave is not None
    return Fading(_last(qualifies, as_of), _last(stays, as_of) if has_leave else None)


def _last(holds: Callable[[int], bool], as_of: int) -> int | None:
    """The first moment at which something that holds now holds no more."""
    if not holds(as_of):
        return None
    days: Sequence[int] = range(as_of, as_of + HORIZON * DAY, DAY)
    fails = next((moment for moment in days if not holds(moment)), None)
    if fails is None:
        return None
    low, high = fails - DAY, fails
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high
