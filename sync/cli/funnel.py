"""`funnel`: how many people get how far, how soon, from where, and why not further."""

from __future__ import annotations

from typing import Annotated

import typer

from config.world import epoch, iso_z
from sync.cli.errors import UsageFault
from sync.cli.options import command
from sync.cli.output import Output
from sync.cli.session import Session
from sync.cli.times import moment
from sync.cli.words import one_of, unknown
from sync.core.counted import some
from sync.mirror.funnel import BY, STAGES, Funnel, Part, funnel
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app, "funnel")
def show(
    session: Session,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Only people whom a CRM knows since then."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="WHAT", help=f"A line for each {', '.join(BY)}.", autocompletion=one_of(BY)
        ),
    ] = None,
) -> int:
    """How many people became MQLs, were accepted by sales, got an opportunity, were won, and how soon.

    Each stage counts those who went through the ones before it; its rate is the share of the stage before.
    """
    if by is not None and by not in BY:
        raise UsageFault(unknown("way to group by called", by, BY))
    start, now = moment(since), epoch(session.world.now())
    with session.app() as opened, opened.mirror.read() as conn:
        found = funnel(conn, since=start, by=by, now=now)
    if session.options.json:
        session.out.json(
            {
                "schema_version": SCHEMA_VERSION,
                "since": iso_z(start),
                "by": by,
                "total": found.total.to_json(),
                "parts": [part.to_json() for part in found.parts],
                "rejections": [{"reason": reason, "people": count} for reason, count in found.rejections],
            }
        )
    else:
        _show(session.out, found, by)
    return 0


def _show(out: Output, found: Funnel, by: str | None) -> None:
    total = found.total
    rows = [(name, total.reached[name], _share(total, name), total.days[name]) for name in STAGES]
    out.table(
        ("stage", "people", "of the stage before", "median days"),
        rows,
        ("people", "of the stage before", "median days"),
    )
    if total.passed_by:
        out.line(f"{some(total.passed_by, 'person')} got an opportunity without having been an MQL", "note")
    if by:
        out.line()
        parts = sorted(found.parts, key=lambda part: part.name) if by == "month" else found.parts
        columns = (by, *STAGES, "mql rate", "won rate", "days to mql", "days to won")
        out.table(columns, [_part(part) for part in parts], columns[1:])
    if found.rejections:
        out.line()
        out.table(("given back because", "people"), found.rejections, ("people",))


def _part(part: Part) -> tuple[object, ...]:
    won = part.reached["won"] / part.reached["mql"] if part.reached["mql"] else None
    rates = (_percent(part.rate("mql")), _percent(won))
    return (part.name, *part.reached.values(), *rates, part.days["mql"], part.days["won"])


def _share(part: Part, stage: str) -> str:
    return _percent(part.rate(stage))


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
