"""Schedules: what is due when, and a clockwork that wakes once however often it is asked."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from config.hours import parse_hours
from sync.schedule import STOP, BadSchedule, Clockwork, due_at, trigger

ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Santiago",
    "America/Havana",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Jerusalem",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
)
"""Jumps by night and at midnight, of an hour and of half of one, on both halves of the globe."""
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def test_a_job_that_never_ran_is_due() -> None:
    assert due_at("5m", None, NOON) == NOON


def test_an_interval_counts_from_the_last_start() -> None:
    assert due_at("5m", NOON - timedelta(minutes=2), NOON) == NOON + timedelta(minutes=3)


def test_an_overdue_job_is_due_now_and_once() -> None:
    assert due_at("5m", NOON - timedelta(days=3), NOON) == NOON
    assert due_at("0 2 * * *", NOON - timedelta(days=3), NOON) == NOON


def test_a_cron_line_is_read_in_utc() -> None:
    assert due_at("30 2 * * *", NOON, NOON) == datetime(2026, 11, 3, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize("zone", ZONES)
def test_daylight_saving_neither_skips_nor_repeats_what_is_read_in_utc(zone: str) -> None:
    moment = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    runs = []
    while moment.year < 2027:
        moment = due_at("0 2 * * *", moment, moment)
        runs.append(moment)
    assert {later - earlier for earlier, later in itertools.pairwise(runs)} == {timedelta(days=1)}


def fired(text: str, zone: str, first: datetime, last: datetime) -> list[datetime]:
    """When a job that always runs at once runs, from the first moment to the last."""
    found, moment = [], first
    while (moment := due_at(text, moment, moment, zone)) < last:
        found.append(moment)
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("text", ["30 2 * * *", "15 0 * * *", "59 23 * * *", "0 3 * * 0"])
def test_over_a_year_each_moment_of_a_line_comes_once_by_the_local_clock(zone: str, text: str) -> None:
    first, last = (datetime(year, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC) for year in (2026, 2027))
    runs = fired(text, zone, first - timedelta(seconds=1), last)
    local = [run.astimezone(ZoneInfo(zone)) for run in runs]
    sundays = text.endswith("0 3 * * 0")
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    assert [one.date() for one in local] == [day for day in days if not sundays or day.weekday() == 6]
    minute, hour = (int(word) for word in text.split()[:2])
    moved = [one for one in local if (one.hour, one.minute) != (hour, minute)]
    for one in moved:  # the clock skipped it: it ran when the clock jumped
        before = (one.astimezone(UTC) - timedelta(seconds=1)).astimezone(ZoneInfo(zone))
        assert before.utcoffset() != one.utcoffset()
    assert len(moved) <= 1


@pytest.mark.parametrize("zone", ZONES)
def test_a_line_for_every_hour_goes_by_the_time_that_passes(zone: str) -> None:
    for turn in turns(zone):
        runs = fired("7 * * * *", zone, turn - timedelta(hours=5), turn + timedelta(hours=5))
        gaps = {later - earlier for earlier, later in itertools.pairwise(runs)}
        assert gaps <= {timedelta(hours=1), timedelta(minutes=30), timedelta(minutes=90)}, turn
        if zone != "Australia/Lord_Howe":  # half an hour there
            assert gaps == {timedelta(hours=1)}, turn


@pytest.mark.parametrize("zone", ZONES)
def test_working_hours_are_by_the_clock_on_the_wall_whatever_it_does(zone: str) -> None:
    hours = parse_hours(f"Mo-Su 09:00-17:00 {zone}")
    for turn in turns(zone):
        start = int((turn - timedelta(days=2)).timestamp())
        due = hours.after(start, 4 * 8 * 3600)  # four full working days on
        ends = datetime.fromtimestamp(due, ZoneInfo(zone))
        begun = datetime.fromtimestamp(start, ZoneInfo(zone))
        assert hours.open_at(due - 1)
        assert (ends.date() - begun.date()).days in (3, 4)
        worked = sum(hours.open_at(at) for at in range(start, due, 60))
        assert worked == 4 * 8 * 60


def turns(zone: str) -> list[datetime]:
    """Every change of this zone's clock in the year, to the hour before it."""
    hour, found = timedelta(hours=1), []
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    while moment.year < 2027:
        here, there = (at.astimezone(ZoneInfo(zone)).utcoffset() for at in (moment, moment + hour))
        if here != there:
            found.append(moment)
        moment += hour
    return found


