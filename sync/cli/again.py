"""`resync`: one person, one object or everything, pulled again now."""

from __future__ import annotations

from typing import Annotated

import typer

from sync.cli.errors import UsageFault
from sync.cli.handing import NoWait, carried_out
from sync.cli.options import command
from sync.cli.owners import OwnerNames, owner_names
from sync.cli.passes import OnlyCrm, known_crm
from sync.cli.person import show_explanation
from sync.cli.report import show_problems, show_report, write_line
from sync.cli.session import Session
from sync.cli.times import moment
from sync.mirror.requests import Ask
from sync.reports import RunReport
from sync.resync import FieldAnswer, ResyncReport

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@command(app, "resync")
def resync_(
    session: Session,
    who: Annotated[
        str | None,
        typer.Argument(metavar="[WHO]", help="One person: an e-mail address, a record's id, or its URL."),
    ] = None,
    crm: OnlyCrm = None,
    object_name: Annotated[
        str | None,
        typer.Option("--object", metavar="O", help="One object of --crm, such as Lead or contacts."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="What changed since then; else everything.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything, in both CRMs.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Pull, score and explain; write nothing to a CRM.")
    ] = False,
    no_wait: NoWait = False,
) -> int:
    """Pull again, score, explain, and write what is due; says per field why nothing changed."""
    crm = known_crm(crm)
    if sum((who is not None, crm is not None, everything)) != 1:
        raise UsageFault(
            "Say which: a person (address, id or URL), --crm C with or without --object O, or --all."
        )
    if (object_name or since) and crm is None:
        raise UsageFault("--object and --since go with --crm.")
    since_seconds = moment(since)
    if who is not None:
        ask = Ask("resync_person", {"who": who, "dry_run": dry_run})
    elif crm is not None:
        since_ms = None if since_seconds is None else since_seconds * 1000
        what = {"crm": crm, "object": object_name, "since_ms": since_ms}
        ask = Ask("resync_object", {**what, "dry_run": dry_run})
    else:
        ask = Ask("resync_all", {"dry_run": dry_run})
    answer = carried_out(session, ask, wait=not no_wait)
    if answer is None:
        return 0
    if who is not None:
        _show(session, ResyncReport.from_json(answer.document))
    else:
        show_report(session.out, RunReport.from_json(answer.document))
    return answer.exit_code


def _show(session: Session, report: ResyncReport) -> None:
    """A person's resync: the score in parts, then every field that may be written."""
    out = session.out
    if session.options.json:
        out.json(report.to_json())
        return
    if report.person is not None:
        show_explanation(out, dict(report.person))
        out.line()
    columns = ("crm", "object", "id", "field", "value", "wanted", "state", "why")
    with session.app() as opened:
        called = owner_names(opened)
    out.table(columns, [_row(answer, called) for answer in report.fields])
    out.line(write_line(report.run.write))
    show_problems(out, report.run.problems)


def _row(answer: FieldAnswer, called: OwnerNames) -> tuple[object, ...]:
    return (
        answer.crm,
        answer.object,
        answer.id,
        answer.field,
        called(answer.crm, answer.field, answer.value),
        called(answer.crm, answer.field, answer.wanted),
        answer.state or "left alone",
        answer.why,
    )
