"""When the daemon does what. APScheduler only wakes us; what is due is decided from our own rows.

A schedule is an interval ("5m") or a cron line ("0 2 * * *", in UTC). The library's job store lives in
memory and is rebuilt at every start: its stored jobs break when a function is renamed, and two processes
on one store run everything twice. Late wake-ups are never dropped (`misfire_grace_time=None`; the library's
default of one second loses them) and several missed ones are one (`coalesce`).
"""

from __future__ import annotations

import queue
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from config.settings import parse_duration

STOP: Final = ""
"""What `wait` returns when it was asked to stop waiting."""


class BadSchedule(ValueError):
    """Neither an interval nor a cron line."""


def trigger(text: str) -> BaseTrigger:
    """The trigger of a schedule as it stands in mqlsync.toml. Raises BadSchedule."""
    try:
        if len(text.split()) == 5:
            return CronTrigger.from_crontab(text, timezone="UTC")
        seconds = parse_duration(text)
    except ValueError as error:
        raise BadSchedule(f"{text!r}: {error}") from error
    if not isinstance(seconds, int) or seconds < 1:
        raise BadSchedule(f'{text!r} is neither an interval ("5m") nor a cron line ("0 2 * * *")')
    return IntervalTrigger(seconds=seconds, timezone="UTC")


def due_at(text: str, last_started: datetime | None, now: datetime) -> datetime:
    """When a job that last started then is to run next; `now` when it never ran or is overdue."""
    if last_started is None:
        return now
    rule = trigger(text)
    if isinstance(rule, IntervalTrigger):
        upcoming: datetime = last_started + rule.interval
    else:
        found = rule.get_next_fire_time(None, last_started + timedelta(microseconds=1))
        upcoming = now if found is None else found
    return max(upcoming, now)


class Clockwork:
    """Wakes the daemon's one loop: `wait` returns the name of the next job, one at a time."""

    def __init__(self, schedules: Mapping[str, str]) -> None:
        self._due: queue.SimpleQueue[str] = queue.SimpleQueue()  # its `put` may interrupt its `get`
        self._waiting: set[str] = set()
        self._stopping = False
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        for name, text in schedules.items():
            self._scheduler.add_job(self.wake, trigger(text), args=[name], id=name)

    def start(self) -> None:
        """Begin to keep time."""
        self._scheduler.start()

    def interrupt(self) -> None:
        """From now on `wait` says STOP, whatever is due. A signal handler may call it: it takes no lock."""
        self._stopping = True
        self._due.put(STOP)

    def stop(self) -> None:
        """Keep no more time, and end a `wait` under way."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self.interrupt()

    def wake(self, name: str) -> None:
        """Ask for a job; asking twice before it has begun is asking once."""
        if name not in self._waiting:
            self._waiting.add(name)
            self._due.put(name)

    def wait(self, timeout: float | None = None) -> str | None:
        """The next job that is due; None when `timeout` seconds passed, STOP when stopped."""
        try:
            name = self._due.get(timeout=timeout)
        except queue.Empty:
            return None
        self._waiting.discard(name)
        return STOP if self._stopping else name
