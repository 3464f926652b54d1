"""When the daemon does what. APScheduler only wakes us; what is due is decided from our own rows.

A schedule is an interval ("5m") or a cron line ("0 2 * * *", by the clock of a zone). The library's job
store lives in memory and is rebuilt at every start: its stored jobs break when a function is renamed, and
two processes on one store run everything twice. Late wake-ups are never dropped (`misfire_grace_time=None`;
the library's default of one second loses them) and several missed ones are one (`coalesce`).

The library warns that its cron lines run more or less often than meant when a zone's clock changes (user
guide, "Daylight saving time behavior"). Here a line is read by the wall clock alone and each moment it
names is one instant: the jump itself where the clock skips it, the first of the two where it comes twice.
A line that names a day of the month and a day of the week means days that are both.
Lines for every hour (`*` or `*/1`) mean the time that passes, and run through a repeated hour as well.
"""

from __future__ import annotations

import queue
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from config.settings import parse_duration

SKEW: Final = timedelta(minutes=10)
"""Clocks of hosts that share a mirror are no further apart."""

STOP: Final = ""
"""What `wait` returns when it was asked to stop waiting."""

LARGEST_SHIFT: Final = timedelta(hours=26)
"""No clock was ever moved further."""

WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
EVERY_HOUR: Final = ("*", "*/1")
TICK: Final = timedelta(microseconds=1)


class BadSchedule(ValueError):
    """Neither an interval nor a cron line."""


class WallClockCron(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """A cron line by the wall clock of a zone, each of its moments once."""

    def __init__(self, text: str, zone: tzinfo) -> None:
        *first, weekdays = text.split()
        self._lines = CronTrigger.from_crontab(" ".join([*first, _weekdays(weekdays)]), timezone="UTC")
        self._zone = zone
        self._hourly = text.split()[1] in EVERY_HOUR

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The first moment of the line that is later than the previous one, or not before now."""
        start = now - TICK if previous_fire_time is None else previous_fire_time
        zone = self._zone
        steady = (start - LARGEST_SHIFT).astimezone(zone).utcoffset()
        if steady == (start + LARGEST_SHIFT).astimezone(zone).utcoffset():
            back = timedelta(0)
        else:
            back = LARGEST_SHIFT  # the walls of different instants may overlap around here
        wall = start.astimezone(zone).replace(tzinfo=UTC) - back
        upcoming: datetime | None = None
        while (found := self._lines.get_next_fire_time(None, wall + TICK)) is not None:
            later = [moment for moment in self._instants(found) if moment > start]
            if upcoming is not None and found - upcoming.astimezone(zone).replace(tzinfo=UTC) > LARGEST_SHIFT:
                break
            if later:
                upcoming = min([*later, *([] if upcoming is None else [upcoming])])
                if not back:
                    break
            wall = found
        return upcoming

    def _instants(self, wall: datetime) -> list[datetime]:
        """The instants at which the zone's clock shows that, as the line means it."""
        naive = wall.replace(tzinfo=None)
        first, second = (naive.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first.astimezone(self._zone).replace(tzinfo=None) != naive:  # the clock skips it
            return [] if self._hourly else [_jump(second, first, self._zone)]
        return [first, second] if self._hourly and second != first else [first]


def _weekdays(text: str) -> str:
    """The last field of a cron line as names: crontab(5) calls Sunday 0 and 7, the library Monday 0."""
    found: set[int] = set()
    for part in text.lower().split(","):
        span, _, step = part.partition("/")
        begin, _, end = ("0", "-", "6") if span == "*" else span.partition("-")
        first = _weekday(begin)
        last = _weekday(end) if end else (6 if step else first)
        length = (last - first) % 7 if end != "7" or first else 7
        found |= {(first + number) % 7 for number in range(0, length + 1, int(step or 1))}
    return ",".join(WEEKDAYS[day] for day in sorted(found))


def _weekday(word: str) -> int:
    return WEEKDAYS.index(word) if word in WEEKDAYS else int(word) % 7


def _jump(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The instant between these at which the zone's offset changes, to the second."""
    low, high = min(before, after), max(before, after)
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def trigger(text: str, zone: str = "UTC") -> BaseTrigger:
    """The trigger of a schedule as it stands in mqlsync.toml. Raises BadSchedule."""
    try:
        if len(text.split()) == 5:
            return WallClockCron(text, ZoneInfo(zone))
        seconds = parse_duration(text)
    except ValueError as error:
        raise BadSchedule(f"{text!r}: {error}") from error
    if not isinstance(seconds, int) or seconds < 1:
        raise BadSchedule(f'{text!r} is neither an interval ("5m") nor a cron line ("0 2 * * *")')
    return IntervalTrigger(seconds=seconds, timezone="UTC")


def due_at(text: str, last_started: datetime | None, now: datetime, zone: str = "UTC") -> datetime:
    """When a job that last started then is to run next; `now` when it never ran or is overdue.

    A start a little in the future is that of a host whose clock is ahead of ours: what it began is begun.
    One further away means that this machine's clock was set back since: nobody knows when it was, so the
    job is due.
    """
    if last_started is None or last_started > now + SKEW:
        return now
    rule = trigger(text, zone)
    if isinstance(rule, IntervalTrigger):
        upcoming: datetime = last_started + rule.interval
    else:
        found = rule.get_next_fire_time(None, last_started + TICK)
        upcoming = now if found is None else found
    return max(upcoming, now)


class Clockwork:
    """Wakes the daemon's one loop: `wait` returns the name of the next job, one at a time."""

    def __init__(self, schedules: Mapping[str, str], zone: str = "UTC") -> None:
        self._due: queue.SimpleQueue[str] = queue.SimpleQueue()  # its `put` may interrupt its `get`
        self._waiting: set[str] = set()
        self._stopping = False
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._schedules, self._zone = dict(schedules), zone
        for name, text in schedules.items():
            self._scheduler.add_job(self.wake, trigger(text, zone), args=[name], id=name)

    def clock_was_set(self) -> None:
        """Count anew from now: what comes next was reckoned by another clock."""
        for name, text in self._schedules.items():
            self._scheduler.reschedule_job(name, trigger=trigger(text, self._zone))

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
