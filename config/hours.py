"""Working hours and absences as people write them, and what they mean on the clock. Pure.

    Mo-Fr 09:00-17:00 Europe/Berlin
    Mo-Th 08:30-12:00 13:00-17:00, Fr 08:30-13:00 America/New_York

Days are two letters, times are by the wall clock of the zone; an hour that the clock skips or repeats is
open for as long as it really lasts.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final

from config.errors import nearest

DAYS: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
EXAMPLE: Final = '"Mo-Fr 09:00-17:00 Europe/Berlin"'
ABSENCE_EXAMPLE: Final = '"2026-12-24" or "2026-12-24..2027-01-02"'

_LONGEST: Final = 3_660  # days that a stretch of working time may reach into the future
_SPAN = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", re.ASCII)
_DAY = re.compile(r"([A-Za-z]{2})(?:-([A-Za-z]{2}))?", re.ASCII)
_ABSENCE = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.\.(\d{4}-\d\d-\d\d))?", re.ASCII)

Spans = tuple[tuple[int, int], ...]
"""Open stretches of a day, as minutes after midnight, in order."""


class HoursFault(ValueError):
    """Hours or absences that cannot be read; says which part."""


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """When somebody works: the open spans of Monday to Sunday, by the wall clock of `zone`."""

    zone: zoneinfo.ZoneInfo
    week: tuple[Spans, ...]

    def open_at(self, at: int) -> bool:
        """Whether this moment (epoch seconds) lies in working hours."""
        day = self.day_of(at)
        return any(start <= at < end for start, end in self._stretches(day, days=1))

    def after(self, start: int, seconds: int) -> int:
        """When so many seconds of working time have passed since `start` (epoch seconds).

        What ten years of working time do not hold runs round the clock from there.
        """
        left, begin = seconds, start
        for opens, closes in self._stretches(self.day_of(start), days=_LONGEST):
            begin = max(opens, start)
            if closes - begin >= left > 0 or (left == 0 and closes > begin):
                return begin + left
            left -= max(0, closes - begin)
        return begin + left

    def day_of(self, at: int) -> date:
        """The date of a moment in this zone."""
        return datetime.fromtimestamp(at, self.zone).date()

    def _stretches(self, first: date, days: int) -> Iterator[tuple[int, int]]:
        """Open stretches from that day on, as epoch seconds."""
        for number in range(days):
            day = first + timedelta(days=number)
            for start, end in self.week[day.weekday()]:
                opens, closes = self._moment(day, start), self._moment(day, end)
                if opens < closes:
                    yield opens, closes

    def _moment(self, day: date, minute: int) -> int:
        """A wall-clock time as epoch seconds; one that the clock skips is when it jumps."""
        wall = datetime.combine(day, time()) + timedelta(minutes=minute)
        while True:
            moment = wall.replace(tzinfo=self.zone).astimezone(UTC)
            if moment.astimezone(self.zone).replace(tzinfo=None) == wall:
                return int(moment.timestamp())
            wall += timedelta(minutes=1)


@lru_cache(maxsize=1024)
def parse_hours(text: str) -> WorkingHours:
    """Text such as `Mo-Fr 09:00-17:00 Europe/Berlin`. Raises HoursFault."""
    groups, _, zone = text.strip().rpartition(" ")
    if not groups or _SPAN.fullmatch(zone):
        raise HoursFault("names no time zone at its end")
    week: list[list[tuple[int, int]]] = [[] for _ in DAYS]
    for group in groups.split(","):
        words = group.split()
        if len(words) < 2:
            raise HoursFault(f'"{group.strip()}" is not days and times')
        spans = [_span(word) for word in words[1:]]
        for day in _days(words[0]):
            week[day] += spans
    for name, day_spans in zip(DAYS, week, strict=True):
        day_spans.sort()
        for (_, end), (start, _) in pairwise(day_spans):
            if start < end:
                raise HoursFault(f"times of {name} overlap")
    return WorkingHours(_zone(zone), tuple(tuple(spans) for spans in week))


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = nearest(name, sorted(zoneinfo.available_timezones()))
        hint = f"; did you mean {near}?" if near else ""
        raise HoursFault(f'"{name}" is not a time zone{hint}') from None


def _days(text: str) -> list[int]:
    found = _DAY.fullmatch(text)
    names = [name.title() for name in found.groups() if name] if found else []
    if not names or not set(names) <= set(DAYS):
        raise HoursFault(f'"{text}" is not a day or a range of days ({", ".join(DAYS)})')
    first, last = DAYS.index(names[0]), DAYS.index(names[-1])
    return [day % 7 for day in range(first, last + (7 if last < first else 0) + 1)]


def _span(text: str) -> tuple[int, int]:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise HoursFault(f'"{text}" is not a time range such as 09:00-17:00')
    start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if end > 24 * 60 or start >= end:
        raise HoursFault(f'"{text}" does not end later on the same day; over midnight, write two ranges')
    return start, end


@lru_cache(maxsize=1024)
def parse_absence(text: str) -> tuple[date, date]:
    """A day, or first and last day of a range (both included). Raises HoursFault."""
    found = _ABSENCE.fullmatch(text.strip())
    if found is None:
        raise HoursFault(f'"{text}" is not a day or a range of days')
    try:
        first, last = (date.fromisoformat(part) for part in (found[1], found[2] or found[1]))
    except ValueError:
        raise HoursFault(f'"{text}" names a day that the calendar does not have') from None
    if last < first:
        raise HoursFault(f'"{text}" ends before it begins')
    return first, last
