"""The time in which sales ought to act on an MQL: clocks start at proof, a colleague's first act stops them.

A first touch is a status that a person moved, a record that was converted, or a call, e-mail, meeting,
task or event of the owner after the hand-off. Time runs in the working hours of the owner's pool entry,
where it has some, and round the clock elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from config.hours import WorkingHours, parse_hours
from config.world import epoch
from connectors.base import Connector
from connectors.records import Author, Live
from sync.context import Context
from sync.core.authors import attribute, newest_first, wrote_last
from sync.core.owner import normal_email
from sync.mirror import handoffs, proofs
from sync.mirror.engine import Connection
from sync.mirror.handoffs import Activity, Begun, Changed
from sync.stages.targets import Targets


def keep_clocks(ctx: Context, conn: Connection, targets: Targets) -> None:
    """Start the clocks of new hand-offs, and stop those that the mirror knows to be touched or over."""
    models = {model.name: model.mql.first_touch for model in ctx.models}
    now = epoch(ctx.world.now())
    begun: list[tuple[Begun, str | None, int | None]] = []
    for one in handoffs.begun(conn):
        owner = _human(targets, one.owners or handoffs.record_owners(conn, one.person_id))
        seconds = models.get(one.model)
        due_at = None if seconds is None else due(ctx, targets, owner, one.at, seconds)
        begun.append((one, owner, due_at))
    handoffs.start(conn, begun)
    for passed in handoffs.passed_on(conn):
        owner = _human(targets, passed.owners)
        seconds = models.get(passed.model)
        due_at = None if seconds is None else due(ctx, targets, owner, passed.at, seconds)
        handoffs.restart(conn, passed, owner, due_at)
    handoffs.close_ended(conn)
    for activity in handoffs.activities(conn, now):
        if _is_owners(targets, activity):
            handoffs.touched(conn, activity.spell_id, activity.at, activity.kind)
    for spell_id, at in handoffs.converted(conn, now):
        handoffs.touched(conn, spell_id, at, "converted")


def ask_who_moved(ctx: Context, connector: Connector) -> None:
    """Ask one CRM who moved the statuses that are not ours any more; a person's move is a touch."""
    now = epoch(ctx.world.now())
    with ctx.mirror.read() as conn:
        changed = handoffs.changed_statuses(conn, connector.crm, now)
    by_field: dict[tuple[str, str], list[Changed]] = {}
    for one in changed:
        by_field.setdefault((one.ref.object, one.field), []).append(one)
    size = connector.capabilities.read_batch
    for (object_name, field), some in by_field.items():
        for begin in range(0, len(some), size):
            part = some[begin : begin + size]
            lives = connector.read(object_name, [one.ref.id for one in part], [field])
            with ctx.mirror.write() as conn:
                for one, live in zip(part, lives, strict=True):
                    _judge(conn, one, live)


def _judge(conn: Connection, one: Changed, live: Live) -> None:
    ours = proofs.our_writes(conn, [one.ref]).get((one.ref, one.field), [])
    history = newest_first(live.versions.get(one.field, ()), live.values.get(one.field) or None)
    versions = attribute(history, [write for _, write in ours])
    if live.exists and wrote_last(live, versions) is Author.PERSON:
        at_ms = versions[0].at_ms if versions else live.modified_ms
        handoffs.touched(conn, one.spell_id, at_ms // 1000, "status")
    else:
        handoffs.no_touch(conn, one)


def _human(targets: Targets, owners: Sequence[tuple[str, str]]) -> str | None:
    """The human whom the hand-off went to; None for a queue."""
    for crm, owner_id in owners:
        owner = targets.by_id(crm, owner_id)
        if owner is not None and owner.email and owner.kind == "person":
            return targets.human(owner.email)
    return None


def _is_owners(targets: Targets, activity: Activity) -> bool:
    """Whether the owner did it, or may have: nobody in particular owns it, or the CRM does not say who."""
    if activity.owner is None or activity.owner_id is None:
        return True
    owner = targets.by_id(activity.crm, activity.owner_id)
    return owner is not None and owner.email is not None and targets.human(owner.email) == activity.owner


def due(ctx: Context, targets: Targets, owner: str | None, start: int, seconds: int) -> int:
    """When so many seconds of the owner's working time have passed since `start`."""
    hours = hours_of(ctx, targets, owner)
    return start + seconds if hours is None else hours.after(start, seconds)


def hours_of(ctx: Context, targets: Targets, owner: str | None) -> WorkingHours | None:
    """The working hours of the first pool entry of this human that has some."""
    for pool in ctx.settings.routing.pools.values():
        for member in pool.members:
            if member.hours is not None and targets.human(normal_email(member.email)) == owner:
                return parse_hours(member.hours)
    return None
