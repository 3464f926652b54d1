"""The axes of a model file: groups, limits and rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scoring.conditions import ConditionReader
from scoring.model import (
    ENGAGEMENT,
    FIT,
    POINT,
    Axis,
    Band,
    Condition,
    Decay,
    Group,
    HalfLife,
    Limit,
    LinearDecay,
    Rule,
    StepDecay,
)
from scoring.reading import Problems, Table, is_integer

MAX_POINTS: Final = 100_000
MAX_COUNT: Final = 100_000
_EVENT_KEYS: Final = ("count", "at_least", "within", "bands", "max_points", "decay", "until")
_BANDS_EXCLUDE: Final = ("points", "count", "at_least", "within", "max_points", "decay")


class RuleReader:
    """Reads both axes; rule ids are unique over the whole model. `lines`: rule id → line."""

    def __init__(self, problems: Problems, conditions: ConditionReader, events: Sequence[str]) -> None:
        self._problems = problems
        self._conditions = conditions
        self._events = events
        self.lines: dict[str, int] = {}

    def axis(self, table: Table | None, name: str) -> Axis:
        """One axis; a missing one gives nothing."""
        if table is None:
            return Axis(name)
        limit = self._limit(table)
        groups = [Group(None, self._rules(table, name, None))] if table.has("rules") else []
        inner = table.table("groups")
        for key in inner.values if inner else ():
            group = inner.table(key) if inner else None
            if group is not None:
                groups.append(self._group(group, name, key))
        table.done()
        return Axis(name, tuple(groups), limit)

    def _group(self, table: Table, axis: str, name: str) -> Group:
        if name in (FIT, ENGAGEMENT):
            table.wrong(None, f"a group cannot be called {name!r}: that is an axis")
        group = Group(name, self._rules(table, axis, name), self._limit(table))
        table.done()
        return group

    def _limit(self, table: Table) -> Limit | None:
        items = table.items("limit")
        if not table.has("limit"):
            return None
        values = [item for _, item in items]
        if len(values) != 2 or not all(is_integer(value) for value in values):
            table.wrong("limit", "is not a range", "[lowest, highest], both whole numbers")
            return None
        if not -MAX_POINTS <= values[0] <= 0 <= values[1] <= MAX_POINTS:
            table.wrong("limit", f"{values} does not hold 0", "[lowest, highest] with lowest <= 0 <= highest")
            return None
        return Limit(values[0] * POINT, values[1] * POINT)

    def _rules(self, table: Table, axis: str, group: str | None) -> tuple[Rule, ...]:
        found = []
        for item in table.tables("rules", required=True):
            rule = self._rule(item, axis, group)
            item.done()
            if rule is None:
                continue
            if rule.id in self.lines:
                item.wrong("id", f"{rule.id!r} is used twice, first on line {self.lines[rule.id]}")
            else:
                self.lines[rule.id] = self._problems.line(item.path) or 0
                found.append(rule)
        return tuple(found)

    def _rule(self, table: Table, axis: str, group: str | None) -> Rule | None:
        rule_id = table.name("id", required=True)
        points = self._points(table, required=not table.has("bands"))
        when = self._when(table, required=axis == FIT)
        if axis == FIT:
            self._refuse(table, ("event", *_EVENT_KEYS), "is for engagement rules")
            return None if rule_id is None else Rule(rule_id, axis, points or 0, group, when)
        event = table.choice("event", self._events, required=True)
        bands = self._bands(table)
        rule = Rule(
            rule_id or "",
            axis,
            points or 0,
            group,
            when,
            event,
            table.choice("count", ("once", "each")) or "once",
            table.integer("at_least", low=1, high=MAX_COUNT) or 1,
            table.duration("within"),
            bands,
            self._max_points(table, points),
            self._decay(table.table("decay")),
            table.choice("until", self._events),
        )
        self._contradictions(table, rule)
        return None if rule_id is None else rule

    def _points(self, table: Table, *, required: bool) -> int | None:
        points = table.integer("points", low=-MAX_POINTS, high=MAX_POINTS, required=required)
        if points == 0:
            table.wrong("points", "0 points say nothing", "a whole number other than 0")
        return None if points is None else points * POINT

    def _when(self, table: Table, *, required: bool) -> Condition | None:
        or_unknown = table.raw("or_unknown")
        if or_unknown is not None and not isinstance(or_unknown, bool):
            table.wrong("or_unknown", f"{or_unknown!r} is neither true nor false", "true or false")
        when = table.table("when", required=required)
        if when is None:
            if or_unknown is not None:
                table.wrong("or_unknown", "has no `when` to speak of")
            return None
        return self._conditions.read(when, or_unknown=or_unknown is True)

    def _refuse(self, table: Table, keys: Sequence[str], message: str) -> None:
        for key in keys:
            if table.has(key):
                table.raw(key)
                table.wrong(key, message)

    def _max_points(self, table: Table, points: int | None) -> int | None:
        value = table.integer("max_points", low=-MAX_POINTS, high=MAX_POINTS)
        if value is None:
            return None
        if value == 0 or (points is not None and (value > 0) != (points > 0)):
            table.wrong("max_points", f"{value} has not the sign of the points")
            return None
        return value * POINT

    def _decay(self, table: Table | None) -> Decay | None:
        if table is None:
            return None
        half_life, life = table.duration("half_life"), table.duration("life")
        step, every = table.percent("step"), table.duration("every")
        table.done()
        shapes = [key for key in ("half_life", "life", "step") if table.has(key)]
        if len(shapes) != 1 or (table.has("every") and shapes != ["step"]):
            table.wrong(None, "is not one decay", "one of half_life, life, or step with every")
        elif half_life is not None:
            return HalfLife(half_life)
        elif life is not None:
            return LinearDecay(life)
        elif not table.has("every"):
            table.wrong(None, "`every` is missing", 'a duration such as "30d"')
        elif step is not None and every is not None:
            return StepDecay(step, every)
        return None

    def _bands(self, table: Table) -> tuple[Band, ...]:
        if not table.has("bands"):
            return ()
        self._refuse(table, _BANDS_EXCLUDE, "stands beside bands, which say it themselves")
        bands = []
        for item in table.tables("bands"):
            at_least = item.integer("at_least", low=1, high=MAX_COUNT, required=True)
            points = self._points(item, required=True)
            bands.append(Band(at_least or 1, item.duration("within"), points or 0))
            item.done()
        if not bands:
            table.wrong("bands", "is empty", "at least one { at_least = …, points = … }")
        return tuple(bands)

    def _contradictions(self, table: Table, rule: Rule) -> None:
        """Keys that are right alone and wrong together."""
        if rule.count == "each" and table.has("at_least"):
            table.wrong("at_least", 'gives its points once and cannot stand beside count = "each"')
        if table.has("max_points") and rule.count == "once":
            table.wrong("max_points", 'caps a sum and needs count = "each"')
        if rule.until is not None and rule.until == rule.event:
            table.wrong("until", "is the rule's own event")
