"""`sla`: how soon sales acts on what was handed over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from config.world import epoch, iso_z
from sync.cli.options import command
from sync.cli.session import Session
from sync.cli.times import shown
from sync.core.counted import some
from sync.core.owner import normal_email
from sync.mirror import clocks
from sync.mirror.clocks import Clock, OfOwner
from sync.mirror.handoffs import DAY
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)

OWNERS = ("owner", "handed", "touched", "open", "overdue", "breached")
LISTED = ("person", "who", "owner", "state", "since (UTC)", "due (UTC)", "touched (UTC)", "by")


@command(app, "sla")
def sla(
    session: Session,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="EMAIL", help="Only what this colleague was given.")
    ] = None,
    days: Annotated[
        int,
        typer.Option(
            "--days", metavar="N", min=0, max=3650, help="Hand-offs of so many days; open ones always."
        ),
    ] = 30,
    all_: Annotated[bool, typer.Option("--all", help="List touched and closed hand-offs too.")] = False,
) -> int:
    """Who was handed MQLs, until when somebody ought to have acted, and who did."""
    now = epoch(session.world.now())
    with session.app() as opened, opened.mirror.read() as conn:
        found = clocks.listed(conn, now - days * DAY)
    if owner is not None:
        found = [clock for clock in found if clock.owner == normal_email(owner)]
    counted = clocks.by_owner(found, now)
    if session.options.json:
        session.out.json(
            {
                "schema_version": SCHEMA_VERSION,
                "owners": [one._asdict() for one in counted],
                "hand_offs": [_json(clock, now) for clock in found],
            }
        )
        return 0
    _show(session, found, counted, now, everything=all_)
    return 0


def _json(clock: Clock, now: int) -> dict[str, Any]:
    """One hand-off of `sla --json`."""
    return {
        "person_id": clock.person_id,
        "name": clock.name,
        "email": clock.email,
        "owner": clock.owner,
        "state": clock.state(now),
        "breached": clock.breached(now),
        "started_at": iso_z(clock.started_at),
        "due_at": iso_z(clock.due_at),
        "touched_at": iso_z(clock.touched_at),
        "touched_by": clock.touched_by,
        "closed_at": iso_z(clock.closed_at),
        "earlier": [
            {**past, "started_at": iso_z(past["started_at"]), "due_at": iso_z(past["due_at"])}
            for past in json.loads(clock.earlier or "[]")
        ],
    }


def _show(
    session: Session, found: Sequence[Clock], counted: Sequence[OfOwner], now: int, *, everything: bool
) -> None:
    listed = [clock for clock in found if everything or clock.state(now) in ("open", "overdue")]
    rows = [
        (
            clock.name,
            clock.email or clock.person_id,
            clock.owner or "(nobody in particular)",
            clock.state(now),
            shown(clock.started_at),
            shown(clock.due_at),
            shown(clock.touched_at),
            clock.touched_by,
        )
        for clock in listed
    ]
    session.out.table(LISTED, rows)
    session.out.table(
        OWNERS, [(one.owner or "(nobody in particular)", *one[1:]) for one in counted], OWNERS[1:]
    )
    breached = sum(one.breached for one in counted)
    session.out.say(f"{some(len(found), 'hand-off')}, {breached:,} not touched in time")
