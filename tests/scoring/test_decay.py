"""Decay in Python and in SQL: the pinned arithmetic, number for number."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, select

from scoring.compile import rules
from scoring.compile.tables import integer
from scoring.decay import decayed
from scoring.model import Decay, HalfLife, LinearDecay, StepDecay

DAY = 86400
ENGINE = create_engine("sqlite://")


def by_sql(points: int, decay: Decay | None, age: int) -> int:
    with ENGINE.connect() as conn:
        return int(conn.execute(select(rules.decayed(points, decay, integer(age)))).scalar_one())


@pytest.mark.parametrize(
    ("points", "decay", "age", "left"),
    [
        (25_000, None, 10**9, 25_000),
        (25_000, HalfLife(60 * DAY), 0, 25_000),
        (25_000, HalfLife(60 * DAY), 60 * DAY, 12_500),
        (25_000, HalfLife(60 * DAY), DAY, 24_713),
        (-25_000, HalfLife(60 * DAY), 180 * DAY, -3_125),
        (1, HalfLife(10), 10, 1),  # half a thousandth goes up
        (-1, HalfLife(10), 10, 0),  # and toward plus infinity
        (25_000, HalfLife(1), 1_000, 0),
        (25_000, HalfLife(1), 10**9, 0),
        (10_000, StepDecay(25_000, 30 * DAY), 30 * DAY - 1, 10_000),
        (10_000, StepDecay(25_000, 30 * DAY), 30 * DAY, 7_500),
        (10_000, StepDecay(25_000, 30 * DAY), 119 * DAY, 2_500),
        (10_000, StepDecay(25_000, 30 * DAY), 120 * DAY, 0),
        (10_000, StepDecay(33_333, DAY), 3 * DAY, 0),
        (10_000, StepDecay(33_333, DAY), 2 * DAY, 3_333),
        (1, StepDecay(50_000, DAY), DAY, 1),
        (-1, StepDecay(50_000, DAY), DAY, 0),
        (10_000, LinearDecay(90 * DAY), 45 * DAY, 5_000),
        (10_000, LinearDecay(3), 1, 6_667),
        (-10_000, LinearDecay(3), 1, -6_667),
        (10_000, LinearDecay(90 * DAY), 91 * DAY, 0),
    ],
)
def test_decay(points: int, decay: Decay | None, age: int, left: int) -> None:
    assert decayed(points, decay, age) == left
    assert by_sql(points, decay, age) == left


seconds = st.integers(1, 10**9)
decays = st.one_of(
    st.builds(HalfLife, seconds),
    st.builds(LinearDecay, seconds),
    st.builds(StepDecay, st.integers(1, 100_000), seconds),
)


@given(st.integers(-(10**8), 10**8), decays, st.integers(0, 2 * 10**9))
def test_both_agree(points: int, decay: Decay, age: int) -> None:
    left = decayed(points, decay, age)
    assert by_sql(points, decay, age) == left
    assert abs(left) <= abs(points)
    assert left * points >= 0


@given(st.integers(1, 10**8), decays, st.integers(0, 10**9), st.integers(0, 10**9))
def test_decay_never_grows(points: int, decay: Decay, age: int, later: int) -> None:
    assert decayed(points, decay, age + later) <= decayed(points, decay, age)


@given(st.integers(-(10**8), 10**8), st.integers(1, 10**9), st.integers(0, 10**9))
def test_linear_decay_rounds_the_exact_fraction(points: int, life: int, age: int) -> None:
    exact = Fraction(points * max(0, life - age), life)
    assert decayed(points, LinearDecay(life), age) == (exact + Fraction(1, 2)).__floor__()
