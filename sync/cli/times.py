"""Moments on the command line and in tables."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

from config.world import epoch, from_epoch


def moment(text: str | None) -> int | None:
    """`2026-11-22`, `2026-11-22T07:35:32Z` or with an offset → epoch seconds; without a zone it is UTC."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no moment; write 2026-11-22 or 2026-11-22T07:35:32Z") from None
    return epoch(found if found.tzinfo else found.replace(tzinfo=UTC))


def shown(seconds: int | None) -> str:
    """A moment in a table, UTC, to the minute."""
    return "" if seconds is None else f"{from_epoch(seconds):%Y-%m-%d %H:%M}"


def ago(seconds: float | None) -> str:
    """An age that can be read at a glance."""
    if seconds is None:
        return "never"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"
