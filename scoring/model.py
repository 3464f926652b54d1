"""The scoring model as the code sees it: frozen, already checked (`scoring.load`), with a content hash.

Points are thousandths of a point, times and durations whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

POINT: Final = 1000
"""Thousandths in one point."""

STAGES: Final = (
    "subscriber",
    "lead",
    "mql",
    "sql",
    "opportunity",
    "customer",
    "recycled",
    "disqualified",
)
STATUSES: Final = ("draft", "shadow", "live", "retired")
FIT: Final = "fit"
ENGAGEMENT: Final = "engagement"
MAX_EVENTS: Final = 60
"""Events are bits of one 64-bit integer while they are told apart."""
MAX_TRACKS: Final = 60
"""So are fast tracks, while it is decided which of them hold."""

ConditionValue = str | int | bool | tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field compared with one value. A missing fact answers `or_unknown`, whatever the operator."""

    field: str
    operator: str
    value: ConditionValue
    or_unknown: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; nothing to hold is true."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; a comparison that a missing fact failed therefore holds here."""

    part: Condition


Condition = Comparison | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class EventMatch:
    """Engagements of this kind, and of an asset that matches the glob (the whole raw asset)."""

    kind: str
    asset: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What counts as one engagement. `same_if_within` None: every hit is an event of its own."""

    name: str
    any_of: tuple[EventMatch, ...]
    same_if_within: int | None = None
    distinct_by_asset: bool = False


@dataclass(frozen=True, slots=True)
class HalfLife:
    """Half of the points after `seconds`, a quarter after twice that."""

    seconds: int


@dataclass(frozen=True, slots=True)
class StepDecay:
    """`share` (in thousandths of a percent) of the original points goes at each full `every`."""

    share: int
    every: int


@dataclass(frozen=True, slots=True)
class LinearDecay:
    """From all points to none in `life`."""

    life: int


Decay = HalfLife | StepDecay | LinearDecay


@dataclass(frozen=True, slots=True)
class Band:
    """So many points for so many events in a window (None: ever)."""

    at_least: int
    within: int | None
    points: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the model. Fit rules have a `when`; engagement rules an `event`, and perhaps a `when`.

    `count` is "once" (the latest event gives the points) or "each"; with `at_least` the points are given
    once when that many events lie in the window; with `bands` the first that holds gives its points.
    """

    id: str
    axis: str
    points: int
    group: str | None = None
    when: Condition | None = None
    event: str | None = None
    count: str = "once"
    at_least: int = 1
    within: int | None = None
    bands: tuple[Band, ...] = ()
    max_points: int | None = None
    decay: Decay | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """The least and the most that a group or an axis may give; zero lies between."""

    low: int
    high: int

    def clamp(self, points: int) -> int:
        """`points`, brought between low and high."""
        return max(self.low, min(self.high, points))


@dataclass(frozen=True, slots=True)
class Group:
    """Rules with a common limit; the group named None holds an axis' own rules."""

    name: str | None
    rules: tuple[Rule, ...]
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """Fit or engagement."""

    name: str
    groups: tuple[Group, ...] = ()
    limit: Limit | None = None

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, in file order of the groups."""
        return tuple(rule for group in self.groups for rule in group.rules)


@dataclass(frozen=True, slots=True)
class Suppression:
    """People who never enter, whatever their score, and the reason that is shown."""

    reason: str
    when: Condition


@dataclass(frozen=True, slots=True)
class Grade:
    """(word, least points), best first; below the last: `fit_below`, `engagement_below`."""

    fit: tuple[tuple[str, int], ...]
    engagement: tuple[tuple[str, int], ...]
    fit_below: str
    engagement_below: str


@dataclass(frozen=True, slots=True)
class Minimums:
    """What must be reached (>=); None: no minimum."""

    total: int | None = None
    fit: int | None = None
    engagement: int | None = None


@dataclass(frozen=True, slots=True)
class FastTrack:
    """An event that qualifies at once, given these minimums."""

    id: str
    event: str
    within: int | None
    minimums: Minimums


@dataclass(frozen=True, slots=True)
class Leave:
    """Under `total` on every daily reading of `after`."""

    total: int
    after: int


@dataclass(frozen=True, slots=True)
class Recycle:
    """Coming back: not before `cooldown`, and only with a new event of the group `needs_new`."""

    cooldown: int = 0
    needs_new: str | None = None


@dataclass(frozen=True, slots=True)
class Qualification:
    """When somebody becomes an MQL, stops being one, and comes back."""

    enter: Minimums
    fast_track: tuple[FastTrack, ...] = ()
    require_fields: tuple[str, ...] = ()
    leave: Leave | None = None
    recycle: Recycle = Recycle()
    first_touch: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The roll-up of a company: the engagement of its `sum_top` most engaged people, summed.

    People are of one account when the fact `by` is the same but for the case of ASCII letters; free-mail
    domains are nobody's account, and people without engagement above 0 add nothing.
    """

    by: str
    sum_top: int


@dataclass(frozen=True, slots=True)
class Checks:
    """Healthy bands, as shares from 0 to 1."""

    mql_share_per_week: tuple[float, float] | None = None
    mql_to_sql: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One version of one scoring model.

    `hash` covers what scores: everything in the file but `status`, `review_by` and `[checks]`.
    `lists` are the named lists that conditions use, folded; their content is data like the records are,
    so it has a hash of its own. `lines` maps a rule id to its line in the file.
    """

    name: str
    version: int
    status: str
    hash: str
    applies_to: tuple[str, ...]
    events: tuple[Event, ...]
    fit: Axis
    engagement: Axis
    suppress: tuple[Suppression, ...]
    grade: Grade
    mql: Qualification
    segment: Condition | None = None
    timezone: str = "UTC"
    review_by: date | None = None
    checks: Checks = Checks()
    account: Account | None = None
    lists: Mapping[str, frozenset[str]] = field(default_factory=dict)
    lists_hash: str = ""
    text: str = field(default="", repr=False)
    where: str = ""
    lines: Mapping[str, int] = field(default_factory=dict, repr=False)

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """Fit, then engagement."""
        return (self.fit, self.engagement)

    @property
    def groups(self) -> tuple[tuple[Axis, Group], ...]:
        """Every group with its axis; the position is the group's number in the SQL."""
        return tuple((axis, group) for axis in self.axes for group in axis.groups)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, fit first; the position is the rule's number in the SQL."""
        return self.fit.rules + self.engagement.rules

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind of engagement that an event of the model counts."""
        return frozenset(match.kind for event in self.events for match in event.any_of)

    @property
    def conditions(self) -> Iterator[Condition]:
        """What rules, suppressions and the segment ask of a person."""
        yield from (rule.when for rule in self.rules if rule.when is not None)
        yield from (item.when for item in self.suppress)
        if self.segment is not None:
            yield self.segment

    def rule(self, rule_id: str) -> Rule | None:
        """The rule of that id."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    def event(self, name: str) -> Event:
        """The event of that name; every name that a rule uses is one."""
        return next(event for event in self.events if event.name == name)


def comparisons_of(condition: Condition) -> Iterator[Comparison]:
    """Every comparison inside a condition."""
    match condition:
        case Comparison():
            yield condition
        case Not(part):
            yield from comparisons_of(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from comparisons_of(part)
