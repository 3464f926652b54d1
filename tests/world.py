"""A simulated world: time passes only when somebody sleeps or a test says so."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 2, 9, 0, 0, tzinfo=UTC)


class SimulatedWorld:
    """A `config.world.World` whose clock is a number. `clock` is what the in-process sandbox is given."""

    def __init__(self, start: datetime = START, seed: int = 7) -> None:
        self._lock = threading.Lock()
        self._seconds = start.timestamp()
        self._elapsed = 0.0
        self._random = random.Random(seed)
        self._ids = 0
        self.slept: list[float] = []
        self.failpoints: Counter[str] = Counter()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._seconds, UTC)

    def clock(self) -> float:
        """Epoch seconds, for the sandbox."""
        return self._seconds

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(max(0.0, seconds))

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass."""
        step = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        with self._lock:
            self._seconds += step
            self._elapsed += step

    def random(self) -> float:
        return self._random.random()

    def new_id(self) -> str:
        with self._lock:
            self._ids += 1
            return f"{self._ids:032x}"

    def reached(self, failpoint: str) -> None:
        self.failpoints[failpoint] += 1
