"""The sweep: compare all ids of an object with ours, to find what went, or came, without a trace.

Whatever differs is asked for by id, so the CRM itself says what became of each record. A sweep that would
bury more than `pull.sweep_limit` of the records buries none and asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from connectors.base import Connector
from connectors.errors import NotOffered, RightMissing
from connectors.records import Feed
from sync.context import Context
from sync.core.codes import prefixed
from sync.mirror import store, sweeps
from sync.mirror.runs import get_meta, set_meta
from sync.reports import FeedCounts, RunProblem

BATCH: Final = 100
"""Records asked for at once."""

ALWAYS_ALLOWED: Final = 5
"""So few records may go whatever their share is."""


RESUMABLE: Final = 86_400
"""Seconds: a listing that began longer ago is not gone on with, its first ids being too old."""


def sweep(
    ctx: Context,
    connector: Connector,
    feed: Feed,
    counts: FeedCounts,
    on_problem: Callable[[RunProblem], None],
) -> int:
    """Sweep one object; adds to `counts` (calls are counted by the caller). The number of problems.

    A listing that was cut short goes on behind the last id that is noted.
    """
    try:
        found = _listed(ctx, connector, feed)
    except (NotOffered, RightMissing):
        if feed.optional:
            return 0  # as with the feed itself, which an account need not have
        raise
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


def _listed(ctx: Context, connector: Connector, feed: Feed) -> sweeps.Differences:
    """List all ids of the object there, and compare them with ours."""
    key = f"sweep:{feed.name}"
    with ctx.mirror.write() as conn:
        after, began = _place(get_meta(conn, key), ctx.run.now)
        if not after:
            sweeps.begin(conn, feed.crm, feed.object)
    for ids in connector.ids(feed.object, after):
        with ctx.mirror.write() as conn:
            sweeps.note(conn, feed.crm, feed.object, ids)
            if ids:
                set_meta(conn, key, json.dumps({"after": ids[-1], "began": began}))
    with ctx.mirror.write() as conn:
        found = sweeps.compare(conn, feed.crm, feed.object)
        sweeps.begin(conn, feed.crm, feed.object)
        set_meta(conn, key, None)
    return found


def _place(noted: str | None, now: int) -> tuple[str, int]:
    """(the last id of a listing to go on with, or "", and when it began)."""
    known = json.loads(noted) if noted else {}
    if now - known.get("began", 0) > RESUMABLE:
        return "", now
    return known["after"], known["began"]
