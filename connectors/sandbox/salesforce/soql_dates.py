"""Date literals of SOQL → half-open ranges of days in UTC.

Source: SOQL and SOSL Reference, "Date Formats and Date Literals in WHERE". The sandbox takes days in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from connectors.sandbox.salesforce.soql_tokens import malformed

Range = tuple[date, date]


def _week(day: date, count: int = 1) -> Range:
    start = day - timedelta(days=(day.weekday() + 1) % 7)  # weeks start on Sunday in the en_US locale
    return start, start + timedelta(weeks=count)


def _month(year: int, month: int, count: int = 1) -> Range:
    """`count` months from the month `month` of `year`; months beyond 1..12 roll over."""
    first = year * 12 + month - 1
    last = first + count
    return date(first // 12, first % 12 + 1, 1), date(last // 12, last % 12 + 1, 1)


def _quarter(day: date, shift: int, count: int = 1) -> Range:
    return _month(day.year, (day.month - 1) // 3 * 3 + 1 + 3 * shift, 3 * count)


_SINGLE: dict[str, Callable[[date], Range]] = {
    "TODAY": lambda day: (day, day + timedelta(days=1)),
    "YESTERDAY": lambda day: (day - timedelta(days=1), day),
    "TOMORROW": lambda day: (day + timedelta(days=1), day + timedelta(days=2)),
    "THIS_WEEK": _week,
    "LAST_WEEK": lambda day: _week(day - timedelta(weeks=1)),
    "NEXT_WEEK": lambda day: _week(day + timedelta(weeks=1)),
    "THIS_MONTH": lambda day: _month(day.year, day.month),
    "LAST_MONTH": lambda day: _month(day.year, day.month - 1),
    "NEXT_MONTH": lambda day: _month(day.year, day.month + 1),
    "THIS_QUARTER": lambda day: _quarter(day, 0),
    "LAST_QUARTER": lambda day: _quarter(day, -1),
    "NEXT_QUARTER": lambda day: _quarter(day, 1),
    "THIS_YEAR": lambda day: _month(day.year, 1, 12),
    "LAST_YEAR": lambda day: _month(day.year - 1, 1, 12),
    "NEXT_YEAR": lambda day: _month(day.year + 1, 1, 12),
    "LAST_90_DAYS": lambda day: (day - timedelta(days=90), day + timedelta(days=1)),
    "NEXT_90_DAYS": lambda day: (day + timedelta(days=1), day + timedelta(days=91)),
}

_COUNTED: dict[str, Callable[[date, int], Range]] = {
    "LAST_N_DAYS": lambda day, n: (day - timedelta(days=n), day + timedelta(days=1)),
    "NEXT_N_DAYS": lambda day, n: (day + timedelta(days=1), day + timedelta(days=n + 1)),
    "N_DAYS_AGO": lambda day, n: (day - timedelta(days=n), day - timedelta(days=n - 1)),
    "LAST_N_WEEKS": lambda day, n: _week(day - timedelta(weeks=n), n),
    "NEXT_N_WEEKS": lambda day, n: _week(day + timedelta(weeks=1), n),
    "N_WEEKS_AGO": lambda day, n: _week(day - timedelta(weeks=n)),
    "LAST_N_MONTHS": lambda day, n: _month(day.year, day.month - n, n),
    "NEXT_N_MONTHS": lambda day, n: _month(day.year, day.month + 1, n),
    "N_MONTHS_AGO": lambda day, n: _month(day.year, day.month - n),
    "LAST_N_QUARTERS": lambda day, n: _quarter(day, -n, n),
    "NEXT_N_QUARTERS": lambda day, n: _quarter(day, 1, n),
    "N_QUARTERS_AGO": lambda day, n: _quarter(day, -n),
    "LAST_N_YEARS": lambda day, n: _month(day.year - n, 1, 12 * n),
    "NEXT_N_YEARS": lambda day, n: _month(day.year + 1, 1, 12 * n),
    "N_YEARS_AGO": lambda day, n: _month(day.year - n, 1, 12),
}


def day_range(literal: str, now: float) -> Range:
    """First day and the day after the last one of a date literal, seen from `now` (epoch seconds)."""
    today = datetime.fromtimestamp(now, UTC).date()
    name, _, count = literal.partition(":")
    try:
        if not count and name in _SINGLE:
            return _SINGLE[name](today)
        if count and name in _COUNTED:
            return _COUNTED[name](today, int(count))
    except (OverflowError, ValueError):
        raise malformed(f"date literal out of range: {literal}") from None
    raise malformed(f"unexpected token: '{literal}'")


def epoch_range(literal: str, now: float) -> tuple[int, int]:
    """The same as whole epoch seconds of midnights in UTC."""
    first, last = day_range(literal, now)
    return _midnight(first), _midnight(last)


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
