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

import functools
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CompoundSelect, FromClause, Insert, Select, Table, insert, select

from scoring.compile.decision import select_decision
from scoring.compile.events import event_tables, select_event, select_seen
from scoring.compile.rules import event_hits, fit_hits
from scoring.compile.sums import AxesSelect, select_groups, select_hits
from scoring.compile.tables import AXES, CRMS, DECISION, GROUP, HIT, SEEN
from scoring.model import Model, Rule
from scoring.operators import condition_sql

__all__ = ["CRMS", "Program", "Stage", "Step", "compile_model", "moments"]


@dataclass(frozen=True)
class Step:
    """Fill one temporary table from one select."""

    table: Table
    select: Select[Any] | CompoundSelect[Any]

    @functools.cached_property
    def statement(self) -> Insert:
        """INSERT … SELECT, built once."""
        return insert(self.table).from_select([column.name for column in self.table.columns], self.select)


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps that belong together; their rows are counted together."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, in order, and where the results lie.

    The statements take the parameters of `moments`. `decision` has one row per person; `hits` selects the
    parts of every score, limit rows included: person_id, rule, axis, group, points, count, first_at,
    last_at, sources.
    """

    model: Model
    tables: tuple[Table, ...]
    stages: tuple[Stage, ...]
    decision: Table
    hits: CompoundSelect[Any]


def moments(as_of: int, known_at: int) -> dict[str, int]:
    """The parameters of a program: score as of a moment, with what was known at another."""
    return {"as_of": as_of, "known_at": known_at}


def compile_model(model: Model, people: FromClause, engagements: FromClause) -> Program:
    """The program that scores exactly `people`; it may be kept and run at any moment."""
    events = event_tables(model)
    event_steps = [
        Step(table, select_event(model.event(name), bit)) for bit, (name, table) in enumerate(events.items())
    ]
    hit_steps = [
        Step(HIT, _hits(model, rule, part, people, events))
        for part, (_, group) in enumerate(model.groups)
        for rule in group.rules
    ]
    stages = (
        Stage("seen", (Step(SEEN, select_seen(model, events, engagements)),)),
        Stage("events", tuple(event_steps)),
        Stage("hits", tuple(hit_steps)),
        Stage("groups", (Step(GROUP, select_groups(model)),)),
        Stage("axes", (Step(AXES, AxesSelect(model, people, events).build()),)),
        Stage("decision", (Step(DECISION, select_decision(model)),)),
    )
    tables = (SEEN, *events.values(), HIT, GROUP, AXES, DECISION)
    return Program(model, tables, stages, DECISION, select_hits(model))


def _hits(model: Model, rule: Rule, part: int, people: FromClause, events: dict[str, Table]) -> Select[Any]:
    """The hits of one rule."""
    if rule.event is None:
        return fit_hits(rule, part, people, model.lists)
    who = None
    if rule.when is not None:
        who = select(people.c.person_id).where(condition_sql(rule.when, people, model.lists))
    until = events[rule.until] if rule.until else None
    return event_hits(rule, part, events[rule.event], until, who)
