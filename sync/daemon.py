"""`mqlsync run`: one loop that does what is due and what others ask, holds the lease, and stops when told to.

    1. take the lease (LeaseHeld when another process keeps it)
    2. do what is overdue since the last time
    3. wait for the next job or request, do it, and so on
    4. SIGTERM or SIGINT: finish the page or batch under way, let the lease go

What one run meets, ends that run and is written down; the daemon goes on. While the database cannot be
reached it waits, and takes the lease again. It ends by itself only when it cannot go on: another process
has the lease, or the database is damaged. A crash needs no manual step: the
next start reads back what was sent and goes on inside the window.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from config.errors import ConfigError
from config.world import epoch
from sync.chores import chore
from sync.context import App, Interrupted, Progress
from sync.jobs import covered_by, mark_begun, move_begun, overdue, request_of, schedules
from sync.mirror import requests
from sync.mirror.lease import DAEMON, Lease, LeaseLost
from sync.mirror.outbox import OutboxRaced
from sync.mirror.requests import RequestView
from sync.mirror.unusable import DatabaseDamaged, DatabaseNewer, DatabaseUnusable
from sync.pipeline import cut_short, run_under_lease
from sync.reload import refresh
from sync.reports import RunProblem, RunReport
from sync.requests import carry_out
from sync.schedule import STOP, Clockwork
from sync.stopping import StoppingProgress, StopSwitch
from sync.vitals import Vitals

log = logging.getLogger(__name__)

WITHOUT_MODEL: Final = frozenset({"pull", "match"})
"""What can be done while nobody can read the model."""

POLL: Final = 1.0  # seconds between two looks for requests
RETRY_AFTER: Final = 3_600.0  # seconds until a job that failed is tried again, unless it is due earlier
FAILED: Final = frozenset({1, 4, 5, 12, 13})
"""Exit codes of runs that did not do their work; the others wait for a person or for nobody."""
PROGRESS_EVERY: Final = 2.0  # seconds between two notes of a request's progress
LOOK_EVERY: Final = 10.0  # seconds between two looks at our own rows for what is overdue
CLOCK_SET: Final = timedelta(seconds=5)
"""A clock that is off by more than this from one second to the next was set, or the machine slept."""
BREATH: Final = 5.0  # seconds before the lease, or a mirror that failed, is asked again
LOST: Final = (LeaseLost, OutboxRaced)
"""Somebody else works on this database."""
HOPELESS: Final = (DatabaseDamaged, DatabaseNewer)
"""Waiting does not mend these."""
ENDING: Final = (Interrupted, *LOST, *HOPELESS)
"""What ends more than the run that met it."""


def run(
    app: App, switch: StopSwitch, vitals: Vitals, progress: Progress, finished: Callable[[RunReport], None]
) -> None:
    """Serve until the switch is pressed. `finished` is told of every scheduled run.

    Of a run that an error ended it is told no more than the error: an empty `run_id`, and one problem.

    Raises LeaseHeld, and the errors of a database that is damaged.
    """
    schedule = app.settings.schedule
    clockwork = Clockwork(schedules(schedule), schedule.zone)
    switch.on_stop = clockwork.interrupt
    lease = Lease(app.mirror, app.world, app.settings.daemon.lease, DAEMON)
    with switch.on_signals():
        clockwork.start()
        try:
            while not switch:
                try:
                    with lease.held(app.settings.daemon.lease_wait, heartbeat=app.heartbeat):
                        Service(app, lease, clockwork, vitals, progress, finished, switch).serve()
                except HOPELESS:
                    raise
                except (*LOST, DatabaseUnusable) as error:
                    vitals.ready = False
                    log.warning("%s", " ".join(app.words(error)[1]))
                    vitals.beat()
                    app.world.sleep(BREATH)
        except Interrupted:
            log.info("stopped in the middle of a run: all that was finished is committed")
        finally:
            vitals.stopping()
            app.lease_epoch = None
            clockwork.stop()


class Service:
    """The loop of one holder of the lease."""

    def __init__(
        self,
        app: App,
        lease: Lease,
        clockwork: Clockwork,
        vitals: Vitals,
        progress: Progress,
        finished: Callable[[RunReport], None],
        switch: StopSwitch,
    ) -> None:
        self._app = app
        self._lease = lease
        self._clockwork = clockwork
        self._vitals = vitals
        self._progress = StoppingProgress(Beating(progress, vitals), switch)
        self._finished = finished
        self._switch = switch
        self._retries: dict[str, float] = {}  # job → when, by the world's monotonic clock
        self._unsaid: list[Ended] = []
        self._looked_at = app.world.monotonic()
        self._clock = app.world.now(), self._looked_at

    def serve(self) -> None:
        """Do one thing after the other until the clockwork stops."""
        app = self._app
        app.lease_epoch = self._lease.epoch
        with app.mirror.write() as conn:
            requests.break_off(conn, self._lease.epoch, epoch(app.world.now()))
        for name in overdue(app, app.world.now()):
            self._clockwork.wake(name)
        self._vitals.serving()
        while (due := self._clockwork.wait(POLL)) != STOP:
            self.tick(due)

    def tick(self, name: str | None) -> None:
        """One turn: the job that is due, if any, then what was asked for."""
        self._vitals.beat()
        if name is not None:
            error = self._attempt(f"the run {name}", partial(self._job, name))
            if error is not None:
                self._finished(RunReport("", problems=[cut_short(self._app, error)]))
        if self._attempt("looking for requests", self._requests) is not None:
            self._app.world.sleep(BREATH)
        set_by = self._clock_set_by()
        if set_by is not None:
            self._attempt("going by another clock", partial(self._follow_clock, set_by))
        now = self._app.world.monotonic()
        if set_by is not None or now - self._looked_at >= LOOK_EVERY:
            self._looked_at = now
            self._attempt("looking for what is overdue", self._wake_overdue)
        for job in [job for job, at in self._retries.items() if at <= now]:
            del self._retries[job]
            self._clockwork.wake(job)

    def _clock_set_by(self) -> timedelta | None:
        """By how much the machine's clock was set since the last look; None: it just went on."""
        before, beat = self._clock
        self._clock = now, tick = self._app.world.now(), self._app.world.monotonic()
        set_by = now - before - timedelta(seconds=tick - beat)
        return set_by if abs(set_by) >= CLOCK_SET else None

    def _follow_clock(self, set_by: timedelta) -> None:
        """What is to come was reckoned by the other clock; of what has begun, nothing began in the future."""
        log.warning(
            "the clock of this machine was set by %s s: going on by it", f"{set_by.total_seconds():,.0f}"
        )
        self._clockwork.clock_was_set()
        move_begun(self._app, set_by, self._app.world.now())

    def _wake_overdue(self) -> None:
        """The scheduler sleeps by a clock that may be set; our own rows say what is due all the same."""
        for job in overdue(self._app, self._app.world.now()):
            if job not in self._retries:
                self._clockwork.wake(job)

    def _attempt(self, what: str, act: Callable[[], None]) -> Exception | None:
        """Do it; what went wrong, once that is logged."""
        try:
            act()
        except ENDING:
            raise
        except Exception as error:
            self._vitals.trouble = type(error).__name__
            log.error(  # noqa: TRY400 (the trace is for --verbose)
                "%s ended early: %s", what, " ".join(self._app.words(error)[1]), exc_info=_if_verbose(error)
            )
            return error
        return None

    def _job(self, name: str) -> None:
        app = self._app
        self._retries[name] = app.world.monotonic() + RETRY_AFTER
        settings, problems = app.settings.schedule, self._model_problems()
        started = app.world.now()
        self._vitals.status(f"running {name}")
        request = request_of(name, settings)
        if request is None:
            report = chore(app, name, self._progress, self._lease.epoch, problems)
        else:
            if problems:
                request = replace(request, only=request.only & WITHOUT_MODEL)
            report = run_under_lease(
                app, request, self._progress, self._lease.epoch, kind=f"daemon:{name}", problems=problems
            )
        self._vitals.status("waiting for the next run")
        self._vitals.trouble = report.problems[0].code if report.exit_code in FAILED else ""
        if report.exit_code not in FAILED:
            covered = covered_by(name, settings)
            for job in covered:
                self._retries.pop(job, None)
            mark_begun(app, covered, started)
        self._finished(report)

    def _model_problems(self) -> list[RunProblem]:
        """Take up changed models; while they cannot be read, nothing is decided."""
        try:
            if refresh(self._app):
                log.info("the model files have changed and were read again")
        except ConfigError as error:
            return [cut_short(self._app, error)]
        return []

    def _requests(self) -> None:
        """Carry out what was asked for, the oldest first."""
        app = self._app
        while self._unsaid:
            self._say(self._unsaid[0])
            del self._unsaid[0]
        while not self._switch:
            with app.mirror.read() as conn:
                if not requests.any_waiting(conn):
                    return
            with app.mirror.write(durable=True) as conn:
                view = requests.take(conn, self._lease.epoch, epoch(app.world.now()))
            if view is None:
                return
            self._carry_out(view)

    def _carry_out(self, view: RequestView) -> None:
        app = self._app
        log.info("request %s: %s", view.id[:8], view.ask.kind)
        self._vitals.status(f"carrying out a request: {view.ask.kind}")
        try:
            refresh(app)
            answer = carry_out(app, view.ask, Noting(self._progress, app, view.id))
            ended = Ended(view.id, answer.exit_code, {"document": dict(answer.document)})
        except LOST:
            raise  # whoever has the lease now breaks it off
        except Interrupted:
            self._say(Ended(view.id, 5, {"lines": ["The daemon was stopped while it was at it."]}))
            raise
        except Exception as error:
            code, lines = app.words(error)
            log.debug("request %s failed", view.id[:8], exc_info=True)
            ended = Ended(view.id, code, {"lines": lines})
        log.info("request %s ended with %d", view.id[:8], ended.exit_code)
        self._vitals.status("waiting for the next run")
        self._unsaid.append(ended)  # until it is written down: the asker waits for it
        self._say(ended)
        self._unsaid.remove(ended)

    def _say(self, ended: Ended) -> None:
        now = epoch(self._app.world.now())
        with self._app.mirror.write(durable=True) as conn:
            requests.finish(conn, ended.request_id, self._lease.epoch, ended.exit_code, ended.answer, now)


