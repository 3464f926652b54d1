"""The sweep: compare all ids of an object with ours, to find what went, or came, without a trace.

Whatever differs is asked for by id, so the CRM itself says what became of each record. A sweep that would
bury more than `pull.sweep_limit` of the records buries none and asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from connectors.base import Connector
from connectors.records import Feed
from sync.context import Context
from sync.mirror import store, sweeps
from sync.reports import FeedCounts, RunProblem
from sync.stages.trouble import prefixed

BATCH: Final = 100
"""Records asked for at once."""

ALWAYS_ALLOWED: Final = 5
"""So few records may go whatever their share is."""


def sweep(
    ctx: Context,
    connector: Connector,
    feed: Feed,
    counts: FeedCounts,
    on_problem: Callable[[RunProblem], None],
) -> int:
    """Sweep one object; adds to `counts` (calls are counted by the caller). The number of problems."""
    with ctx.mirror.write() as conn:
        sweeps.begin(conn, feed.crm, feed.object)
    for ids in connector.ids(feed.object):
        with ctx.mirror.write() as conn:
            sweeps.note(conn, feed.crm, feed.object, ids)
    with ctx.mirror.write() as conn:
        found = sweeps.compare(conn, feed.crm, feed.object)
        sweeps.begin(conn, feed.crm, feed.object)
    allowed = max(ALWAYS_ALLOWED, int(ctx.settings.pull.sweep_limit * found.live))
    if len(found.missing) > allowed:
        message = f"{len(found.missing)} of {found.live} {feed.object} records are not there any more"
        remedy = (
            "look in the CRM; if that is right, raise [pull] sweep_limit in mqlsync.toml for one --full run"
        )
        on_problem(RunProblem(prefixed(feed.crm, "SWEEP_LIMIT"), feed.crm, message, remedy, 6))
        return 1
    wanted = (*found.missing, *found.unknown)
    for start in range(0, len(wanted), BATCH):
        page = connector.fetch(feed.object, wanted[start : start + BATCH])
        with ctx.mirror.write() as conn:
            stored = store.save_rows(conn, page, ctx.run, direct=True)
        stored.calls = 0
        counts.add(stored)
    return 0
