"""The one place where time, chance and names come from.

Everything that asks "what time is it", waits, draws a random number or needs a fresh id is handed a
`World`. The real one is here; tests bring a simulated one, and the fault tests bring one that ends the
process when a named failpoint is reached.
"""

from __future__ import annotations

import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Protocol


class World(Protocol):
    """What the product may ask of the outside besides CRMs and files."""

    def now(self) -> datetime:
        """The current moment, always aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        ...

    def random(self) -> float:
        """A number in [0, 1), for jitter only; never part of a decision."""
        ...

    def new_id(self) -> str:
        """A fresh identifier, 32 hexadecimal characters."""
        ...

    def reached(self, failpoint: str) -> None:
        """Say that a named point of `config.failpoints` was passed; does nothing in the real world."""
        ...


class RealWorld:
    """The system's own clock, sleep and randomness.

    `offset` shifts the wall clock; only the demo uses it, to live through a fortnight that ends now.
    """

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self.offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))

    def random(self) -> float:
        return random.random()  # noqa: S311 (jitter, not a secret)

    def new_id(self) -> str:
        return uuid.uuid4().hex

    def reached(self, failpoint: str) -> None:
        """The real world passes every failpoint."""


def epoch(moment: datetime) -> int:
    """Whole seconds since 1970 of an aware moment (floor)."""
    return int(moment.timestamp() // 1)


def from_epoch(seconds: float) -> datetime:
    """The aware UTC moment of so many seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def iso_z(seconds: float | None) -> str | None:
    """ISO 8601 in UTC with `Z`, whole seconds, as every JSON answer shows times; None stays None."""
    if seconds is None:
        return None
    return from_epoch(int(seconds // 1)).strftime("%Y-%m-%dT%H:%M:%SZ")
