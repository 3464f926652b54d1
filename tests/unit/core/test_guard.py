"""Limits: each by its own number, on the number, and none without a change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.guard import Blast, Limit, Limits, blocked_by

USUAL = Blast(
    changes=10, records=5, people=4, population=1000, approved=True, live_now=2000, live_before=2000
)


def limits_hit(blast: Blast, limits: Limits | None = None) -> set[Limit]:
    return {one.limit for one in blocked_by(blast, limits or Limits())}


@pytest.mark.parametrize(
    ("change", "hit"),
    [
        ({}, set()),
        ({"approved": False}, {Limit.FIRST_RUN}),
        ({"records": 500, "people": 50}, set()),
        ({"records": 501}, {Limit.RECORDS}),
        ({"people": 50}, set()),
        ({"people": 51}, {Limit.SHARE}),
        ({"people": 99, "population": 99}, set()),
        ({"people": 6, "population": 100}, {Limit.SHARE}),
        ({"owners": {"ann": 50}}, set()),
        ({"owners": {"ann": 51, "bob": 2}}, {Limit.PER_OWNER}),
        ({"demotions": 1}, {Limit.DEMOTIONS}),
        ({"clears": 1}, {Limit.CLEARS}),
        ({"live_now": 1600}, set()),
        ({"live_now": 1599}, {Limit.SHRUNK}),
        ({"live_before": 0, "live_now": 0}, set()),
        ({"live_before": 99, "live_now": 1}, set()),
        ({"live_before": 100, "live_now": 79}, {Limit.SHRUNK}),
    ],
)
def test_each_limit_on_its_number(change: dict[str, object], hit: set[Limit]) -> None:
    assert limits_hit(replace(USUAL, **change)) == hit  # type: ignore[arg-type]


def test_every_exceeded_limit_is_named_with_its_numbers() -> None:
    found = blocked_by(replace(USUAL, records=800, people=700, approved=False), Limits())
    assert [one.limit for one in found] == [Limit.FIRST_RUN, Limit.RECORDS, Limit.SHARE]
    assert found[1].sentence == "800 records in one run; usual are at most 500"
    assert (found[2].planned, found[2].allowed) == (700, 50)


def test_the_first_run_limit_can_be_switched_off() -> None:
    assert limits_hit(replace(USUAL, approved=False), Limits(first_run=False)) == set()


@given(st.integers(0, 2000), st.integers(0, 2000), st.booleans())
def test_nothing_to_send_is_never_blocked(records: int, people: int, approved: bool) -> None:
    blast = replace(USUAL, changes=0, records=records, people=people, approved=approved)
    assert blocked_by(blast, Limits()) == ()


@given(st.integers(1, 2000), st.integers(1, 2000))
def test_a_smaller_run_is_never_blocked_where_a_larger_one_is_not(small: int, large: int) -> None:
    small, large = sorted((small, large))
    if not limits_hit(replace(USUAL, records=large, people=large)):
        assert not limits_hit(replace(USUAL, records=small, people=small))
