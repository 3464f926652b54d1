"""`sync` and `run`: passes of the pipeline."""

from __future__ import annotations

from typing import Annotated

import typer

from config.errors import ConfigError, Problem
from config.schema import variable_name
from connectors.records import Crm
from sync import daemon, pipeline
from sync.cli.errors import UsageFault
from sync.cli.options import command
from sync.cli.report import show_problems, show_report
from sync.cli.session import Session
from sync.cli.times import moment
from sync.cli.words import unknown
from sync.context import App
from sync.pipeline import STAGES, SyncRequest
from sync.reports import RunReport

app = typer.Typer(rich_markup_mode=None, add_completion=False)

OnlyCrm = Annotated[str | None, typer.Option("--crm", metavar="CRM", help="Only `salesforce` or `hubspot`.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Pull, match, score and decide; write nothing to a CRM.")
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait while another mqlsync is at work.")]


@command(app, "sync")
def sync(
    session: Session,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="STAGES", help="Only these: pull,match,score,decide,write."),
    ] = None,
    crm: OnlyCrm = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read every record again, and look for gone ones.")
    ] = False,
    dry_run: DryRun = False,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="Score as of that moment; decides nothing.")
    ] = None,
    known_at: Annotated[
        str | None, typer.Option("--known-at", metavar="TIME", help="Score with what was known by then.")
    ] = None,
    no_wait: NoWait = False,
) -> int:
    """One pass now: pull, match, score, decide, write."""
    request = SyncRequest(
        only=stages(only),
        crm=known_crm(crm),
        full=full,
        dry_run=dry_run,
        as_of=moment(as_of),
        known_at=moment(known_at),
    )
    if no_wait:
        session.do_not_wait()
    with session.app() as opened, session.out.progress() as progress:
        require_crm(opened, request.crm)
        report = pipeline.sync(opened, request, progress)
    show_report(session.out, report)
    return report.exit_code


@command(app, "run")
def run(session: Session) -> int:
    """The daemon, in the foreground, until SIGTERM or Ctrl-C: passes by the schedule of mqlsync.toml."""
    with session.app() as opened, session.out.progress() as progress:
        require_crm(opened, None)
        session.out.say("mqlsync runs; stop it with SIGTERM or Ctrl-C.")
        daemon.run(opened, progress, lambda report: _finished(session, report))
    session.out.say("stopped")
    return 0


def _finished(session: Session, report: RunReport) -> None:
    """One line a run."""
    if session.options.json:
        session.out.json_line(report.to_json())
        return
    session.out.line(
        f"run {report.run_id[:8]} {report.outcome}: {report.score.people} people, "
        f"{report.score.mql_entered} new MQLs, {report.write.verified} writes verified, "
        f"{report.write.waiting} waiting, {report.write.parked} parked"
    )
    show_problems(session.out, report.problems)


def stages(text: str | None) -> frozenset[str]:
    """`pull,match` → those stages; all of them when nothing is said."""
    if text is None:
        return STAGES
    words = frozenset(word.strip() for word in text.split(",") if word.strip())
    for word in sorted(words - STAGES):
        raise typer.BadParameter(unknown("stage", word, ("pull", "match", "score", "decide", "write")))
    if not words:
        raise typer.BadParameter("--only names no stage")
    return words


def known_crm(text: str | None) -> str | None:
    """The CRM of that name; BadParameter for any other word."""
    if text is None or text in tuple(Crm):
        return text
    raise typer.BadParameter(unknown("CRM", text, tuple(Crm)))


def require_crm(opened: App, crm: str | None) -> None:
    """A pass needs a CRM to talk to. Raises ConfigError, or UsageFault when the one asked for is off."""
    if crm is not None and crm not in opened.connectors:
        raise UsageFault(f"{crm} has no credentials and is off; `mqlsync doctor` says which variables to set")
    if not opened.connectors:
        names = (
            variable_name(("hubspot", "access_token")),
            variable_name(("salesforce", "client_secret")),
            variable_name(("salesforce", "password")),
        )
        raise ConfigError([Problem(f"no CRM has credentials: set for example {' or '.join(names)}")])
