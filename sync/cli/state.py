"""`status`, `runs`, `budget`, `pause` and `resume`: is it healthy, and holding parts of it still."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from config.world import epoch, iso_z
from connectors.records import Crm
from sync.cli.errors import UsageFault
from sync.cli.meant import the_user
from sync.cli.options import command
from sync.cli.rehearsal import DryRun, changing, said
from sync.cli.session import Session
from sync.cli.times import ago, shown
from sync.cli.words import crm_name, one_of, unknown
from sync.core.counted import some
from sync.jobs import Entry, timetable
from sync.mirror import audit, budget, failures, outbox
from sync.mirror.runs import runs as list_runs
from sync.reports import SCHEMA_VERSION
from sync.stages.targets import OBJECTS
from sync.status import Status, status_of

app = typer.Typer(rich_markup_mode=None, add_completion=False)

CHECK_CODES = {"ok": 0, "paused": 3, "degraded": 3, "blocked": 6, "failed": 5}
"""State → exit code of `status --check`."""
WATCH_EVERY = 5.0  # seconds
STYLES = {"ok": "ok", "failed": "error"}


@command(app, "status")
def status(
    session: Session,
    check: Annotated[
        bool, typer.Option("--check", help="End with 3, 5 or 6 when not all is well (for monitoring).")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Again every 5 s until Ctrl-C; with --check until not all is well."),
    ] = False,
) -> int:
    """Fresh? Complete? Written? Nothing stuck?"""
    with session.app() as opened:
        while True:
            now = epoch(session.world.now())
            found = status_of(opened.mirror, tuple(opened.connectors), now, opened.settings)
            with opened.mirror.read() as conn:
                following = timetable(conn, opened.settings.schedule, now)
            document = {**found.to_json(), "schedule": [_entry_json(entry) for entry in following]}
            if session.options.json and watch:
                session.out.json_line(document)
            elif session.options.json:
                session.out.json(document)
            else:
                if watch:
                    session.out.line(f"{shown(now)} UTC", "note")
                _show(session, found)
                _show_schedule(session, following)
            if not watch or (check and found.state != "ok"):
                return CHECK_CODES[found.state] if check else 0
            session.world.sleep(WATCH_EVERY)


def _show(session: Session, found: Status) -> None:
    out = session.out
    out.line(
        found.state + (f": {'; '.join(found.reasons)}" if found.reasons else ""),
        STYLES.get(found.state, "warning"),
    )
    for crm, seconds in found.fresh_seconds.items():
        name = crm_name(crm)
        out.line(f"{name}: " + ("nothing pulled yet" if seconds is None else f"as of {ago(seconds)} ago"))
    out.line(
        f"writes: {found.waiting:,} waiting, {found.unsure:,} unsure, {found.parked:,} parked, "
        f"{found.conflict:,} in conflict"
    )
    out.line(
        "the books balance" if found.books_balance else "the books do not balance",
        "" if found.books_balance else "error",
    )
    if found.overdue:
        out.line(f"{some(found.overdue, 'MQL')} not touched in time (`mqlsync sla`)", "warning")
    if found.reconciled:
        counted = found.reconciled["classes"].items()
        named = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counted if number)
        out.line(
            f"compared with the CRMs at {shown(found.reconciled['at'])} UTC: {named or 'nothing wanted'}"
        )
    for crm, view in found.budget.items():
        out.line(
            f"{crm_name(crm)} calls today: {_calls(view.used)} of {_calls(view.limit)}, ours {view.ours:,}"
        )


def _show_schedule(session: Session, following: Sequence[Entry]) -> None:
    if following:
        named = (f"{entry.job} {shown(entry.next)} ({entry.when})" for entry in following)
        session.out.line("next by the daemon (UTC): " + ", ".join(named))


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {"job": entry.job, "when": entry.when, "last": iso_z(entry.last), "next": iso_z(entry.next)}


def _calls(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


@command(app, "runs")
def runs(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="How many.")] = 20,
) -> int:
    """The last runs, newest first."""
    with session.app() as opened, opened.mirror.read() as conn:
        rows = list_runs(conn, limit)
    if session.options.json:
        listed = [
            {
                "run_id": row.run_id,
                "kind": row.kind,
                "state": row.state,
                "started_at": iso_z(row.started_at),
                "finished_at": iso_z(row.finished_at),
                "report": row.report,
            }
            for row in rows
        ]
        session.out.json({"schema_version": SCHEMA_VERSION, "runs": listed})
        return 0
    table = [
        (
            row.run_id[:8],
            row.kind,
            row.state,
            shown(row.started_at),
            _took(row.started_at, row.finished_at),
            _counts(row.report),
        )
        for row in rows
    ]
    session.out.table(("run", "kind", "state", "started (UTC)", "took", "changes"), table)
    return 0


def _took(started: int, finished: int | None) -> str:
    return "" if finished is None else f"{finished - started} s"


def _counts(report: Any) -> str:
    write = report.get("write") or {}
    names = ("verified", "waiting", "parked", "conflict")
    counts = [f"{write[name]} {name}" for name in names if write.get(name)]
    classes = report.get("reconcile") or {}
    counts += [f"{number} {name}" for name, number in classes.items() if number and name != "equal"]
    return ", ".join(counts) or "none"


@command(app, "budget")
def show_budget(session: Session) -> int:
    """API calls of the day: used by all programs, allowed, and ours."""
    with session.app() as opened, opened.mirror.read() as conn:
        now = epoch(session.world.now())
        views = {crm: budget.view(conn, crm, now) for crm in opened.connectors}
    if session.options.json:
        session.out.json(
            {
                "schema_version": SCHEMA_VERSION,
                "budget": {
                    crm: {
                        "used": view.used,
                        "limit": view.limit,
                        "ours": view.ours,
                        "spent_until": iso_z(view.spent_until),
                    }
                    for crm, view in views.items()
                },
            }
        )
        return 0
    table = [
        (
            crm_name(crm),
            _calls(view.used),
            _calls(view.limit),
            f"{view.ours:,}",
            shown(view.spent_until),
        )
        for crm, view in views.items()
    ]
    session.out.table(("crm", "used", "limit", "ours", "spent until"), table, ("used", "limit", "ours"))
    return 0


Scope = Annotated[
    str,
    typer.Argument(
        metavar="[SCOPE]",
        help="`all`, a CRM, CRM.OBJECT or CRM.OBJECT.FIELD, such as hubspot.contacts.",
        autocompletion=one_of(("all", *Crm, *(f"{crm}.{name}" for crm in Crm for name in OBJECTS[crm]))),
    ),
]


@command(app, "pause")
def pause(
    session: Session,
    reason: Annotated[str, typer.Option("--reason", metavar="T", help="Why; shown by `status`.")],
    scope: Scope = "all",
    dry_run: DryRun = False,
) -> int:
    """Hold write-back still: all of it, or one CRM, object or field. Pulling and scoring go on."""
    scope = known_scope(scope)
    with session.app() as opened, changing(opened, dry_run) as conn:
        now = epoch(session.world.now())
        outbox.pause(conn, scope, reason, the_user(), now)
        entry = audit.Entry("pause", scope, {"reason": reason})
        audit.append(conn, [entry], at=now, run_id="", actor="operator")
    return _said(session, scope, f"write-back of {scope} is paused", dry_run)


@command(app, "resume")
def resume(session: Session, scope: Scope = "all", dry_run: DryRun = False) -> int:
    """Let a paused part of write-back go on."""
    scope = known_scope(scope)
    with session.app() as opened, changing(opened, dry_run) as conn:
        was_paused = failures.resume(conn, scope)
        others = [one.scope for one in failures.paused(conn)]
        if was_paused:
            entry = audit.Entry("resume", scope, {})
            audit.append(conn, [entry], at=epoch(session.world.now()), run_id="", actor="operator")
    for other in others:
        session.out.say(f"still paused: {other}")
    sentence = f"write-back of {scope} goes on" if was_paused else f"{scope} was not paused"
    return _said(session, scope, sentence, dry_run)


def known_scope(text: str) -> str:
    """`all`, a CRM, an object of it, or a field of that; UsageFault with the nearest for any other."""
    parts = text.split(".", 2)
    if text == "all":
        return text
    if parts[0] not in tuple(Crm):
        raise UsageFault(unknown("part to pause called", text, ("all", *Crm)))
    objects = OBJECTS[parts[0]]
    if len(parts) > 1 and parts[1] not in objects:
        raise UsageFault(unknown("part to pause called", text, [f"{parts[0]}.{name}" for name in objects]))
    return text


def _said(session: Session, scope: str, sentence: str, dry_run: bool) -> int:
    if session.options.json:
        head = {"schema_version": SCHEMA_VERSION, "scope": scope, "message": sentence}
        session.out.json({**head, "dry_run": dry_run})
    else:
        session.out.line(said(sentence, dry_run))
    return 0
