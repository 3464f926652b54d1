"""`undo`: put back what stood there before our writes, wherever nobody touched it since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from sync.cli.errors import NotFound, UsageFault
from sync.cli.handing import carried_out
from sync.cli.options import command
from sync.cli.owners import OwnerNames, owner_names
from sync.cli.report import show_problems, write_line
from sync.cli.session import Session
from sync.core.counted import some
from sync.mirror import queries, undoing
from sync.mirror.engine import Connection
from sync.mirror.requests import Ask
from sync.reports import RunProblem, WriteCounts

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app, "undo")
def undo(
    session: Session,
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="A run, as `runs` shows it, or a person: an address, an id or a URL."
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Carry it out at once.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only show it: no plan waits afterwards.")
    ] = False,
) -> int:
    """Put back the values before our own, where they still are ours; what is left alone is listed with why.

    Without --yes it is a plan that waits: `approve` carries it out, `reject` drops it.
    """
    with session.app() as opened, opened.mirror.read() as conn:
        arguments = _meant(conn, what)
    answer = carried_out(session, Ask("undo", {**arguments, "now": yes, "dry_run": dry_run}))
    assert answer is not None  # it was waited for
    if session.options.json:
        session.out.json(answer.document)
    else:
        show_order(session, answer.document, "put back", dry_run=dry_run)
    return answer.exit_code


def _meant(conn: Connection, what: str) -> dict[str, Any]:
    runs = undoing.run_called(conn, what)
    if len(runs) > 1:
        raise UsageFault(f"{what} means {len(runs)} runs: give more of the id.")
    if runs:
        return {"run_id": runs[0], "person_id": "", "title": f"run {runs[0]}"}
    people = queries.find_people(conn, what)
    if not people:
        raise NotFound(f"Neither a run nor a person is known as {what}.")
    if len(people) > 1:
        raise UsageFault(f"{what} means {len(people)} people: give a person id or a record's id.")
    return {"run_id": "", "person_id": people[0], "title": f"person {people[0]}"}


def _change(change: Mapping[str, Any], called: OwnerNames) -> tuple[object, ...]:
    crm, field = change["crm"], change["field"]
    values = (called(crm, field, change[name]) for name in ("before", "after"))
    return (crm, change["object"], change["id"], field, *values)


def show_order(session: Session, view: Mapping[str, Any], verb: str, *, dry_run: bool = False) -> None:
    """What an order would change or changed ("put back", "set back"), and what it leaves alone."""
    out = session.out
    if view["changes"]:
        columns = ("crm", "object", "id", "field", "now", verb)
        with session.app() as opened:
            called = owner_names(opened)
        out.table(columns, [_change(change, called) for change in view["changes"]])
    if view["skipped"]:
        out.line(f"{len(view['skipped']):,} left alone", "warning")
        told = ("crm", "object", "id", "field", "reason")
        out.table(told, [[one[name] for name in told] for one in view["skipped"]])
    if view["write"] is not None:
        out.line(write_line(WriteCounts(**view["write"])))
    elif view["changes"] and dry_run:
        out.line(f"{some(len(view['changes']), 'field')} to {verb}; dry run, no plan was kept")
    elif view["changes"]:
        out.line(f"{some(len(view['changes']), 'field')} to {verb}, plan {view['digest']}")
        out.say(f"Carry it out with `mqlsync approve {view['digest']}`, drop it with `mqlsync reject`.")
    else:
        out.line(f"nothing to {verb}", "ok")
    show_problems(out, [RunProblem(**problem) for problem in view["problems"]])
