"""An MQL that nobody touched in time goes on to the next in turn, where that is configured.

Only what is ours to move: every record of the person has the owner that this spell set, proved and still
standing in the mirror, nobody is known to have acted, and nothing is under way. The new owner is an ordinary
change with its turn: limits look at it, and the late decision asks the same questions of the live record.
"""

from __future__ import annotations

from collections.abc import Sequence

from config.world import from_epoch
from sync.context import Context
from sync.core.cases import REASSIGN, Why, same_owner
from sync.mirror import handoffs, passing, proofs, routing, wants
from sync.mirror.engine import Connection
from sync.mirror.handoffs import Overdue
from sync.mirror.outbox import NewIntent
from sync.mirror.passing import History
from sync.mirror.wants import Held
from sync.stages.assign import Assigner, Assignment
from sync.stages.sla import due
from sync.stages.targets import Place, Targets, places


def pass_on(ctx: Context, conn: Connection, targets: Targets) -> list[NewIntent]:
    """New owners for MQLs that are overdue for long enough, with their turns reserved."""
    every = places(ctx.settings, ctx.connectors)
    owner_places = {(place.crm, place.object): place for place in every if place.purpose == "owner"}
    patience = ctx.settings.sla.reassign_after
    if not patience or not owner_places or not ctx.settings.routing.pools:
        return []
    late = {one.spell_id: one for one in _late(ctx, conn, targets, patience)}
    fields = [(crm, name, place.policy.field) for (crm, name), place in owner_places.items()]
    groups = wants.owners_held(conn, fields, late) if late else {}
    history = passing.history(conn, groups)
    assigner = Assigner(ctx, conn, targets)
    intents: list[NewIntent] = []
    turns = []
    for spell_id, group in groups.items():
        if not _is_ours(ctx, conn, targets, group, owner_places, history[spell_id]):
            continue
        chosen = assigner.next_after(group, _had_it(targets, late[spell_id], history[spell_id]))
        if chosen is None or chosen.turn is None:
            continue
        turns.append(chosen.turn)
        intents += _intents(ctx, group, owner_places, chosen, late[spell_id])
    routing.reserve(conn, turns, ctx.run.now)
    return intents


def _late(ctx: Context, conn: Connection, targets: Targets, patience: int) -> list[Overdue]:
    """Hand-offs that have been overdue for so long, in working hours, and that nobody acted on."""
    found = [
        one
        for one in handoffs.overdue(conn, ctx.run.now)
        if due(ctx, targets, one.owner, one.due_at, patience) < ctx.run.now
    ]
    acted_on = handoffs.acted_on(conn, {one.spell_id for one in found})
    return [one for one in found if one.spell_id not in acted_on]


def _is_ours(
    ctx: Context,
    conn: Connection,
    targets: Targets,
    group: Sequence[Held],
    owner_places: dict[tuple[str, str], Place],
    history: History,
) -> bool:
    """Whether every record still has the owner that this spell set, and it may go on once more."""
    if history.under_way or history.rounds >= ctx.settings.sla.rounds or Why.HUMAN in history.ends:
        return False
    proved = proofs.verified_values(conn, [held.ref for held in group])
    for held in group:
        field = owner_places[held.crm, held.object].policy.field
        verified = proved.get((held.ref, field))
        if (held.ref, field) in routing.proved_before(conn, {held.ref: held.spell_id}):
            return False
        if verified is None or not verified.value or not same_owner(held.owner_id or "", verified.value):
            return False
        if held.owner_id in targets.free[held.crm]:
            return False  # nobody in particular: there is no one to take it from
    return True


def _had_it(targets: Targets, late: Overdue, history: History) -> set[str]:
    """The humans who had this MQL already."""
    owners = (targets.by_id(crm, owner_id) for crm, owner_id in history.owners)
    humans = {targets.human(owner.email) for owner in owners if owner is not None and owner.email}
    return humans | ({late.owner} if late.owner else set())


def _intents(
    ctx: Context,
    group: Sequence[Held],
    owner_places: dict[tuple[str, str], Place],
    chosen: Assignment,
    late: Overdue,
) -> list[NewIntent]:
    since = f"{from_epoch(late.due_at):%Y-%m-%d %H:%M} UTC"
    reason = f"nobody touched it until {since}; {chosen.reason}"
    return [
        NewIntent(
            id=ctx.world.new_id(),
            person_id=held.person_id,
            spell_id=held.spell_id,
            crm=held.crm,
            object=held.object,
            record_id=held.id,
            purpose="owner",
            field=owner_places[held.crm, held.object].policy.field,
            policy=REASSIGN,
            base_value=held.owner_id,
            desired_value=chosen.owner_ids[held.ref],
            reason=reason,
            model_hash=held.model_hash,
        )
        for held in group
    ]
