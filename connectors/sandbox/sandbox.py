"""The sandbox in one object: two CRMs on loopback, their store, ledger, faults, steps and clock.

    with Sandbox(clock=world.clock) as sandbox:
        sandbox.populate(seed=7, people=200, days=90)
        ... clients talk to sandbox.salesforce_url and sandbox.hubspot_url ...
        sandbox.edit("salesforce", "Lead", lead_id, {"Status": "Working - Contacted"}, author="person")
        assert not sandbox.ledger.entries(author="worker")

`clock` gives epoch seconds and may be shared with a test's simulated world; `advance` and `set_offset` add
to it. `people.populate(sandbox, seed, people, days, future)` fills both CRMs through
`sandbox.salesforce.create(…)` and `sandbox.hubspot.create(…)` with `author="seed"` and `at=` in the past, and
schedules what is to come with `sandbox.schedule(at, action)`.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from connectors.sandbox import people as people_module
from connectors.sandbox.control import Control
from connectors.sandbox.core import Core, Half, Request
from connectors.sandbox.dispatch import Dispatcher, Logged
from connectors.sandbox.faults import Faults, Steps
from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.ledger import Ledger
from connectors.sandbox.people_data import Population
from connectors.sandbox.salesforce import Salesforce
from connectors.sandbox.server import Reply, Server
from connectors.sandbox.store import Store
from connectors.sandbox.switches import Switches


class Sandbox:
    """Starts listening on `start` (or `with`); before that its records can be made already."""

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        switches: Switches | None = None,
        latency: float = 0.0,
        offset: float = 0.0,
    ) -> None:
        self._base_clock = clock
        self.offset = offset
        """Seconds that this sandbox is ahead of its base clock."""
        self.switches = switches or Switches()
        self.ledger = Ledger()
        self.store = Store(self.clock, self.ledger)
        self.faults = Faults()
        self.steps = Steps()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        core = Core(self.store, self.switches, self.clock, self.schedule)
        self.salesforce = Salesforce(core)
        self.hubspot = HubSpot(core)
        self._dispatcher = Dispatcher(self.store, self.faults, self.steps, self.release_due, latency)
        self._servers: list[Server] = []
        self._control: Control | None = None
        self.salesforce_url = ""
        self.hubspot_url = ""
        self.control_url = ""
        self.control_token = ""

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Open the three ports (Salesforce, HubSpot, control)."""
        salesforce = Server("salesforce", self.clock, self._served(self.salesforce))
        hubspot = Server("hubspot", self.clock, self._served(self.hubspot))
        self._control = Control(self)
        control = Server("control", self.clock, self._control.answer)
        self._servers = [salesforce, hubspot, control]
        self.salesforce_url, self.hubspot_url, self.control_url = (server.url for server in self._servers)
        self.control_token = self._control.token
        return self

    def stop(self) -> None:
        """Close the ports and every connection."""
        self._dispatcher.stopping.set()
        for server in self._servers:
            server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _served(self, half: Half) -> Callable[[Request], Reply]:
        return lambda request: self._dispatcher.answer(half.handle, request)

    @property
    def latency(self) -> float:
        """Seconds before each answer; may be set while it runs."""
        return self._dispatcher.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._dispatcher.latency = seconds

    # -- what happened -------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[Logged]:
        """All requests so far, in the order in which they were answered."""
        return self._dispatcher.log

    @property
    def errors(self) -> list[str]:
        """Tracebacks of failures inside the sandbox itself; a test should find none."""
        return self._dispatcher.errors

    @property
    def credentials(self) -> dict[str, dict[str, str]]:
        return {"salesforce": dict(self.salesforce.credentials), "hubspot": dict(self.hubspot.credentials)}

    # -- time ----------------------------------------------------------------------------------------------

    def clock(self) -> float:
        """Epoch seconds in both CRMs."""
        return self._base_clock() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock ahead of its base clock and let happen what is due."""
        self.offset += seconds
        self.release_due()

    def set_offset(self, seconds: float) -> None:
        self.offset = seconds
        self.release_due()

    def schedule(self, at: float, action: Callable[[], None]) -> None:
        """Run `action` once the clock has passed `at`; actions run in the order of their times."""
        with self.store.lock:
            heapq.heappush(self._due, (at, next(self._order), action))

    def release_due(self) -> int:
        """Run everything that is due; returns how many actions that were. Done at each request, too."""
        count = 0
        if not self._due or self._due[0][0] > self.clock():
            return count
        with self.store.lock:
            while self._due and self._due[0][0] <= self.clock():
                _, _, action = heapq.heappop(self._due)
                action()
                count += 1
        return count

    # -- acting as somebody else than the client -----------------------------------------------------------

    def half(self, crm: str) -> Half:
        halves: dict[str, Half] = {"salesforce": self.salesforce, "hubspot": self.hubspot}
        return halves[crm]

    def create(self, crm: str, object_name: str, values: Mapping[str, Any], *, author: str = "person") -> str:
        with self.store.lock:
            return self.half(crm).create(object_name, values, author=author)

    def edit(
        self, crm: str, object_name: str, record_id: str, fields: Mapping[str, Any], author: str = "person",
        actor: str = "",
    ) -> None:  # fmt: skip
        """Change fields as a person (or automation); `actor` a user id, else a plausible one."""
        with self.store.lock:
            self.half(crm).edit(object_name, record_id, fields, author=author, actor=actor)

    def delete(self, crm: str, object_name: str, record_id: str, author: str = "person") -> None:
        with self.store.lock:
            self.half(crm).delete(object_name, record_id, author=author)

    archive = delete

    def merge(self, crm: str, object_name: str, winner: str, loser: str, author: str = "person") -> str:
        """Returns the survivor's id."""
        with self.store.lock:
            return self.half(crm).merge(object_name, winner, loser, author=author)

    def convert(self, lead_id: str, author: str = "person", **options: Any) -> dict[str, str]:
        """Convert a Salesforce Lead; see `Salesforce.convert`. Returns contact, account, opportunity ids."""
        with self.store.lock:
            return self.salesforce.convert(lead_id, author=author, **options)

    def expire_tokens(self, crm: str) -> None:
        """Every token issued so far is refused from now on."""
        with self.store.lock:
            self.half(crm).expire_tokens()

    def populate(self, seed: int = 7, people: int = 2000, days: float = 365, future: float = 0) -> Population:
        """Fill both CRMs with people and `days` of behaviour that end now, `future` more days to come."""
        with self.store.lock:
            return people_module.populate(self, seed, people, days, future)
