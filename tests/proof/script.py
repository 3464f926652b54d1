"""What happens to one game besides the worker: drawn once per seed, the same for every strategy.

People, automation and a second worker act at a moment in time or at the n-th request; the network loses,
delays and spoils requests; the plug is pulled at the n-th request or failpoint.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

EDITS: Final[Mapping[str, tuple[str, ...]]] = {
    "salesforce": ("Working - Contacted", "Closed - Not Converted", "Unqualified"),
    "hubspot": ("IN_PROGRESS", "CONNECTED", "UNQUALIFIED"),
}
"""What people and automation set the status to: nothing that may be replaced."""

PASSES: Final = (1, 1, 2)
"""Passes of the worker in which things happen; after them it works undisturbed."""

LATEST: Final = 110.0
"""Seconds after which a delayed request arrives at the latest: within the settle time (120 s)."""


class Act(NamedTuple):
    """`who` changes `what` (status, owner, other, clear) of a record to `value`."""

    record: int
    who: str
    what: str
    value: str


class Moment(NamedTuple):
    """When: `kind` is `time` (seconds into the game), or `before`, `after` (the n-th writing request)."""

    kind: str
    at: float


@dataclass(slots=True)
class Script:
    """One seed's events. `gaps`: seconds after each pass. Requests are counted from 1 over the whole game,
    writing ones apart."""

    crm: str
    seed: int
    latency: float
    gaps: list[float]
    acts: list[tuple[Moment, Act]] = field(default_factory=list)
    network: dict[int, tuple[str, float]] = field(default_factory=dict)  # writing request → fault, seconds
    readings: dict[int, str] = field(default_factory=dict)  # reading request → fault
    cuts: dict[int, str] = field(default_factory=dict)  # request → before or after it: the plug is pulled
    failpoints: set[int] = field(default_factory=set)  # arrivals at failpoints at which the plug is pulled
    takeover: int = 0  # request at which another worker takes over, 0: never


def draw(crm: str, seed: int, records: int) -> Script:
    """The events of that seed."""
    rng = random.Random(f"{crm} {seed}")
    gaps = [rng.choice((2.0, 20.0, 90.0, 200.0, 900.0)) for _ in range(rng.choice(PASSES))]
    script = Script(crm, seed, rng.choice((0.02, 0.1, 0.3)), gaps)
    for record in range(records):
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            _draw_acts(rng, script, record)
    for number in range(1, 5):
        if rng.random() < 0.2:
            kind = rng.choice(
                ("lose", "lose", "mute", "mute", "delay", "delay", "busy", "crash", "cut", "html")
            )
            script.network[number] = kind, rng.uniform(0.5, LATEST)
    if rng.random() < 0.1:
        script.readings[rng.randint(1, 6)] = rng.choice(("lose", "busy", "cut"))
    if rng.random() < 0.2:
        script.cuts[rng.randint(1, 10)] = rng.choice(("before", "after"))
    if rng.random() < 0.25:
        script.failpoints.add(rng.randint(1, 24))
    if rng.random() < 0.12:
        script.takeover = rng.randint(1, 10)
    return script


def _draw_acts(rng: random.Random, script: Script, record: int) -> None:
    """One deed, or two within one second of each other."""
    roll = rng.random()
    if roll < 0.45:
        moment = Moment("before", rng.choice((1, 1, 1, 2, 3)))
    elif roll < 0.6:
        moment = Moment("after", rng.choice((1, 1, 2, 3)))
    else:
        moment = Moment("time", rng.choice((rng.uniform(0, 3), rng.uniform(0, 400))))
    act = _act(rng, script.crm, record)
    script.acts.append((moment, act))
    if rng.random() < 0.25:
        close = rng.uniform(0.05, 0.9)
        second = Moment("time", moment.at + close) if moment.kind == "time" else moment
        script.acts.append((second, _act(rng, script.crm, record)))


def _act(rng: random.Random, crm: str, record: int) -> Act:
    who = "person" if rng.random() < 0.7 else "automation"
    if who == "automation":
        what = rng.choice(("status", "other", "other"))
    else:
        what = rng.choice(("status", "status", "status", "owner", "owner", "other", "clear"))
    if what == "clear" and crm == "salesforce":
        what = "status"  # a lead's status is never empty
    return Act(record, who, what, rng.choice(EDITS[crm]) if what == "status" else "")