def test_the_ten_zones_change_their_clocks_in_every_way() -> None:
    numbers = {zone: len(turns(zone)) for zone in ZONES}
    assert sum(number > 0 for number in numbers.values()) >= 9
    assert len(ZONES) == len(set(ZONES)) == 10


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("*", "0123456"), ("0", "0"), ("7", "0"), ("1-5", "12345"), ("sun", "0"), ("Mon-Fri", "12345"),
        ("5-7", "056"), ("0-7", "0123456"), ("*/2", "0246"), ("1-5/2", "135"), ("sat,1", "16"),
        ("fri-mon", "0156"),
    ],
)  # fmt: skip
def test_days_of_the_week_are_those_of_crontab(field: str, days: str) -> None:
    first = datetime(2026, 11, 1, tzinfo=UTC)  # a Sunday
    runs = fired(f"0 3 * * {field}", "UTC", first, first + timedelta(days=7))
    assert "".join(str(run.isoweekday() % 7) for run in runs) == days


@pytest.mark.parametrize("text", ["5m", "0 2 * * *", "*/10 * * * *"])
def test_hosts_with_clocks_that_differ_begin_a_job_once_for_each_of_its_times(text: str) -> None:
    """Whoever's clock is ahead is first; for the others the job has begun then, not never."""
    clocks = [timedelta(seconds=seconds) for seconds in (-90, 0, 2, 200)]
    begun: list[datetime] = [NOON]
    for second in range(0, 26 * 3600, 20):
        for clock in clocks:
            now = NOON + timedelta(seconds=second) + clock
            if due_at(text, begun[-1], now) <= now:
                begun.append(now)
    apart = [later - earlier for earlier, later in itertools.pairwise(begun[1:])]
    match text:
        case "5m":
            assert all(timedelta(minutes=5) <= one <= timedelta(minutes=6) for one in apart)
        case "0 2 * * *":
            assert [one.replace(second=0) for one in begun[1:]] == [NOON.replace(day=3, hour=2)]
        case _:
            assert {one.replace(second=0) for one in begun[1:]} == {
                NOON + n * timedelta(minutes=10) for n in range(1, len(begun))
            }
            assert len(begun) == 1 + (26 * 6)


def test_a_clock_that_was_set_back_holds_up_nothing() -> None:
    assert due_at("5m", NOON + timedelta(days=365), NOON) == NOON
    assert due_at("0 2 * * *", NOON + timedelta(days=365), NOON) == NOON


@pytest.mark.parametrize("text", ["", "soon", "0s", "5x", "61 * * * *", "* * * *", "-5m"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(BadSchedule):
        trigger(text)


def test_asking_twice_is_asking_once() -> None:
    clockwork = Clockwork({"pull": "5m"})
    clockwork.wake("pull")
    clockwork.wake("pull")
    assert clockwork.wait(0) == "pull"
    assert clockwork.wait(0) is None
    clockwork.wake("pull")
    assert clockwork.wait(0) == "pull"


def test_an_interrupt_goes_before_whatever_is_due() -> None:
    clockwork = Clockwork({"pull": "5m"})
    clockwork.wake("pull")
    clockwork.interrupt()
    assert clockwork.wait(0) == STOP


def test_the_real_scheduler_wakes_us_and_stops() -> None:
    clockwork = Clockwork({"pull": "1s"})
    clockwork.start()
    assert clockwork.wait(5) == "pull"
    clockwork.stop()
    assert STOP in (clockwork.wait(1), clockwork.wait(1))
