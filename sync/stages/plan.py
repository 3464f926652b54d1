"""Plans: what write-back would do this moment, and the words by which it may.

A plan *is* the late decision over everything that is open, made on live reads; an item of it may drop out
when it is carried out, never change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.records import Live, RecordRef
from sync.context import Context
from sync.core.cases import MACHINE, Decision, Leave, SetField, Target
from sync.core.guard import Blast, Blocked, Limits, blocked_by
from sync.mirror import audit, books, outbox, plans, routing, sending, wants
from sync.mirror.backup import RESTORE_EPOCH
from sync.mirror.engine import Connection
from sync.mirror.outbox import Row
from sync.mirror.plans import Item
from sync.mirror.runs import get_meta, set_meta
from sync.mirror.unshown import SCORED
from sync.reports import SCHEMA_VERSION, RunProblem, exit_code_of
from sync.stages.late import decide_late, load_facts, read_live
from sync.stages.preflight import preflight
from sync.stages.targets import Targets, approval_keys, our_users

DAY = 86_400
LIVE_BEFORE = "writeback.live_records"
"""How many live records the mirror had when something was last written."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan."""

    intent_id: str
    person_id: str
    crm: str
    object: str
    id: str
    field: str
    before: str | None
    after: str | None
    policy: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in `plan --json`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Left:
    """Something open that would not be written, and why."""

    row: Row
    decision: Decision
    live: Live

    @property
    def reason(self) -> str:
        """In words."""
        return "" if isinstance(self.decision, SetField) else self.decision.reason


