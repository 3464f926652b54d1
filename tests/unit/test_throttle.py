"""Limiters keep their promise for any pattern of calls, and hand out turns in order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.throttle import Budget, Limiter, SlidingWindow, TokenBucket, UnlimitedBudget
from tests.world import SimulatedWorld

GAPS = st.lists(st.floats(0, 3), min_size=1, max_size=80)


def passed(limiter: Limiter, world: SimulatedWorld, gaps: list[float]) -> list[float]:
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


@settings(max_examples=80, deadline=None)
@given(gaps=GAPS, rate=st.floats(0.5, 20), burst=st.integers(1, 10))
def test_a_bucket_never_lets_more_through_than_burst_plus_rate(
    gaps: list[float], rate: float, burst: int
) -> None:
    world = SimulatedWorld()
    times = passed(TokenBucket(rate, burst, world), world, gaps)
    for first in range(len(times)):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + rate * (times[last] - times[first]) + 1 + 1e-6


def test_a_bucket_lets_its_burst_through_at_once_and_then_its_rate() -> None:
    world = SimulatedWorld()
    times = passed(TokenBucket(5.0, 5, world), world, [0.0] * 15)
    assert times[:5] == [0.0] * 5
    assert times[14] == pytest.approx(2.0)


@pytest.mark.parametrize("kind", ["window", "bucket"])
def test_a_pause_holds_everybody_back(kind: str) -> None:
    world = SimulatedWorld()
    limiter: Limiter = SlidingWindow(10, 1.0, world) if kind == "window" else TokenBucket(10.0, 10, world)
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
    bucket = TokenBucket(5.0, 1, world)
    bucket.set_rate(4.0)
    bucket.acquire()
    assert bucket.rate == 4.0
    assert bucket.acquire() == pytest.approx(0.25)


def test_several_calls_at_once_wait_for_the_last_of_them() -> None:
    world = SimulatedWorld()
    assert SlidingWindow(4, 1.0, world).acquire(9) == pytest.approx(2.0)
    assert TokenBucket(2.0, 2, world).acquire(4) == pytest.approx(1.0)


class FrozenWorld(SimulatedWorld):
    """Sleeping takes no time, so that what threads were told to wait can be compared."""

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.mark.parametrize("kind", ["window", "bucket"])
def test_threads_share_one_limit(kind: str) -> None:
    world = FrozenWorld()
    limiter: Limiter = SlidingWindow(10, 1.0, world) if kind == "window" else TokenBucket(10.0, 10, world)
    with ThreadPoolExecutor(8) as pool:
        waits = sorted(pool.map(lambda _: limiter.acquire(), range(40)))
    if kind == "window":
        assert waits == pytest.approx([float(n // 10) for n in range(40)])
    else:
        assert waits == pytest.approx([max(0.0, (n - 9) / 10) for n in range(40)])


@pytest.mark.parametrize(
    "make",
    [
        lambda world: SlidingWindow(0, 1.0, world),
        lambda world: SlidingWindow(1, 0.0, world),
        lambda world: TokenBucket(0.0, 1, world),
        lambda world: TokenBucket(1.0, 0, world),
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