class Ended(NamedTuple):
    """How a request ended, for its row."""

    request_id: str
    exit_code: int
    answer: Mapping[str, Any]


class Beating:
    """Passes progress on; each step is a heartbeat."""

    def __init__(self, inner: Progress, vitals: Vitals) -> None:
        self._inner = inner
        self._vitals = vitals

    def step(self, what: str, done: int, total: int | None = None) -> None:
        """Say that something moved."""
        self._vitals.beat()
        self._inner.step(what, done, total)


class Noting:
    """Passes progress on, and notes it for the command that asked, every other second."""

    def __init__(self, inner: Progress, app: App, request_id: str) -> None:
        self._inner = inner
        self._app = app
        self._id = request_id
        self._noted = app.world.monotonic()

    def step(self, what: str, done: int, total: int | None = None) -> None:
        """A note that cannot be made is none: the work goes on."""
        now = self._app.world.monotonic()
        if now - self._noted >= PROGRESS_EVERY and not self._app.mirror.is_writing:
            self._noted = now
            try:
                with self._app.mirror.write() as conn:
                    requests.note_progress(conn, self._id, what, done, total)
            except DatabaseUnusable as error:
                log.debug("no progress noted: %s", error)
        self._inner.step(what, done, total)


def _if_verbose(error: Exception) -> Exception | None:
    return error if log.isEnabledFor(logging.DEBUG) else None