@dataclass(slots=True)
class PlanView:
    """A plan. `state`: "open" (shown only), "pending" (waits for approval). `later`: joins the next plan."""

    digest: str
    changes: list[Change]
    blocked_by: list[str]
    state: str = "open"
    left: list[Left] = field(default_factory=list)
    later: list[Change] = field(default_factory=list)
    problems: list[RunProblem] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The exit code of `plan`: looking is fine, whatever limits the plan exceeds."""
        return exit_code_of(problem.exit_code for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """The contract of `plan --json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "digest": self.digest,
            "state": self.state,
            "changes": [change.to_json() for change in self.changes],
            "blocked_by": self.blocked_by,
            "left": [
                {"intent_id": left.row.id, "field": left.row.field, "reason": left.reason}
                for left in self.left
            ],
            "later": [change.to_json() for change in self.later],
            "problems": [problem.to_json() for problem in self.problems],
        }


def make_plan(ctx: Context, *, save: bool) -> PlanView:
    """What would be written now, by live reads. `save`: keep it, so that `apply DIGEST` can carry it out.

    While a plan waits for approval it is the one shown, less what would drop out of it now (`left`); what
    came later is in `later`. Raises what the connectors raise about an account.
    """
    with ctx.mirror.read() as conn:
        waiting = plans.pending(conn)
        targets = Targets(ctx.settings, routing.owners(conn), our_users(conn))
    problems, stopped = [], set()
    for connector in ctx.connectors.values():
        found = preflight(ctx, connector, targets)
        problems += found.problems
        stopped |= {(connector.crm, name) for name in found.stopped}
    unsent = sending.open_ones(ctx.connectors, stopped, ("queued", "quiet"))
    fresh = live_plan(ctx, targets, sending.pages(ctx.mirror, unsent))
    fresh.problems = problems
    if waiting:
        held = sending.held_by(waiting[0].digest, ctx.connectors, stopped)
        current = live_plan(ctx, targets, sending.pages(ctx.mirror, held))
        return PlanView(
            digest=waiting[0].digest,
            changes=current.changes,
            blocked_by=waiting[0].blocked_by,
            state="pending",
            left=[*current.left, *fresh.left],
            later=fresh.changes,
            problems=problems,
        )
    if save and fresh.changes:
        save_plan(ctx, fresh, pending=False)
    return fresh


@dataclass(slots=True)
class Weighed:
    """What the limits look at: fields that follow the score of everybody are only counted.

    `rows`: all other intents, each with its target and the value it would replace.
    """

    scored: int = 0
    rows: list[tuple[Row, Target | None, str | None]] = field(default_factory=list)

    def add(self, row: Row, target: Target | None, value: str | None) -> None:
        """One more write."""
        if row.policy == MACHINE and row.purpose in SCORED:
            self.scored += 1
        else:
            self.rows.append((row, target, value))


def live_plan(ctx: Context, targets: Targets, parts: Iterable[Sequence[Row]]) -> PlanView:
    """The late decision over these intents, part by part, and which limits they exceed."""
    changes: list[Change] = []
    left: list[Left] = []
    weighed = Weighed()
    texts: dict[str, str] = {}  # one reason is said of many people
    for rows in parts:
        for row, live, target, decision in _decided(ctx, targets, rows):
            value = live.values.get(row.field)
            if isinstance(decision, SetField):
                why = _why(row, decision)
                changes.append(_change(row, value, texts.setdefault(why, why)))
                weighed.add(row, target, value)
            else:
                left.append(Left(row, decision, live))
    with ctx.mirror.read() as conn:
        blocked = exceeded(ctx, conn, weighed)
    digest = plans.digest_of(
        (c.intent_id, c.crm, c.object, c.id, c.field, c.before, c.after) for c in changes
    )
    return PlanView(digest, changes, [one.sentence for one in blocked], left=left)


def _decided(
    ctx: Context, targets: Targets, rows: Sequence[Row]
) -> Iterator[tuple[Row, Live, Target | None, Decision]]:
    """Each of these intents with the live state of its record and what to do about it now."""
    for crm, connector in ctx.connectors.items():
        mine = [row for row in rows if row.crm == crm]
        lives: Mapping[RecordRef, Live] = read_live(connector, mine)
        with ctx.mirror.read() as conn:
            facts = load_facts(conn, mine, crm, ctx.run.now)
        for row in mine:
            yield row, lives[row.ref], *decide_late(ctx, targets, row, lives[row.ref], facts)


def exceeded(ctx: Context, conn: Connection, weighed: Weighed) -> tuple[Blocked, ...]:
    """Which limits these writes exceed."""
    if not weighed.rows and not weighed.scored:
        return ()  # nothing is counted for nothing
    setting = ctx.settings.limits
    limits = Limits(
        setting.first_run_needs_approval or _is_restored(conn),
        setting.records_per_run,
        setting.share_of_people,
        setting.per_owner_per_day,
    )
    people_work_by = [row for row, _, _ in weighed.rows if row.policy != MACHINE]
    population, live_now = wants.population(conn)
    owners = dict(books.owner_load(conn, ctx.run.now - DAY))
    for row in people_work_by:
        if row.purpose == "owner" and row.desired_value:
            key = (row.crm, row.desired_value)
            owners[key] = owners.get(key, 0) + 1
    coming = {row.desired_value for row in people_work_by if row.purpose == "owner"}
    blast = Blast(
        changes=weighed.scored + len(weighed.rows),
        records=len({row.ref for row in people_work_by}),
        people=len({row.person_id for row in people_work_by}),
        population=population,
        approved=plans.approved(conn, approval_keys(ctx)),
        owners={f"{crm} {owner}": number for (crm, owner), number in owners.items() if owner in coming},
        demotions=sum(value in target.demote_from for _, target, value in weighed.rows if target is not None),
        clears=sum(row.desired_value is None for row in people_work_by),
        live_now=live_now,
        live_before=int(get_meta(conn, LIVE_BEFORE) or 0),
    )
    return blocked_by(blast, limits)


def _is_restored(conn: Connection) -> bool:
    """Whether the mirror was put back from a copy and nobody has approved anything since."""
    return get_meta(conn, RESTORE_EPOCH) is not None and not plans.any_approval(conn)


def save_plan(ctx: Context, plan: PlanView, *, pending: bool) -> None:
    """Keep a plan; a pending one holds its intents back until somebody releases it."""
    items = (Item(change.intent_id, change.before, change.after) for change in plan.changes)
    with ctx.mirror.write(durable=True) as conn:
        plans.save(
            conn,
            plan.digest,
            items,
            pending=pending,
            blocked_by=plan.blocked_by,
            keys=approval_keys(ctx),
            now=ctx.run.now,
        )
    plan.state = "pending" if pending else "open"
    ctx.world.reached("plan.saved")


def approve(ctx: Context, digest: str | None = None, *, by: str = "operator") -> str:
    """Release a plan (the one that waits when no digest is given); returns its full digest.

    Nothing is sent from here: `write_back(ctx, on_problem, digest=…)` carries it out. Raises NoSuchPlan,
    SeveralPlans, PlanOver.
    """
    with ctx.mirror.write(durable=True) as conn:
        plans.expire(conn, ctx.run.run_id, ctx.run.now)
        chosen = plans.choose(conn, digest)
        released = plans.release(conn, chosen, ctx.run.now)
        set_meta(conn, LIVE_BEFORE, str(wants.population(conn)[1]))
        entry = audit.Entry("approve", f"plan.{chosen}", {"intents": released})
        audit.append(conn, [entry], at=ctx.run.now, run_id=ctx.run.run_id, actor=by)
    return chosen


def reject(ctx: Context, digest: str | None = None, *, by: str = "operator") -> str:
    """Drop a plan and what it holds; returns its full digest. Raises NoSuchPlan, SeveralPlans, PlanOver."""
    with ctx.mirror.write(durable=True) as conn:
        chosen = plans.choose(conn, digest)
        dropped = plans.reject(conn, chosen, ctx.run.run_id, ctx.run.now)
        for row in outbox.by_ids(conn, dropped).values():
            routing.settle(conn, row)
        entry = audit.Entry("reject", f"plan.{chosen}", {"intents": len(dropped)})
        audit.append(conn, [entry], at=ctx.run.now, run_id=ctx.run.run_id, actor=by)
    return chosen


def gate(
    ctx: Context,
    targets: Targets,
    stopped: frozenset[tuple[str, str]],
    on_left: Callable[[Sequence[Left]], None],
    on_problem: Callable[[RunProblem], None],
) -> bool:
    """Whether new intents may go out unasked. If not, they are frozen as a plan that waits for approval.

    What drops out of such a plan is handed to `on_left`. While one plan waits, what exceeds a limit as
    well stays queued and joins the next.
    """
    fresh = sending.unreleased(ctx.connectors, stopped)
    weighed = Weighed()
    for rows in sending.pages(ctx.mirror, fresh):
        for row in rows:
            weighed.add(row, targets.of_row(row), row.base_value)
    with ctx.mirror.read() as conn:
        blocked = exceeded(ctx, conn, weighed)
        waiting = plans.pending(conn)
    if not blocked:
        if weighed.rows or weighed.scored:
            _remember_size(ctx)
        if waiting:
            on_problem(_needs_approval(waiting[0].digest, waiting[0].blocked_by))
        return True
    if not waiting:
        plan = live_plan(ctx, targets, sending.pages(ctx.mirror, fresh))
        on_left([left for left in plan.left if not _only_waits(left)])
        if not plan.blocked_by:
            return True
        save_plan(ctx, plan, pending=True)
        on_problem(_needs_approval(plan.digest, plan.blocked_by))
    else:
        on_problem(_needs_approval(waiting[0].digest, waiting[0].blocked_by))
    return False


def _only_waits(left: Left) -> bool:
    return isinstance(left.decision, Leave) and left.decision.until_ms is not None


def _remember_size(ctx: Context) -> None:
    with ctx.mirror.write() as conn:
        set_meta(conn, LIVE_BEFORE, str(wants.population(conn)[1]))


def _needs_approval(digest: str, reasons: Sequence[str]) -> RunProblem:
    remedy = f"look at it with `mqlsync plan`, then `mqlsync approve {digest}`"
    return RunProblem("APPROVAL_NEEDED", "", "; ".join(reasons), remedy, 6)


def _why(row: Row, decision: SetField) -> str:
    """Why it was decided, and, where the record has changed since, why it still holds."""
    return row.reason if row.reason.endswith(decision.reason) else f"{row.reason}; {decision.reason}"


def _change(row: Row, before: str | None, reason: str) -> Change:
    return Change(
        intent_id=row.id,
        person_id=row.person_id,
        crm=row.crm,
        object=row.object,
        id=row.record_id,
        field=row.field,
        before=before,
        after=row.desired_value,
        policy=row.policy,
        reason=reason,
    )
