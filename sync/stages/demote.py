"""Taking a lifecycle stage back, by order: a plan for one person's HubSpot contacts.

HubSpot ignores a stage that is set backwards; it is emptied and then set, each step sent and proved for
itself (`sync.core.steps`). Nothing in a sync ever does this: only an order that names stage and reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from config.errors import nearest
from connectors.records import Crm, Live, RecordRef
from sync.context import Context
from sync.core.cases import DEMOTE, shown
from sync.core.steps import Step, next_step
from sync.mirror import routing
from sync.mirror.outbox import Row
from sync.reports import RunProblem
from sync.stages.targets import Targets, our_users
from sync.stages.undo import Skipped, UndoView, left_alone, ordered

OBJECT: Final = "contacts"
FIELD: Final = "lifecyclestage"
CONFIGURATION: Final = 2  # the exit code of asking for what the CRM does not offer


@dataclass(frozen=True, slots=True)
class Demotion:
    """Somebody's order: which person's contacts go back to which stage (HubSpot's own name), and why."""

    person_id: str
    contacts: Sequence[str]
    stage: str
    reason: str
    ambiguous: bool = False


def plan_demotion(ctx: Context, order: Demotion, *, keep: bool = True) -> UndoView:
    """A pending plan that carries out this order, decided on live reads; without `keep` only shown.

    Raises what the connectors raise about an account.
    """
    connector = ctx.connectors.get(Crm.HUBSPOT)
    if connector is None:
        return _refused("HS-UNREACHABLE", "hubspot could not be reached", "run it again", 5)
    ids, stage = list(order.contacts), order.stage
    offered = connector.offered(OBJECT, FIELD)
    if offered.values is not None and stage not in offered.values:
        near = nearest(stage, offered.values)
        message = f"HubSpot does not offer the stage {stage!r}" + (f"; nearest: {near!r}" if near else "")
        return _refused(
            "VALUE_NOT_OFFERED", message, f"use one of: {', '.join(offered.values)}", CONFIGURATION
        )
    with ctx.mirror.read() as conn:
        targets = Targets(ctx.settings, routing.owners(conn), our_users(conn))
    skipped: list[Skipped] = []
    rows: list[Row] = []
    for record_id, live in zip(ids, connector.read(OBJECT, ids, [FIELD]) if ids else (), strict=True):
        row = _row(ctx, order, record_id, live)
        why = "the person is ambiguous now" if order.ambiguous else _why_not(targets, row, live)
        if why:
            skipped.append(left_alone(row, why))
        else:
            rows.append(row)
    return ordered(ctx, targets, rows, skipped, DEMOTE, f"back to {stage}: {order.reason}", keep=keep)


def _refused(code: str, message: str, remedy: str, exit_code: int) -> UndoView:
    return UndoView("", (), (), [RunProblem(code, Crm.HUBSPOT, message, remedy, exit_code)])


def _row(ctx: Context, order: Demotion, record_id: str, live: Live) -> Row:
    return Row(
        id=ctx.world.new_id(),
        person_id=order.person_id,
        spell_id=None,
        crm=Crm.HUBSPOT,
        object=OBJECT,
        record_id=record_id,
        purpose="stage",
        field=FIELD,
        policy=DEMOTE,
        base_value=live.values.get(FIELD) or None,
        desired_value=order.stage,
        reason=order.reason,
        state="queued",
        why=None,
        attempts=0,
        base_version=None,
        base_ms=None,
        sent_ms=None,
        plan_digest=None,
        model_hash="",
        parent_id=None,
    )


def _why_not(targets: Targets, row: Row, live: Live) -> str:
    """Why a stage is not taken back; "" when it may be. What moved or is gone, the late decision tells."""
    target = targets.of_row(row)
    gone = live.moved_to is not None or not live.exists or live.ref != RecordRef(*row.ref)
    if target is None or gone or row.base_value == row.desired_value:
        return ""
    if next_step(target, row.base_value, row.desired_value, None) is not Step.CLEAR:
        return f"{shown(row.base_value)} is not a later stage than {shown(row.desired_value)}"
    return ""
