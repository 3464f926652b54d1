"""Retention: once a day, what has been over for long enough is let go."""

from __future__ import annotations

from sync.context import Context
from sync.mirror import retention


def prune(ctx: Context) -> dict[str, int]:
    """Let go of what is over, by the clocks of `[retention]`; rows per table."""
    with ctx.mirror.write() as conn:
        return retention.prune(conn, ctx.settings.retention.model_dump(), ctx.run.now)


def daily(ctx: Context) -> dict[str, int]:
    """The same, unless it was done in the last day."""
    with ctx.mirror.read() as conn:
        if not retention.due(conn, ctx.run.now):
            return {}
    return prune(ctx)
