"""A world for threads that can be told to stop: their waiting ends early."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from config.world import World

LOOK_UP: Final = 0.25  # seconds of sleep after which a thread looks whether it should stop


class Stopped(Exception):
    """This thread was told to stop while it waited."""


class StoppableWorld:
    """The given world; inside `until(stop)` a sleep of the same thread ends with Stopped once stop is set."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._mine = threading.local()

    @contextmanager
    def until(self, stop: threading.Event) -> Iterator[None]:
        """While this lasts, this thread's sleeps end when `stop` is set."""
        self._mine.stop = stop
        try:
            yield
        finally:
            del self._mine.stop

    def sleep(self, seconds: float) -> None:
        stop: threading.Event | None = getattr(self._mine, "stop", None)
        if stop is None:
            self._world.sleep(seconds)
            return
        while seconds > 0 and not stop.is_set():
            self._world.sleep(min(seconds, LOOK_UP))
            seconds -= LOOK_UP
        if stop.is_set():
            raise Stopped

    def now(self) -> datetime:
        return self._world.now()

    def monotonic(self) -> float:
        return self._world.monotonic()

    def random(self) -> float:
        return self._world.random()

    def new_id(self) -> str:
        return self._world.new_id()

    def reached(self, failpoint: str) -> None:
        self._world.reached(failpoint)
