"""`sync` and `run`: passes of the pipeline."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from typing import Annotated, Final

import typer

from config.secrets import secret_values
from config.world import epoch
from connectors.records import Crm
from sync import daemon
from sync.alerts import Alerts, problems_now
from sync.cli.handing import NoWait, carried_out, require_crm
from sync.cli.logs import Lines, LoggedSteps, logging_to
from sync.cli.options import command
from sync.cli.report import show_report
from sync.cli.session import Session
from sync.cli.times import moment
from sync.cli.words import one_of, unknown
from sync.context import App
from sync.health import Pages, serving
from sync.messengers import roads
from sync.metrics import Metrics
from sync.mirror.requests import Ask
from sync.mirror.unusable import DatabaseUnusable
from sync.pipeline import STAGES, SyncRequest
from sync.redaction import Redactor
from sync.reports import RunReport
from sync.status import Status, status_of
from sync.stopping import StoppingWorld, StopSwitch
from sync.vitals import Notifier, Vitals

log = logging.getLogger(__name__)
app = typer.Typer(rich_markup_mode=None, add_completion=False)

IN_ORDER: Final = ("pull", "match", "score", "decide", "write")
OnlyCrm = Annotated[
    str | None,
    typer.Option("--crm", metavar="CRM", help="Only `salesforce` or `hubspot`.", autocompletion=one_of(Crm)),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Pull, match, score and decide; write nothing to a CRM.")
]


@command(app, "sync")
def sync(
    session: Session,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            metavar="STAGES",
            help="Only these: pull,match,score,decide,write.",
            autocompletion=one_of(IN_ORDER),
        ),
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
    answer = carried_out(session, Ask("sync", request.to_json()), wait=not no_wait)
    if answer is None:
        return 0
    show_report(session.out, RunReport.from_json(answer.document))
    return answer.exit_code


@command(app, "run")
def run(session: Session) -> int:
    """The daemon, in the foreground, until SIGTERM or Ctrl-C: passes by the schedule of mqlsync.toml."""
    switch = StopSwitch()
    world = StoppingWorld(session.world, switch)
    vitals = Vitals(session.world, Notifier(session.environ))
    world.on_wait = vitals.beat
    with _log(session) as lines, session.app(world) as opened:
        require_crm(opened, None)
        opened.on_run = lines.set_run
        watch = Watch(session, opened, vitals)
        with serving(opened.settings.daemon.listen, Pages(vitals, watch.metrics)):
            log.info("mqlsync runs; stop it with SIGTERM or Ctrl-C")
            daemon.run(opened, switch, vitals, LoggedSteps(world), watch.finished)
        log.info("stopped")
    return 0


class Watch:
    """What is made of each run of the daemon: JSON, log lines, metrics, alerts."""

    def __init__(self, session: Session, opened: App, vitals: Vitals, account: str = "") -> None:
        self._session = session
        self._of_account = {"account": account} if account else {}
        self._app = opened
        self.metrics = Metrics(self._status, vitals)
        self._alerts = Alerts(opened.mirror, session.world, roads(opened.settings.alerts))

    def finished(self, report: RunReport) -> None:
        """A scheduled run has ended; one without an id by an error, which has been logged."""
        if report.run_id:
            if self._session.options.json:
                self._session.out.json_line({**self._of_account, **report.to_json()})
            log_report(report)
        self.metrics.ran(report)
        try:
            status = self._status()
        except DatabaseUnusable:
            status = None
        settings = self._app.settings
        found = problems_now(status, report, settings.alerts.parked_over, remind=settings.sla.remind)
        self._alerts.tell(found)

    def _status(self) -> Status:
        now = epoch(self._session.world.now())
        return status_of(self._app.mirror, tuple(self._app.connectors), now, self._app.settings)


def _log(session: Session) -> AbstractContextManager[Lines]:
    """Everything that is logged goes to stderr: for a person on a terminal, else as JSON."""
    options, stderr = session.options, session.out.stderr
    redactor = Redactor(secret_values(session.settings))
    return logging_to(
        stderr, redactor, as_json=not stderr.isatty(), quiet=options.quiet, verbose=options.verbose
    )


def log_report(report: RunReport) -> None:
    """One line a run, and one a problem."""
    of_run = {"run_id": report.run_id}
    log.info(
        "run %s: %s people, %s new MQLs, %s writes verified, %s waiting, %s parked",
        report.outcome,
        report.score.people,
        report.score.mql_entered,
        report.write.verified,
        report.write.waiting,
        report.write.parked,
        extra=of_run,
    )
    for problem in report.problems:
        where = f"{problem.crm}: " if problem.crm else ""
        log.warning("%s: %s%s; %s", problem.code, where, problem.message, problem.remedy, extra=of_run)


def stages(text: str | None) -> frozenset[str]:
    """`pull,match` → those stages; all of them when nothing is said."""
    if text is None:
        return STAGES
    words = frozenset(word.strip() for word in text.split(",") if word.strip())
    for word in sorted(words - STAGES):
        raise typer.BadParameter(unknown("stage", word, IN_ORDER))
    if not words:
        raise typer.BadParameter("--only names no stage")
    return words


def known_crm(text: str | None) -> str | None:
    """The CRM of that name; BadParameter for any other word."""
    if text is None or text in tuple(Crm):
        return text
    raise typer.BadParameter(unknown("CRM", text, tuple(Crm)))
