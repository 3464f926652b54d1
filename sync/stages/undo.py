"""Undo: a plan that puts back what stood there before our writes, wherever it still is ours.

Nothing is forced: each field goes through the same late decision, guarded write and proof as any other
change, and what somebody touched since is left alone and listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sync.context import Context
from sync.core.cases import UNDO
from sync.mirror import audit, outbox, plans, routing
from sync.mirror.outbox import NewIntent, Row
from sync.mirror.plans import Item
from sync.mirror.undoing import Written
from sync.reports import SCHEMA_VERSION, RunProblem, WriteCounts
from sync.stages.plan import Change, PlanView, live_plan
from sync.stages.targets import Targets, our_users


@dataclass(frozen=True, slots=True)
class Skipped:
    """One field that stays as it is, and why."""

    crm: str
    object: str
    id: str
    field: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in `undo --json`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(slots=True)
class UndoView:
    """What would be put back, and what not. `write` once it was carried out."""

    digest: str
    changes: Sequence[Change]
    skipped: Sequence[Skipped]
    problems: Sequence[RunProblem] = ()
    write: WriteCounts | None = None

    def to_json(self) -> dict[str, Any]:
        """The contract of `undo --json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "digest": self.digest if self.changes else None,
            "changes": [change.to_json() for change in self.changes],
            "skipped": [skipped.to_json() for skipped in self.skipped],
            "problems": [problem.to_json() for problem in self.problems],
            "write": None if self.write is None else asdict(self.write),
        }


def plan_undo(ctx: Context, written: Sequence[Written], title: str, *, keep: bool = True) -> UndoView:
    """A pending plan that undoes these changes, decided on live reads; `title` says what is undone.

    Without `keep` it is only shown: nothing waits for approval afterwards.

    Raises what the connectors raise about an account.
    """
    skipped: list[Skipped] = []
    rows: list[Row] = []
    with ctx.mirror.read() as conn:
        targets = Targets(ctx.settings, routing.owners(conn), our_users(conn))
    for one in written:
        row = _reverse(ctx, one.row, title)
        reason = _why_not(ctx, one, row)
        if reason:
            skipped.append(left_alone(row, reason))
        else:
            rows.append(row)
    return ordered(ctx, targets, rows, skipped, UNDO, f"undo of {title}", keep=keep)


def _reverse(ctx: Context, row: Row, title: str) -> Row:
    return row._replace(
        id=ctx.world.new_id(),
        spell_id=None,
        policy=UNDO,
        base_value=row.desired_value,
        desired_value=row.base_value,
        reason=f"undo of {title}",
        state="queued",
        why=None,
        attempts=0,
        sent_ms=None,
        plan_digest=None,
        parent_id=row.id,
        step=None,
    )


def _why_not(ctx: Context, one: Written, row: Row) -> str:
    """Why a change is not undone, whatever stands in the CRM now; "" when it may be."""
    if one.again:
        return "a later change of ours took its place"
    if one.ambiguous:
        return "the person is ambiguous now"
    if row.crm not in ctx.connectors:
        return f"{row.crm} could not be reached"
    return ""


def left_alone(row: Row, reason: str) -> Skipped:
    """That a field stays as it is."""
    return Skipped(row.crm, row.object, row.record_id, row.field, reason)


def ordered(
    ctx: Context,
    targets: Targets,
    rows: Sequence[Row],
    skipped: Sequence[Skipped],
    policy: str,
    title: str,
    *,
    keep: bool,
) -> UndoView:
    """The pending plan of what somebody ordered, decided on live reads; without `keep` only shown.

    `skipped`: what is left alone already; what the live reads leave alone is added.
    """
    plan = live_plan(ctx, targets, [rows])
    if plan.changes and keep:
        kept = {change.intent_id for change in plan.changes}
        _save(ctx, plan, [row for row in rows if row.id in kept], policy, title)
    return UndoView(
        plan.digest, plan.changes, [*skipped, *(left_alone(left.row, left.reason) for left in plan.left)]
    )


def _save(ctx: Context, plan: PlanView, rows: Sequence[Row], policy: str, title: str) -> None:
    """The intents that somebody ordered and the plan that holds them, together or not at all."""
    intents = [NewIntent.of(row) for row in rows]
    with ctx.mirror.write(durable=True) as conn:
        outbox.add(conn, intents, run_id=ctx.run.run_id, now=ctx.run.now)
        plans.save(
            conn,
            plan.digest,
            [Item(change.intent_id, change.before, change.after) for change in plan.changes],
            pending=True,
            blocked_by=[title],
            keys=(policy, plan.digest),  # its approval approves no model and no mapping
            now=ctx.run.now,
        )
        entry = audit.Entry(policy, f"plan.{plan.digest}", {"what": title, "intents": len(intents)})
        audit.append(conn, [entry], at=ctx.run.now, run_id=ctx.run.run_id, actor="operator")
    ctx.world.reached("plan.saved")
