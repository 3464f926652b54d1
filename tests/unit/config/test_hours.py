"""Working hours and absences: what may be written, and what it means on the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.checks import check
from config.hours import HoursFault, parse_absence, parse_hours
from config.settings import Settings

BERLIN = parse_hours("Mo-Fr 09:00-17:00 Europe/Berlin")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())


@pytest.mark.parametrize(
    ("text", "open_", "closed"),
    [
        ("Mo-Fr 09:00-17:00 Europe/Berlin", "2026-11-23T16:59+01:00", "2026-11-23T17:00+01:00"),
        ("Mo-Fr 09:00-17:00 Europe/Berlin", "2026-07-20T09:00+02:00", "2026-07-19T12:00+02:00"),
        ("Sa-Mo 00:00-24:00 UTC", "2026-11-22T23:59+00:00", "2026-11-24T00:00+00:00"),
        (
            "mo 09:00-12:00 13:00-17:00, we 10:00-11:00 UTC",
            "2026-11-23T13:00+00:00",
            "2026-11-23T12:30+00:00",
        ),
        (
            "Mo-Fr 22:00-24:00, Tu-Sa 00:00-06:00 America/New_York",
            "2026-11-24T05:59-05:00",
            "2026-11-23T05:59-05:00",
        ),
    ],
)
def test_open_and_closed(text: str, open_: str, closed: str) -> None:
    hours = parse_hours(text)
    assert (hours.open_at(at(open_)), hours.open_at(at(closed))) == (True, False)


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-23T10:00+01:00", 4, "2026-11-23T14:00+01:00"),
        ("2026-11-23T10:00+01:00", 7, "2026-11-23T17:00+01:00"),
        ("2026-11-23T16:00+01:00", 4, "2026-11-24T12:00+01:00"),
        ("2026-11-27T16:30+01:00", 1, "2026-11-30T09:30+01:00"),  # over the weekend
        ("2026-11-28T03:00+01:00", 0, "2026-11-30T09:00+01:00"),
        ("2026-03-27T16:00+01:00", 2, "2026-03-30T10:00+02:00"),  # summer time begins in between
    ],
)
def test_working_time_is_added(start: str, hours: int, due: str) -> None:
    assert BERLIN.after(at(start), hours * 3600) == at(due)


@pytest.mark.parametrize(
    "day", ["2026-03-29", "2026-10-25", "2026-06-14"]
)  # the clock skips, repeats, goes on
@settings(max_examples=25, deadline=None)
@given(begin=st.integers(0, 35), minutes=st.integers(1, 300))
def test_every_second_counts_once_when_the_clock_changes(day: str, begin: int, minutes: int) -> None:
    """What `after` adds up is what `open_at` says, minute by minute of the real clock."""
    hours = parse_hours("Sa-Mo 01:15-02:30 02:45-03:20 05:00-06:00 Europe/Berlin")
    start = at(f"{day}T00:00+01:00") + begin * 600
    due = hours.after(start, minutes * 60)
    assert sum(hours.open_at(moment) for moment in range(start, due, 60)) == minutes


def test_a_minute_a_week_ends_after_ten_years() -> None:
    due = parse_hours("Mo 09:00-09:01 UTC").after(at("2026-11-23T10:00+00:00"), 30 * 86_400)
    assert at("2036-11-01T00:00+00:00") < due < at("2037-01-01T00:00+00:00")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no time zone"),
        ("Mo-Fr 09:00-17:00", "names no time zone"),
        ("Mo-Fr 09:00-17:00 Europe/Berln", "did you mean Europe/Berlin"),
        ("Mo-Fr 9-17 Europe/Berlin", '"9-17" is not a time range'),
        ("Mo-Fr 09:00-25:00 UTC", "is not a time range"),
        ("Mo-Fr 09:00-24:30 UTC", "does not end later on the same day"),
        ("Mo-Fr 22:00-06:00 UTC", "over midnight, write two ranges"),
        ("Mo-Xx 09:00-17:00 UTC", '"Mo-Xx" is not a day'),
        ("Mo-Fr UTC", "is not days and times"),
        ("Mo-Fr 09:00-17:00,, Sa 09:00-10:00 UTC", '"" is not days and times'),
        ("Mo-We 09:00-12:00, We 11:00-13:00 UTC", "times of We overlap"),
    ],
)
def test_hours_that_cannot_be_read(text: str, why: str) -> None:
    with pytest.raises(HoursFault, match=why):
        parse_hours(text)


def test_absences() -> None:
    assert parse_absence("2026-12-24") == (date(2026, 12, 24), date(2026, 12, 24))
    assert parse_absence(" 2026-12-24..2027-01-02 ") == (date(2026, 12, 24), date(2027, 1, 2))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Christmas", "is not a day or a range of days"),
        ("2026-02-30", "the calendar does not have"),
        ("2026-12-24..2026-12-23", "ends before it begins"),
    ],
)
def test_absences_that_cannot_be_read(text: str, why: str) -> None:
    with pytest.raises(HoursFault, match=why):
        parse_absence(text)


def test_a_date_of_toml_is_a_day_and_mistakes_name_their_key() -> None:
    member = {"email": "ann@example.com", "absent": [date(2026, 12, 24), "yesterday"], "hours": "always"}
    pool = {"members": [member]}
    same = [
        {"salesforce": "ann@example.com", "hubspot": "lee@example.com"},
        {"salesforce": "Ann@example.com", "hubspot": "lee"},
    ]
    made = Settings.model_validate({"routing": {"pools": {"default": pool}, "same": same}})
    found = {finding.path: finding.message for finding in check(made)}
    here = ("routing", "pools", "default", "members", 0)
    assert found == {
        (*here, "hours"): "names no time zone at its end",
        (*here, "absent", 1): '"yesterday" is not a day or a range of days',
        ("routing", "same", 1, "salesforce"): "this address already stands for somebody",
        ("routing", "same", 1, "hubspot"): "this is no e-mail address",
    }
