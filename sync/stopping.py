"""Being told to stop: a switch that signals press, and what stops a run once it is pressed.

first signal    the run ends between two pages or batches, or in the middle of a wait; nothing is lost
8 s later       the process ends where it stands, which is as safe, with 0 all the same
second signal   the same at once, with 128 + its number
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Final

from config.world import World
from sync.context import Interrupted, Progress

log = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
GRACE: Final = 8.0  # seconds from the first signal until nothing is waited for any more
LOOK_UP: Final = 0.25  # seconds of sleep after which the switch is looked at


class StopSwitch:
    """Set once by the first signal; the second one ends the process where it stands."""

    def __init__(self, end: Callable[[int], object] = os._exit, grace: float = GRACE) -> None:
        self._asked = threading.Event()
        self._end = end
        self._grace = grace
        self.on_stop: Callable[[], object] = lambda: None

    def __bool__(self) -> bool:
        return self._asked.is_set()

    def press(self, number: int = 0, frame: FrameType | None = None) -> None:  # noqa: ARG002 (a handler)
        """Ask for the end; asking again changes nothing."""
        if not self._asked.is_set():
            self._asked.set()
            self.on_stop()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Be pressed by SIGTERM and SIGINT while the block lasts.

        Handlers wait until the main thread is back from whatever library it is in. The thread that keeps
        the deadline hears of signals at once, by a socket.
        """
        hears, told = socket.socketpair()
        told.setblocking(False)
        watch = threading.Thread(target=self._watch, args=(hears,), daemon=True)
        watch.start()
        fd_before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, self.press) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(fd_before)
            told.close()  # the watch hears the end of it
            watch.join()
            hears.close()

    def _watch(self, hears: socket.socket) -> None:
        """Wait for the first signal, then for a second one or the end of the patience."""
        while (number := _next_signal(hears)) not in SIGNALS:
            if number is None:
                return
        hears.settimeout(self._grace)
        try:
            while (number := _next_signal(hears)) not in SIGNALS:
                if number is None:
                    return
        except TimeoutError:
            log.warning("the end took longer than %.0f s: stopped where it stood, which is safe", self._grace)
            self._end(0)
        else:
            self._end(128 + number)


def _next_signal(hears: socket.socket) -> int | None:
    """The number of the next signal; None when no more will come."""
    byte = hears.recv(1)
    return byte[0] if byte else None


class StoppingWorld:
    """The given world, but no wait in it outlasts the switch. `on_wait` is told of every piece of waiting."""

    def __init__(self, inner: World, switch: StopSwitch) -> None:
        self._inner = inner
        self._switch = switch
        self.on_wait: Callable[[], object] = lambda: None

    def sleep(self, seconds: float) -> None:
        """Raises Interrupted when the switch is pressed meanwhile."""
        while not self._switch:
            self.on_wait()
            self._inner.sleep(min(seconds, LOOK_UP))
            seconds -= LOOK_UP
            if seconds <= 0:
                return
        raise Interrupted

    def now(self) -> datetime:
        return self._inner.now()

    def monotonic(self) -> float:
        return self._inner.monotonic()

    def random(self) -> float:
        return self._inner.random()

    def new_id(self) -> str:
        return self._inner.new_id()

    def reached(self, failpoint: str) -> None:
        self._inner.reached(failpoint)


class StoppingProgress:
    """Passes progress on, and stops the run between two pages or batches once the switch is pressed."""

    def __init__(self, inner: Progress, switch: StopSwitch) -> None:
        self._inner = inner
        self._switch = switch

    def step(self, what: str, done: int, total: int | None = None) -> None:
        """Raises Interrupted when the daemon is to stop."""
        self._inner.step(what, done, total)
        if self._switch:
            raise Interrupted
