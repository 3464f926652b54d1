"""Whether the CRMs' own sync carries over what was written in one of them only (`via_native`).

The field is written and proved in one CRM; the other is told by its vendor's sync, whose errors nobody sees
here. So the mirrored value of the other is looked at: where an hour later it still is one that ought to have
been replaced, somebody has to look at that sync.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sync.context import Context
from sync.mirror import outbox, wants
from sync.reports import RunProblem
from sync.stages.targets import Place, carried, live_models

PATIENCE: Final = 3600
"""Seconds that the vendors' sync may take; it runs every quarter of an hour at the latest."""


def check_arrivals(ctx: Context, report: Callable[[RunProblem], None]) -> None:
    """Report every field that did not arrive in time, one problem a field."""
    models = [model.name for model in live_models(ctx.models)]
    for place, carrier in carried(ctx.settings, ctx.connectors):
        with ctx.mirror.read() as conn:
            found = wants.spell_wants(
                conn,
                place.crm,
                place.object,
                place.purpose,
                place.policy.field,
                place.desired(),
                models=models,
            )
            spells = {one.spell_id for one in found if one.spell_id and _should_go(place, one.current)}
            proved = outbox.proved_spells(conn, carrier, place.purpose, spells, ctx.run.now - PATIENCE)
        late = [one for one in found if one.spell_id in proved and _should_go(place, one.current)]
        if late:
            first = late[0]
            message = (
                f"{place.object}.{place.policy.field} of {len(late)} records lacks what was written in "
                f"{carrier} over an hour ago; {first.id} still has {first.current or 'nothing'}"
            )
            remedy = "look at the errors of HubSpot's Salesforce sync, and at how it maps this field"
            report(RunProblem("NATIVE_SYNC_LATE", place.crm, message, remedy, 3))


def _should_go(place: Place, current: str | None) -> bool:
    """A value that somebody set since is theirs; only one that may be replaced tells that nothing came."""
    return place.policy.from_ is None or (current or "") in place.policy.from_
