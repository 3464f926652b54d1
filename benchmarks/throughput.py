"""How fast many changes are written, verified and committed, against what the APIs allow.

Time is simulated: every call takes 200 ms and a CRM's limits of calls are enforced, so the seconds are those
of the network. The processor's own seconds are measured beside. Calls to learn what there is (describe,
properties, owners) are counted like all others.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from connectors.sandbox.core import Request, Response
from tests.proof.arena import Arena

LATENCY = 0.2
"""Seconds a call takes."""

PULL_AT_ONCE = 50

PER_CALL = {"salesforce": (200, 25, 200), "hubspot": (50, 100, 50)}
"""Records that one call may read with their history, write with two fields, and read back. Salesforce: 200
ids in a query, 25 conditional updates in a composite request. HubSpot: 50 with history, 100 updates."""

RATE = {"salesforce": None, "hubspot": 19.0}
"""Calls a second that the account allows (HubSpot Professional: 190 in ten seconds)."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Two fields of `records` records. `least_*`: what the API allows at best, one call after another."""

    crm: str
    records: int
    verified: int
    calls: int
    seconds: float
    cpu: float
    least_calls: int
    least_seconds: float
    by_kind: dict[str, int]


def measure(crm: str, records: int) -> Throughput:
    """Write status and owner of so many records."""
    kinds: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder, Arena(Path(folder), crm, limited=True) as arena:
        arena.begin(0)
        for start in range(0, records, PULL_AT_ONCE):
            arena.new_records(min(PULL_AT_ONCE, records - start))
            arena.world.advance(10)

        def carry(request: Request, answer: Callable[[Request], Response]) -> Response:
            arena.world.advance(LATENCY)
            kind = f"{request.method} {_place(request)}"
            kinds[kind] = kinds.get(kind, 0) + 1
            return answer(request)

        arena.world.advance(100)
        arena.wire.carry = carry
        cpu, begun, calls = time.process_time(), arena.world.clock(), arena.wire.requests
        counts = arena.work()
        cpu, seconds = time.process_time() - cpu, arena.world.clock() - begun
        if counts.verified != counts.decided or counts.verified != 2 * records:
            raise RuntimeError(f"{crm}: {counts} {arena.problems[:3]}")
        least = sum(-(-records // size) for size in PER_CALL[crm])
        rate = RATE[crm]
        slowest = max(least * LATENCY, 0.0 if rate is None else least / rate)
        made = arena.wire.requests - calls
        return Throughput(crm, records, counts.verified, made, seconds, cpu, least, slowest, kinds)


def _place(request: Request) -> str:
    """The kind of call, without ids."""
    if request.crm == "salesforce":
        text = request.param("q")
        table = text.partition(" FROM ")[2].split(" ")[0] if text else ""
        return f"query {table}" if table else request.path.rsplit("/", 1)[-1]
    return "/".join(request.path.split("/")[-2:])
