"""`mqlsync run`: one loop that does what is due, holds the lease, and stops when it is told to.

    1. take the lease (exit 11 when another process keeps it)
    2. do what is overdue since the last time
    3. wait for the next job, do it, and so on
    4. SIGTERM or SIGINT: finish the page or batch under way, let the lease go, exit 0;
       a second one ends at once

A crash needs no manual step: the next start reads back what was sent and goes on inside the window.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Final

from config.settings import ScheduleSettings
from config.world import epoch, from_epoch
from sync.context import App, Interrupted, Progress
from sync.mirror.lease import Lease
from sync.mirror.runs import get_meta, set_meta
from sync.pipeline import SyncRequest, run_under_lease
from sync.reports import RunReport
from sync.schedule import STOP, Clockwork, due_at

JOBS: Final[Mapping[str, SyncRequest]] = {"pull": SyncRequest(), "full": SyncRequest(full=True)}
"""Job → what it runs. The names are the keys of `[schedule]`."""

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopSwitch:
    """Set once by the first signal; the second one ends the process where it stands, which is safe."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.on_stop: Callable[[], None] = lambda: None

    def __bool__(self) -> bool:
        return self._asked.is_set()

    def press(self, number: int = 0, frame: FrameType | None = None) -> None:  # noqa: ARG002 (a handler)
        """Ask for the end; pressed again, force it."""
        if self._asked.is_set():
            os._exit(128 + number if number else 1)
        self._asked.set()
        self.on_stop()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Be pressed by SIGTERM and SIGINT while the block lasts."""
        before = {number: signal.signal(number, self.press) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class StoppingProgress:
    """Passes progress on, and stops the run between two pages or batches once the switch is pressed."""

    def __init__(self, inner: Progress, switch: StopSwitch) -> None:
        self._inner = inner
        self._switch = switch

    def step(self, what: str, done: int, total: int | None = None) -> None:
        """Raises Interrupted when the daemon is to stop."""
        self._inner.step(what, done, total)
        if self._switch:
            raise Interrupted


def run(app: App, progress: Progress, finished: Callable[[RunReport], None]) -> None:
    """Serve until a signal comes. `finished` is told of every run. Raises LeaseHeld."""
    switch = StopSwitch()
    clockwork = Clockwork(schedules(app.settings.schedule))
    switch.on_stop = clockwork.interrupt
    lease = Lease(app.mirror, app.world, app.settings.daemon.lease, "daemon")
    with switch.on_signals(), lease.held(app.settings.daemon.lease_wait, heartbeat=True):
        for name in overdue(app, app.world.now()):
            clockwork.wake(name)
        clockwork.start()
        try:
            serve(app, lease, clockwork, StoppingProgress(progress, switch), finished)
        except Interrupted:
            pass  # asked to stop in the middle of a run: all that was finished is committed
        finally:
            clockwork.stop()


def serve(
    app: App,
    lease: Lease,
    clockwork: Clockwork,
    progress: Progress,
    finished: Callable[[RunReport], None],
) -> None:
    """Do one job after the other until the clockwork stops."""
    while (name := clockwork.wait()) != STOP:
        if name is None or name not in JOBS:
            continue
        with app.mirror.write() as conn:
            set_meta(conn, f"job.{name}", str(epoch(app.world.now())))
        finished(run_under_lease(app, JOBS[name], progress, lease.epoch, kind=f"daemon:{name}"))


def schedules(settings: ScheduleSettings) -> dict[str, str]:
    """Job → its schedule as configured."""
    return {name: getattr(settings, name) for name in JOBS}


def overdue(app: App, now: datetime) -> list[str]:
    """Jobs that should have begun by now; a full pass makes the plain one needless."""
    with app.mirror.read() as conn:
        started = {name: get_meta(conn, f"job.{name}") for name in JOBS}
    due = [
        name
        for name, text in schedules(app.settings.schedule).items()
        if due_at(text, from_epoch(int(last)) if (last := started[name]) else None, now) <= now
    ]
    return ["full"] if "full" in due else due
