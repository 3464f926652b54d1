"""Doing it again, by error family: what is retried, how long one waits, and when one gives up.

    read   Retriable (BrokenReply included) is repeated: after the delay that the CRM named, else with
           exponential back-off and jitter; at most `attempts` times and `total` seconds. Then the last
           error comes out as it is.
    write  repeated only after a failure that proves the request had no effect (429, never sent).
           Any other Retriable may hide an effect and becomes OutcomeUnknown: read back first.

QuotaSpent, AuthFailed, RightMissing, NotOffered and the rest are never retried: waiting seconds does not
mend them. Time and jitter come from the world, so a simulated one needs no patience.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception

from config.world import World
from connectors.errors import BrokenReply, OutcomeUnknown, Retriable

T = TypeVar("T")

NOT_SENT = "not_sent"
"""`code` of a Retriable whose request never left: no connection could be made."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient: tries, seconds of the first back-off, of the longest one, and of all together."""

    attempts: int = 6
    first: float = 0.5  # seconds
    longest: float = 30.0  # seconds
    total: float = 180.0  # seconds, from the first try to the start of the last one


def had_no_effect(error: Retriable) -> bool:
    """True when this failure proves that the server did not carry the request out."""
    return not isinstance(error, BrokenReply) and (error.status == 429 or error.code == NOT_SENT)


class Retrier:
    """Calls something until it works, by the policy. Holds no state between calls; safe in any thread."""

    def __init__(self, world: World, policy: RetryPolicy | None = None) -> None:
        self._world = world
        self.policy = policy if policy is not None else RetryPolicy()

    def read(self, call: Callable[[], T]) -> T:
        """The result of `call`, which must be free of effects. Raises its last error."""
        return self._run(call, lambda error: isinstance(error, Retriable))

    def write(self, call: Callable[[], T]) -> T:
        """The result of `call`, which may have effects. Raises OutcomeUnknown when nobody can tell."""
        try:
            return self._run(call, lambda error: isinstance(error, Retriable) and had_no_effect(error))
        except Retriable as error:
            if had_no_effect(error):
                raise
            raise OutcomeUnknown(
                error.message, crm=error.crm, code=error.code, status=error.status
            ) from error

    def _run(self, call: Callable[[], T], again: Callable[[BaseException], bool]) -> T:
        started = self._world.monotonic()

        def give_up(state: RetryCallState) -> bool:
            spent = self._world.monotonic() - started + state.upcoming_sleep
            return state.attempt_number >= self.policy.attempts or spent > self.policy.total

        retrying = Retrying(
            retry=retry_if_exception(again),
            wait=self._wait,
            stop=give_up,
            sleep=self._world.sleep,
            reraise=True,
        )
        return retrying(call)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        jitter = self._world.random()
        if isinstance(error, Retriable) and error.delay is not None:
            # The CRM said how long; a little more spreads those that were told the same.
            return max(0.0, error.delay) + jitter * min(1.0, 0.1 * max(0.0, error.delay))
        back_off = min(self.policy.longest, self.policy.first * 2.0 ** (state.attempt_number - 1))
        return back_off * (0.5 + 0.5 * jitter)
