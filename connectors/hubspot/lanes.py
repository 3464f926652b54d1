"""Several listings side by side, each with a cursor of the server's own: lanes.

One cursor waits a round trip for every page, and HubSpot permits far more. What can be cut beforehand (a feed
of events by time, submissions by form) is read by a few threads, a lane at a time each. The pages of one lane
come in its order; which lanes are open and where each goes on is what the consumer stores.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import msgspec

from connectors.errors import BrokenReply
from connectors.hubspot.account import Account
from connectors.hubspot.replies import CRM
from connectors.hubspot.threads import Stopped

READERS: Final = 8
AHEAD: Final = 8  # pages that wait for the consumer
LOOK_UP: Final = 0.2  # seconds after which a reader that cannot hand over its page looks whether to stop


class LanePage(NamedTuple):
    """A page of one lane. `token`: where the lane goes on; None at its end. `more`: what the caller needs."""

    lane: str
    rows: Sequence[msgspec.Raw]
    token: str | None
    server_ms: int
    more: Any = None


Fetch = Callable[[str, str | None], LanePage]
"""(lane, token or None for its beginning) → a page of it."""


class Lanes:
    """One pass over lanes. `fetch` is called in several threads."""

    def __init__(self, account: Account, fetch: Fetch, readers: int = READERS) -> None:
        self._account = account
        self._fetch = fetch
        self._readers = readers
        self._found: queue.Queue[LanePage | int] = queue.Queue(AHEAD)
        self._stop = threading.Event()

    def pages(self, lanes: Mapping[str, str | None]) -> Iterator[LanePage]:
        """Every page of every lane from its token on. Raises what ended a reader; closing this ends all."""
        waiting: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
        for lane, token in lanes.items():
            waiting.put((lane, token))
        running = min(self._readers, len(lanes))
        with ThreadPoolExecutor(max(1, running), thread_name_prefix="hubspot-lane") as pool:
            try:
                ends = [pool.submit(self._read, waiting, number) for number in range(running)]
                while running:
                    found = self._found.get()
                    if isinstance(found, LanePage):
                        yield found
                        continue
                    ends[found].result()  # raises what ended that reader
                    running -= 1
            finally:
                self._stop.set()

    def _read(self, waiting: queue.SimpleQueue[tuple[str, str | None]], number: int) -> None:
        """A reader's life; at its end the consumer gets its number."""
        try:
            with self._account.in_thread(self._stop):
                while not self._stop.is_set():
                    try:
                        lane, token = waiting.get_nowait()
                    except queue.Empty:
                        return
                    self._through(lane, token)
        except Stopped:
            return
        finally:
            self._hand_over(number)

    def _through(self, lane: str, token: str | None) -> None:
        while not self._stop.is_set():
            page = self._fetch(lane, token)
            if page.token is not None and page.token == token:
                raise BrokenReply("a listing goes in circles", crm=CRM, code="circle")
            self._hand_over(page)
            token = page.token
            if token is None:
                return

    def _hand_over(self, found: LanePage | int) -> None:
        """To the consumer, who may be slow, or gone."""
        while not self._stop.is_set():
            try:
                self._found.put(found, timeout=LOOK_UP)
            except queue.Full:
                continue
            return
