"""Limiters keep their promise for any pattern of calls, and hand out turns in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.throttle import Budget, SlidingWindow, UnlimitedBudget
from tests.world import SimulatedWorld

GAPS = st.lists(st.floats(0, 3), min_size=1, max_size=80)


def passed(limiter: SlidingWindow, world: SimulatedWorld, gaps: list[float]) -> list[float]:
    """When each call got through, for callers that arrive after these gaps."""
    times = []
    for gap in gaps:
        world.advance(gap)
        limiter.acquire()
        times.append(world.monotonic())
    return times


@settings(max_examples=80, deadline=None)
@given(gaps=GAPS, limit=st.integers(1, 12), seconds=st.floats(0.5, 10))
def test_no_window_holds_more_than_the_limit(gaps: list[float], limit: int, seconds: float) -> None:
    world = SimulatedWorld()
    times = passed(SlidingWindow(limit, seconds, world), world, gaps)
    for earlier, later in zip(times, times[limit:], strict=False):
        assert later - earlier >= seconds - 1e-6


def test_a_full_window_is_used_in_full() -> None:
    world = SimulatedWorld()
    times = passed(SlidingWindow(190, 10.0, world), world, [0.0] * 1900)
    assert times[-1] == pytest.approx(90.0)
    assert sum(1 for at in times if at < 10.0) == 190


def test_a_pause_holds_everybody_back() -> None:
    world = SimulatedWorld()
    limiter = SlidingWindow(10, 1.0, world)
    limiter.pause(7.0)
    assert limiter.acquire() >= 7.0
    assert world.monotonic() >= 7.0
    assert limiter.acquire() < 1.0


def test_limits_can_change_on_the_way() -> None:
    world = SimulatedWorld()
    window = SlidingWindow(100, 10.0, world)
    for _ in range(50):
        window.acquire()
    window.set_limit(10)
    assert window.limit == 10
    assert window.acquire() == pytest.approx(10.0)


def test_several_calls_at_once_wait_for_the_last_of_them() -> None:
    world = SimulatedWorld()
    assert SlidingWindow(4, 1.0, world).acquire(9) == pytest.approx(2.0)


class FrozenWorld(SimulatedWorld):
    """Sleeping takes no time, so that what threads were told to wait can be compared."""

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_threads_share_one_limit() -> None:
    world = FrozenWorld()
    limiter = SlidingWindow(10, 1.0, world)
    with ThreadPoolExecutor(8) as pool:
        waits = sorted(pool.map(lambda _: limiter.acquire(), range(40)))
    assert waits == pytest.approx([float(n // 10) for n in range(40)])


@pytest.mark.parametrize(
    "make",
    [
        lambda world: SlidingWindow(0, 1.0, world),
        lambda world: SlidingWindow(1, 0.0, world),
    ],
)
def test_a_limiter_that_lets_nobody_through_cannot_be_made(make: object) -> None:
    with pytest.raises(ValueError):
        make(SimulatedWorld())  # type: ignore[operator]


def test_the_unlimited_budget_never_says_wait() -> None:
    budget: Budget = UnlimitedBudget()
    budget.observe(1, 2, ours=3)
    budget.spent(None)
    assert budget.acquire("read", 5) == 0.0
