"""One turn of one account: take its lease, do what is due and what was asked for, let the lease go.

It is the daemon's own loop, with a clockwork that does not wait. A job that failed is tried again when it
is next due, at the latest after an hour; until then a full pass that fails holds up no other job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from config.world import epoch, from_epoch
from sync.context import App, Progress
from sync.daemon import FAILED, RETRY_AFTER, Service
from sync.jobs import covered_by, overdue, schedules
from sync.mirror.lease import DAEMON, Lease
from sync.mirror.runs import get_meta, set_meta
from sync.reports import RunReport
from sync.schedule import STOP, Clockwork, due_at
from sync.stopping import StopSwitch
from sync.vitals import Vitals

FULL: Final = "full"
FIRST_PAUSE: Final = 30  # seconds after a turn that reached nothing; doubled with each further one
LONGEST_PAUSE: Final = 900  # seconds


class Next(NamedTuple):
    """When an account's next turn is due, and how many turns in a row have reached nothing."""

    at: datetime
    failures: int


@dataclass(slots=True)
class Turn:
    """What a turn did."""

    crms: frozenset[str]
    reports: list[RunReport] = field(default_factory=list)
    next_at: datetime | None = None

    @property
    def reached_nothing(self) -> bool:
        """Whether there was something to do and no CRM let it be done."""
        return bool(self.reports) and all(self.crms <= _refusing(report) for report in self.reports)


class OneTurn(Clockwork):
    """Gives out these jobs, then one look for requests, then the end. It takes nothing further."""

    def __init__(self, names: list[str], switch: StopSwitch) -> None:
        super().__init__({})
        self._left = list(names)
        self._looked = False
        self._switch = switch
        self.given: list[str] = []

    def wake(self, name: str) -> None:
        """What else is due is the next turn's."""

    def wait(self, timeout: float | None = None) -> str | None:  # noqa: ARG002 (it does not wait)
        """The next job, None once, then STOP; STOP at once when the worker is to end."""
        if self._switch or (not self._left and self._looked):
            return STOP
        if not self._left:
            self._looked = True
            return None
        self.given.append(self._left.pop(0))
        return self.given[-1]


def take_turn(
    app: App, switch: StopSwitch, vitals: Vitals, progress: Progress, finished: Callable[[RunReport], None]
) -> Turn:
    """Do what is due and what was asked for. Raises LeaseHeld, Interrupted, and errors of the database."""
    turn = Turn(frozenset(app.connectors))

    def ended(report: RunReport) -> None:
        turn.reports.append(report)
        finished(report)

    lease = Lease(app.mirror, app.world, app.settings.daemon.lease, DAEMON)
    with lease.held(heartbeat=app.heartbeat):
        begun = app.world.now()
        clockwork = OneTurn(due_now(app, begun), switch)
        try:
            Service(app, lease, clockwork, vitals, progress, ended, switch).serve()
        finally:
            app.lease_epoch = None
        with app.mirror.write() as conn:
            for name in clockwork.given:
                set_meta(conn, f"tried.{name}", str(epoch(begun)))
        turn.next_at = min(due_times(app, app.world.now()).values(), default=None)
    return turn


def _refusing(report: RunReport) -> set[str]:
    """The CRMs that had no part in a run: not to be reached, signed in to, or asked for any more calls."""
    return {problem.crm for problem in report.problems if problem.exit_code in FAILED}


def due_now(app: App, now: datetime) -> list[str]:
    """The jobs whose time has come, in their order; a full pass makes the smaller ones needless."""
    overdue(app, now)  # a chore that was never looked at counts from now on
    names = [name for name, at in due_times(app, now).items() if at <= now]
    if FULL in names:
        covered = set(covered_by(FULL, app.settings.schedule)) - {FULL}
        return [name for name in names if name not in covered]
    return names


def due_times(app: App, now: datetime) -> dict[str, datetime]:
    """Job → when it is to run next, not before `now`."""
    schedule = app.settings.schedule
    wanted = schedules(schedule)
    with app.mirror.read() as conn:
        rows = {name: (get_meta(conn, f"job.{name}"), get_meta(conn, f"tried.{name}")) for name in wanted}
    found = {}
    for name, text in wanted.items():
        done, tried = (None if stored is None else from_epoch(int(stored)) for stored in rows[name])
        latest = max((at for at in (done, tried) if at is not None), default=None)
        at = due_at(text, latest, now, schedule.zone)
        if tried is not None and (done is None or tried > done):
            at = min(at, max(now, tried + timedelta(seconds=RETRY_AFTER)))
        found[name] = at
    return found


def pause(failures: int) -> timedelta:
    """How long an account is left alone after so many turns in a row that reached nothing."""
    return timedelta(seconds=min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE) if failures else 0)
