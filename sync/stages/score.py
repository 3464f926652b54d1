"""Score whom something happened to, and let the scores open and close spells.

1. Publish models that were never seen; stop when a published one was edited.
2. Choose whom to score: touched, due by time alone, or everybody when what scores rest on has changed.
3. Per model: run its program over the scope, replace the rows, check that the parts sum to the totals.
4. Decide who enters, read every open spell once a day, decide who leaves; write the stages that follow.

All in one transaction: a killed run leaves everything as it was. A run for another moment (`as_of`,
`known_at`) moves the clock of the score only: its scores open and end no spell.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from scoring.evaluate import reads_spells
from scoring.model import Model
from sync.context import Context
from sync.core.stage import DAY, Candidate, Enter, Leave, NoteReturned, SpellRules, Wait, decide
from sync.mirror import models, overrides, scores, spells, unshown
from sync.mirror.engine import Connection
from sync.mirror.programs import SCOPE, SCOPE_WITH_FACTS, program_for, run_program, temporary
from sync.mirror.runs import PEOPLE_WENT, get_meta, set_meta
from sync.mirror.scores import Clock
from sync.reports import ScoreCounts

log = logging.getLogger(__name__)


def score(ctx: Context, *, full: bool = False) -> ScoreCounts:
    """Score touched and due people (`full`: everybody). Raises ConfigError for an edited published model."""
    ctx.world.reached("score.started")
    used = [model for model in ctx.models if model.status in ("live", "shadow")]
    with ctx.mirror.write() as conn:
        models.publish_all(conn, used, ctx.run.now)
        counts = _Scorer(ctx, conn, models.stored_names(used)).run(full)
        ctx.world.reached("score.uncommitted")
    ctx.world.reached("score.committed")
    return counts


class _Scorer:
    """One scoring run inside its transaction."""

    def __init__(self, ctx: Context, conn: Connection, used: Sequence[Model]) -> None:
        self._ctx = ctx
        self._conn = conn
        self._models = used
        self._live = [model for model in used if model.status == "live"]
        self._clock = Clock(ctx.run.now, ctx.run.as_of, ctx.run.known_at)
        self._counts = ScoreCounts()
        self._changed: set[str] = set()

    def run(self, full: bool) -> ScoreCounts:
        conn, clock = self._conn, self._clock
        basis = scores.stored_basis(conn)
        everybody = full or not basis.suffices(self._models, clock) or scores.much_touched(conn)
        new_day = everybody or basis.read != clock.now // DAY
        if everybody:
            spells.take_over(conn, self._live)
        if everybody or get_meta(conn, PEOPLE_WENT):
            self._follow_people()
            if not everybody:  # of everybody all scores are dropped below
                scores.forget_gone(conn)
        overrides.expire(conn, clock.now)
        spells.hear_again(conn)
        with temporary(conn, (SCOPE if everybody else SCOPE_WITH_FACTS,)):
            self._counts.recomputed = scores.fill_scope(conn, clock, everybody=everybody, new_day=new_day)
            self._counts.people = scores.count_people(conn)
            if everybody:
                scores.forget_all(conn)
                unshown.forget(conn)
            else:
                unshown.note(conn, scores.scope())
            entering = [(model, self._score_by(model, everybody)) for model in self._models]
            scores.show_first(conn, self._live, everybody=everybody)
            for model, candidates in entering:
                self._enter(model, candidates)
            for model in self._live:
                self._enter(model, spells.ordered_in(conn, model))
            if not clock.moved:
                spells.note_readings(conn, clock.now)
            self._leave()
            scores.show_stages(conn, everybody=everybody)
            read = any(reads_spells(model) for model in self._models)
            spells.show_stages(conn, self._changed, read=read)
        scores.finish_round(conn, self._models, clock)
        return self._counts

    def _follow_people(self) -> None:
        """People went, or became part of others: their spells and overrides end or go along."""
        conn, now = self._conn, self._clock.now
        self._counts.mql_left += spells.adopt_merged(conn, now)
        self._counts.mql_left += spells.close_gone(conn, now)
        overrides.adopt_merged(conn, now)
        set_meta(conn, PEOPLE_WENT, "yes" if spells.any_orphan(conn) else None)

    def _score_by(self, model: Model, everybody: bool) -> list[Candidate]:
        """Replace this model's scores of the scope; whom it, if live, would have enter."""
        conn, clock = self._conn, self._clock
        program = program_for(model, scoped=not everybody)
        live = [one.name for one in self._live]
        with temporary(conn, program.tables):
            rows = run_program(conn, program, as_of=clock.as_of, known_at=clock.known_at)
            log.info("scored by %s: %s", model.name, rows)
            self._ctx.progress.step(f"score {model.name}", rows["decision"], self._counts.recomputed)
            scores.replace_scores(conn, program, clock, live, everybody=everybody)
            if model not in self._live:
                return []
            return spells.entering(conn, program, is_first=live[0] == model.name)

    def _leave(self) -> None:
        """Close the spells that the evidence or two weeks of low scores end."""
        for model in self._live:
            for person in spells.leaving(self._conn, model, self._clock.now):
                action = decide(person, self._rules(model), self._clock.now)
                if isinstance(action, Wait):
                    scores.look_again(self._conn, person.person_id, model.name, action.until)
                elif isinstance(action, Leave) and person.open_spell is not None:
                    spells.close(self._conn, person.open_spell.id, self._clock.now, action.why)
                    self._changed.add(person.person_id)
                    self._counts.mql_left += 1

    def _enter(self, model: Model, candidates: Sequence[Candidate]) -> None:
        conn, clock = self._conn, self._clock
        for person in candidates:
            if person.person_id in self._changed:  # an earlier model has already decided
                continue
            action = decide(person, self._rules(model), clock.now)
            if isinstance(action, Wait):  # looked at again when the cooldown ends
                scores.look_again(conn, person.person_id, model.name, action.until)
            elif isinstance(action, NoteReturned):
                spells.note_returned(
                    conn, self._ctx.world.new_id(), person.person_id, model, action.why, clock
                )
                self._changed.add(person.person_id)
            elif isinstance(action, Enter) and (action.by == "crm" or not clock.moved):
                spells.enter(conn, self._ctx.world.new_id(), person, model, action.by, clock)
                self._changed.add(person.person_id)
                self._counts.mql_entered += 1

    def _rules(self, model: Model) -> SpellRules:
        """The model's; with a moved clock nobody leaves for a score of another time."""
        leave = None if self._clock.moved or model.mql.leave is None else model.mql.leave.after
        return SpellRules(leave, model.mql.recycle.cooldown, model.mql.recycle.needs_new is not None)
