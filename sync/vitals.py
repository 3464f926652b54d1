"""Whether the daemon lives: its heartbeat, what it tells systemd, and what its health page answers.

The protocol to systemd is one datagram of lines `NAME=value` to the socket that `$NOTIFY_SOCKET` names
(sd_notify(3)); `$WATCHDOG_USEC` says how often it wants to hear from us.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from config.world import World
from sync.core.harmless import clean

STUCK_AFTER: Final = 900.0  # seconds without progress until the health page says so
MICROSECOND: Final = 1e-6


class Notifier:
    """Tells systemd how we are; silent where nobody listens."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = environ.get("WATCHDOG_USEC", "")
        #: seconds between two signs of life: half of what is expected; None: none is
        self.every = int(usec) * MICROSECOND / 2 if usec.isdecimal() and int(usec) > 0 else None

    def send(self, *lines: str) -> None:
        """Send lines such as `READY=1`."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto("\n".join(lines).encode(), self._address)


class Vitals:
    """The daemon's heartbeat, and what it is at. Safe to read from any thread."""

    def __init__(self, world: World, notifier: Notifier) -> None:
        self._world = world
        self._notifier = notifier
        self._beat_at = world.monotonic()
        self._told_at: float | None = None
        self.ready = False
        """Holds the lease and serves."""
        self.trouble = ""
        """Why the last run ended badly, by its code; "" when it did not."""

    def beat(self) -> None:
        """Progress was made, or nothing is due."""
        now = self._world.monotonic()
        self._beat_at = now
        every = self._notifier.every
        if every is not None and (self._told_at is None or now - self._told_at >= every):
            self._told_at = now
            self._notifier.send("WATCHDOG=1")

    def serving(self) -> None:
        """From now on ready."""
        self.ready = True
        self._notifier.send("READY=1", "STATUS=waiting for the next run")

    def status(self, text: str) -> None:
        """One line on what it is at, for `systemctl status`."""
        self._notifier.send(f"STATUS={clean(text)}")  # a line break would begin another assignment

    def stopping(self) -> None:
        """No more work is taken."""
        self.ready = False
        self._notifier.send("STOPPING=1", "STATUS=stopping")

    @property
    def seconds_since_beat(self) -> float:
        """How long nothing has moved."""
        return max(0.0, self._world.monotonic() - self._beat_at)

    @property
    def is_alive(self) -> bool:
        """Whether something moved lately."""
        return self.seconds_since_beat < STUCK_AFTER
