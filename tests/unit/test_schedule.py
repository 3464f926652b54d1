"""Schedules: what is due when, and a clockwork that wakes once however often it is asked."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sync.schedule import STOP, BadSchedule, Clockwork, due_at, trigger

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


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_daylight_saving_neither_skips_nor_repeats(zone: str) -> None:
    moment = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    runs = []
    while moment.year < 2027:
        moment = due_at("0 2 * * *", moment, moment)
        runs.append(moment)
    assert {later - earlier for earlier, later in itertools.pairwise(runs)} == {timedelta(days=1)}


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
