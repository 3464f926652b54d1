"""`failed`: what could not be written or read, by cause, with the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from config.world import epoch, iso_z
from sync.cli.errors import NotFound, UsageFault
from sync.cli.options import command, group
from sync.cli.rehearsal import DryRun, changing, said
from sync.cli.session import Session
from sync.cli.times import shown
from sync.context import App
from sync.core.counted import some
from sync.mirror import audit, failures, outbox, tasks
from sync.mirror.engine import Connection
from sync.mirror.outbox import Failed
from sync.reports import SCHEMA_VERSION

app = typer.Typer(rich_markup_mode=None, add_completion=False)
commands = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="What could not be written or read: list, retry, skip."
)
app.add_typer(commands, name="failed")
group(commands)

UNREADABLE = "UNREADABLE"
"""The cause of rows that a CRM showed and that could not be read."""


@command(commands, "list")
def list_(session: Session) -> int:
    """Changes and tasks that were refused, and rows that could not be read, grouped by cause."""
    with session.app() as opened, opened.mirror.read() as conn:
        rows = _all(conn)
    if session.options.json:
        session.out.json({"schema_version": SCHEMA_VERSION, "failed": [failed_json(row) for row in rows]})
        return 0
    if not rows:
        session.out.line("nothing failed", "ok")
        return 0
    for cause in dict.fromkeys(row.cause for row in rows):
        these = [row for row in rows if row.cause == cause]
        session.out.line(f"{cause}: {len(these):,}. {these[0].remedy}", "warning")
        columns = ("id", "crm", "object", "record", "field", "message", "since", "tries")
        table = [
            (
                row.intent_id[:12],
                row.crm,
                row.object,
                row.id,
                row.field,
                row.message,
                shown(row.since),
                row.attempts,
            )
            for row in these
        ]
        session.out.table(columns, table, ("tries",))
    return 0


@command(commands, "retry")
def retry(
    session: Session,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Changes, as `failed list` shows them.")
    ] = None,
    cause: Annotated[str | None, typer.Option("--cause", metavar="C", help="All of this cause.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: DryRun = False,
) -> int:
    """Try failed changes again: they are decided anew on the live records in the next pass."""
    del yes  # nothing is asked: the next pass decides again, and limits still hold
    with session.app() as opened:
        with opened.mirror.read() as conn:
            chosen = _chosen(_changes(conn), ids or [], cause, everything)
        with changing(opened, dry_run) as conn:
            run_id, now = _stamp(opened)
            named = [row.intent_id for row in chosen]
            count = failures.retry(conn, named, run_id, now) + tasks.retry(conn, named)
            _audit(conn, "retry", chosen, {}, run_id, now)
    return _done(session, "queued again", count, dry_run)


@command(commands, "skip")
def skip(
    session: Session,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Changes, as `failed list` shows them.")],
    reason: Annotated[str, typer.Option("--reason", metavar="T", help="Why; kept for the audit.")],
    dry_run: DryRun = False,
) -> int:
    """Give failed changes up for good."""
    with session.app() as opened:
        with opened.mirror.read() as conn:
            chosen = _chosen(_changes(conn), ids, None, False)
        with changing(opened, dry_run) as conn:
            run_id, now = _stamp(opened)
            named = [row.intent_id for row in chosen]
            count = failures.skip(conn, named, reason, run_id, now) + tasks.skip(conn, named, reason, now)
            _audit(conn, "skip", chosen, {"reason": reason}, run_id, now)
    return _done(session, "given up", count, dry_run)


def _changes(conn: Connection) -> list[Failed]:
    """What failed and can be tried again: changes of fields, then tasks and notes of hand-offs."""
    return [*outbox.failed(conn), *tasks.failed(conn)]


def _all(conn: Connection) -> list[Failed]:
    """Failed changes and tasks, then unreadable rows in the same shape."""
    unreadable = [
        Failed(
            intent_id="",
            cause=UNREADABLE,
            crm=row.crm,
            object=row.object,
            id=row.id,
            field="",
            message=row.reason,
            remedy="correct the record in the CRM; the next pull reads it again",
            since=row.since,
            attempts=row.attempts,
        )
        for row in failures.unreadable(conn)
    ]
    return [*_changes(conn), *unreadable]


def failed_json(row: Failed) -> dict[str, Any]:
    """The contract of `failed list --json`."""
    return {
        "cause": row.cause,
        "crm": row.crm,
        "object": row.object,
        "id": row.id,
        "field": row.field or None,
        "message": row.message,
        "remedy": row.remedy,
        "since": iso_z(row.since),
        "attempts": row.attempts,
        "intent_id": row.intent_id or None,
    }


def _chosen(rows: Sequence[Failed], ids: Sequence[str], cause: str | None, everything: bool) -> list[Failed]:
    """The failed changes that are meant; ids may be given by their first characters."""
    ways = bool(ids) + bool(cause) + everything
    if ways != 1:
        raise UsageFault("Say which: some IDs, --cause C, or --all.")
    if everything:
        return list(rows)
    if cause:
        found = [row for row in rows if row.cause.casefold() == cause.casefold()]
        if not found:
            raise NotFound(f"Nothing failed by {cause}. `mqlsync failed list` shows the causes.")
        return found
    return [_one(rows, wanted) for wanted in ids]


def _one(rows: Sequence[Failed], wanted: str) -> Failed:
    found = [row for row in rows if row.intent_id.startswith(wanted) or row.id == wanted]
    if not found:
        raise NotFound(f"No failed change has the id {wanted}. `mqlsync failed list` shows them.")
    if len(found) > 1:
        raise UsageFault(f"{wanted} means {len(found)} failed changes: give more of the id.")
    return found[0]


def _stamp(opened: App) -> tuple[str, int]:
    return opened.world.new_id(), epoch(opened.world.now())


def _audit(
    conn: Connection, action: str, rows: Sequence[Failed], detail: dict[str, Any], run_id: str, now: int
) -> None:
    entries = [audit.Entry(action, f"{row.crm}.{row.object}.{row.id}.{row.field}", detail) for row in rows]
    audit.append(conn, entries, at=now, run_id=run_id, actor="operator")


def _done(session: Session, what: str, count: int, dry_run: bool) -> int:
    if session.options.json:
        session.out.json({"schema_version": SCHEMA_VERSION, "changed": count, "dry_run": dry_run})
    else:
        session.out.line(said(f"{some(count, 'change')} {what}", dry_run))
    return 0
