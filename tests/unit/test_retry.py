"""What is retried, how long one waits, and what is never done twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import (
    AuthFailed,
    BrokenReply,
    Conflict,
    ConnectorError,
    Fatal,
    Moved,
    NotOffered,
    OutcomeUnknown,
    QuotaSpent,
    RecordRejected,
    Retriable,
    RightMissing,
)
from connectors.retry import NOT_SENT, Retrier, RetryPolicy
from tests.world import SimulatedWorld


def failing(errors: list[ConnectorError]) -> tuple[Callable[[], str], list[int]]:
    """A call that raises these errors one after the other and then works; and its count of calls."""
    left = list(errors)
    calls: list[int] = []

    def call() -> str:
        calls.append(1)
        if left:
            raise left.pop(0)
        return "done"

    return call, calls


NEVER = [
    QuotaSpent("x"),
    AuthFailed("x"),
    RightMissing("x"),
    NotOffered("x", what="y"),
    RecordRejected("x"),
    Conflict("x"),
    Moved("x"),
    OutcomeUnknown("x"),
    Fatal("x"),
]


def test_reads_are_repeated_with_growing_waits() -> None:
    world = SimulatedWorld()
    call, calls = failing([Retriable("x"), BrokenReply("y"), Retriable("z", status=503)])
    assert Retrier(world).read(call) == "done"
    assert len(calls) == 4
    for least, slept in zip((0.25, 0.5, 1.0), world.slept, strict=True):
        assert least <= slept <= 2 * least


@pytest.mark.parametrize("error", NEVER, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("road", ["read", "write"])
def test_families_that_waiting_does_not_mend_are_not_retried(error: ConnectorError, road: str) -> None:
    world = SimulatedWorld()
    call, calls = failing([error])
    with pytest.raises(type(error)):
        getattr(Retrier(world), road)(call)
    assert len(calls) == 1
    assert world.slept == []


def test_the_delay_that_the_crm_names_is_honoured() -> None:
    world = SimulatedWorld()
    call, _ = failing([Retriable("x", delay=10.0)])
    Retrier(world).read(call)
    assert 10.0 <= world.slept[0] <= 11.0


def test_a_delay_beyond_the_total_comes_out_at_once() -> None:
    world = SimulatedWorld()
    call, calls = failing([Retriable("x", delay=3600.0)])
    with pytest.raises(Retriable) as caught:
        Retrier(world, RetryPolicy(total=60)).read(call)
    assert caught.value.delay == 3600.0
    assert (len(calls), world.slept) == (1, [])


def test_the_last_error_comes_out_after_the_last_attempt() -> None:
    world = SimulatedWorld()
    errors: list[ConnectorError] = [Retriable(str(number)) for number in range(10)]
    call, calls = failing(errors)
    with pytest.raises(Retriable) as caught:
        Retrier(world, RetryPolicy(attempts=4)).read(call)
    assert caught.value is errors[3]
    assert len(calls) == 4


@pytest.mark.parametrize(
    "error",
    [Retriable("timeout"), Retriable("x", status=503), BrokenReply("cut"), BrokenReply("x", status=429)],
    ids=["timeout", "503", "broken", "broken 429"],
)
def test_an_ambiguous_write_is_never_sent_twice(error: Retriable) -> None:
    world = SimulatedWorld()
    call, calls = failing([error])
    with pytest.raises(OutcomeUnknown):
        Retrier(world).write(call)
    assert (len(calls), world.slept) == (1, [])


@pytest.mark.parametrize("error", [Retriable("x", status=429, delay=1), Retriable("x", code=NOT_SENT)])
def test_a_write_that_surely_had_no_effect_is_repeated(error: Retriable) -> None:
    call, calls = failing([error])
    assert Retrier(SimulatedWorld()).write(call) == "done"
    assert len(calls) == 2


def test_a_write_that_never_left_stays_retriable_after_the_last_attempt() -> None:
    call, _ = failing([Retriable("x", code=NOT_SENT) for _ in range(9)])
    with pytest.raises(Retriable):
        Retrier(SimulatedWorld(), RetryPolicy(attempts=3)).write(call)


@settings(max_examples=60, deadline=None)
@given(
    delays=st.lists(st.none() | st.floats(0, 100), max_size=12),
    attempts=st.integers(1, 8),
    total=st.floats(1, 200),
)
def test_attempts_and_total_time_are_bounded(delays: list[float | None], attempts: int, total: float) -> None:
    world = SimulatedWorld()
    call, calls = failing([Retriable("x", delay=delay) for delay in delays])
    with contextlib.suppress(Retriable):
        Retrier(world, RetryPolicy(attempts=attempts, total=total)).read(call)
    assert len(calls) <= attempts
    assert world.monotonic() <= total + 1e-6
