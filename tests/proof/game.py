"""Play one seed with one strategy, then ask the CRM's own ledger how it went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from connectors.records import RecordRef
from connectors.sandbox.core import Request, Response
from sync.mirror.lease import LeaseLost
from sync.mirror.outbox import OutboxRaced
from sync.mirror.tables.outbox import END_STATES
from tests.proof.arena import WANTED, Arena
from tests.proof.script import Act, Script
from tests.proof.wire import LostError

RECORDS = 3
QUIET_PASSES = 4
"""After the last disturbance so many passes must be enough."""

QUIET_GAP = 300.0
"""Seconds between two of them."""


class PulledPlug(BaseException):
    """The process is gone."""


class Strategy(Protocol):
    """A way of writing. It lives through crashes only by what it kept."""

    def run(self) -> None:
        """One pass."""
        ...

    def busy(self) -> bool:
        """Whether it has something left to do."""
        ...

    def belief(self, ref: RecordRef, field: str) -> str:
        """What it holds of that field at the end: `written`, `left`, `gave up`, or `open`."""
        ...


@dataclass(slots=True)
class Result:
    """How one game went, by the CRM's ledger."""

    seed: int
    lost: int = 0  # edits of people that stand covered by a write of ours at the end
    windows: list[float] = field(default_factory=list)  # seconds that an edit stood covered before its repair
    double: int = 0  # effective writes of one change beyond the first
    unexplained: list[str] = field(default_factory=list)
    edits: int = 0
    writes: int = 0
    requests: int = 0
    cuts: int = 0

    def add(self, other: Result) -> None:
        """Sum up."""
        self.lost += other.lost
        self.windows += other.windows
        self.double += other.double
        self.unexplained += other.unexplained
        self.edits += other.edits
        self.writes += other.writes
        self.requests += other.requests
        self.cuts += other.cuts


class Ours:
    """The product itself: `decide` and `write_back` on the arena's mirror."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena

    def run(self) -> None:
        self._arena.pull(self._arena.records)
        try:
            self._arena.work()
        except (LeaseLost, OutboxRaced):
            return  # another worker took over

    def busy(self) -> bool:
        return any(row.state not in END_STATES for row in self._arena.intents())

    def belief(self, ref: RecordRef, field: str) -> str:
        rows = [row for row in self._arena.intents() if (row.record_id, row.field) == (ref.id, field)]
        if any(row.state not in END_STATES or not row.why for row in rows):
            return "open"
        if any(row.sent_ms is not None and row.state in ("verified", "superseded") for row in rows):
            first = next(row for row in rows if row.sent_ms is not None)
            return (
                "written" if any(row.state == "verified" for row in rows) or first.verified_at_ms else "left"
            )
        return "gave up" if any(row.state in ("conflict", "parked") for row in rows) else "left"


class Player:
    """The world around one strategy in one game."""

    def __init__(
        self, arena: Arena, script: Script, make: Callable[[Arena], Strategy], records: int = RECORDS
    ) -> None:
        self.arena, self.script = arena, script
        self.refs = arena.begin(records, seed=script.seed, mirrored=make is Ours)
        self.started = arena.world.clock()
        self.strategy = make(arena)
        self.requests = self.writes = self.reads = self.arrivals = self.cuts = 0
        self.disturbed = True
        self.wrote = False
        self.busy_takeover = False

    def play(self) -> Result:
        """The whole game."""
        arena = self.arena
        for moment, act in self.script.acts:
            if moment.kind == "time":
                arena.world.at(self.started + moment.at, partial(self.act, act))
        before = arena.wire.requests
        arena.world.on_failpoint = self.failpoint
        arena.wire.carry = self.carry
        try:
            for gap in self.script.gaps:
                self.one_pass()
                self.after_pass()
                arena.world.advance(gap)
            self.disturbed = False
            for _ in range(QUIET_PASSES):
                arena.world.advance(QUIET_GAP)
                self.wrote = False
                self.one_pass()
                if not self.wrote and not self.strategy.busy():
                    break
        finally:
            arena.world.on_failpoint = lambda name: None
            arena.wire.carry = lambda request, answer: answer(request)
        result = Judge(self).result()
        result.requests = arena.wire.requests - before
        result.cuts = self.cuts
        return result

    def one_pass(self) -> None:
        try:
            self.strategy.run()
        except PulledPlug:
            self.cuts += 1

    def after_pass(self) -> None:
        """A pass in which things happen is over."""

    # -- what happens

    def act(self, act: Act) -> None:
        """A person or automation changes a record."""
        ref = self.refs[act.record]
        if act.what == "status":
            fields: dict[str, str | None] = {self.arena.status: act.value}
        elif act.what == "clear":
            fields = {self.arena.status: None}
        elif act.what == "owner":
            fields = {self.arena.owner: self.arena.owners["rep"]}
        else:
            name = "Title" if self.arena.crm == "salesforce" else "jobtitle"
            fields = {name: f"title {self.arena.world.clock()}"}
        self.arena.edit(ref, fields, act.who)

    def acts_at(self, kind: str, number: int) -> None:
        for moment, act in self.script.acts:
            if moment.kind == kind and moment.at == number:
                self.act(act)

    def failpoint(self, name: str) -> None:
        self.arrivals += 1
        if self.disturbed and self.arrivals in self.script.failpoints:
            raise PulledPlug

    # -- the network

    def carry(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        """Bring a request there, or not; time passes on the way."""
        if describes(request):
            return answer(request)
        self.arena.world.advance(self.script.latency)
        self.wrote |= writes(request)
        if not self.disturbed:
            return answer(request)
        self.requests += 1
        number = self.requests
        self.take_over(number)
        if self.script.cuts.get(number) == "before":
            raise PulledPlug
        found = self.write(request, answer) if writes(request) else self.read(request, answer)
        if self.script.cuts.get(number) == "after":
            raise PulledPlug
        return found

    def take_over(self, number: int) -> None:
        """The worker was held up past its lease: another one begins, and ends, before this one goes on."""
        if number != self.script.takeover or self.busy_takeover:
            return
        self.busy_takeover = True
        self.arena.world.advance(31)
        self.one_pass()
        self.busy_takeover = False

    def read(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        self.reads += 1
        fault = self.script.readings.get(self.reads, "")
        return self.spoil(fault, 0.0, request, answer) if fault else answer(request)

    def write(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        self.writes += 1
        number = self.writes
        self.acts_at("before", number)
        fault, seconds = self.script.network.get(number, ("", 0.0))
        found = self.spoil(fault, seconds, request, answer) if fault else answer(request)
        self.acts_at("after", number)
        return found

    def spoil(
        self, fault: str, seconds: float, request: Request, answer: Callable[[Request], Response]
    ) -> Response:
        if fault == "delay":
            self.arena.world.at(self.arena.world.clock() + seconds, lambda: self.late(request, answer))
        if fault in ("lose", "delay"):
            raise LostError
        if fault == "busy":
            status = 429 if self.arena.crm == "hubspot" else 503
            return Response(status, b"{}", {"Retry-After": "1"})
        found = answer(request)
        if fault == "mute":
            raise LostError
        if fault == "crash":
            return Response.text("<h1>Internal error</h1>", 500, "text/html")
        if fault == "html":
            return Response.text("<h1>Maintenance</h1>", 200, "text/html")
        return Response(found.status, found.body[: len(found.body) // 2], {**found.headers, "X-Cut": "1"})

    def late(self, request: Request, answer: Callable[[Request], Response]) -> None:
        """A request that everybody had given up arrives after all."""
        answer(request)


def describes(request: Request) -> bool:
    """Whether it asks what there is and not what stands there: such answers are kept for an hour, so they
    are left out of the count, and a seed plays the same whatever was played before it."""
    return "describe" in request.path or "/properties/" in request.path or "/owners" in request.path


def writes(request: Request) -> bool:
    """Whether this request changes records."""
    if request.crm == "hubspot":
        return request.path.endswith("/batch/update")
    if request.method == "PATCH":
        return True
    return request.path.endswith("/composite") and b'"PATCH"' in request.body


class Judge:
    """Reads the CRM's own ledger; the strategy's word is only compared with it."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._arena = player.arena
        self._fields = (player.arena.status, player.arena.owner)

    def result(self) -> Result:
        result = Result(self._player.script.seed)
        by_field: dict[tuple[str, str], list[Any]] = {}
        for entry in self._arena.entries(self._fields):
            by_field.setdefault((entry.id, entry.field), []).append(entry)
        for ref in self._player.refs:
            for name in self._fields:
                self._field(ref, name, by_field.get((ref.id, name), []), result)
        return result

    def _field(self, ref: RecordRef, name: str, entries: list[Any], result: Result) -> None:
        ours = [entry for entry in entries if entry.author == "worker"]
        theirs = [entry for entry in entries if entry.author == "person"]
        self._lost(entries, result)
        result.edits += len(theirs)
        result.writes += len(ours)
        result.double += max(0, sum(self._is_wanted(name, entry.after) for entry in ours) - 1)
        belief = self._player.strategy.belief(ref, name)
        stands = self._is_wanted(name, self._arena.value(ref, name))
        wrong = self._contradiction(belief, bool(ours), stands)
        if wrong:
            result.unexplained.append(f"seed {self._player.script.seed} {ref.id} {name}: {wrong}")

    def _is_wanted(self, name: str, value: object) -> bool:
        """Whether the worker set this of its own, and not to put something back."""
        if name == self._arena.status:
            return value == WANTED[self._arena.crm]
        return value in (self._arena.owners["ann"], self._arena.owners["bob"])

    def _lost(self, entries: list[Any], result: Result) -> None:
        """Count edits that stand covered, and for how long others did."""
        edit, since = None, 0.0
        covered = False
        for entry in entries:
            if entry.author != "worker":
                if covered:
                    result.windows.append(entry.at - since)
                edit, covered = (entry if entry.author == "person" else None), False
            elif edit is not None and not covered:
                covered, since = True, entry.at
            elif edit is not None and entry.after == edit.after:
                covered = False
                result.windows.append(entry.at - since)
        result.lost += covered

    def _contradiction(self, belief: str, effect: bool, stands: bool) -> str:
        if belief == "open":
            return "no end"
        if belief == "written" and not effect:
            return "said to be written, and was not"
        if belief != "written" and effect:
            return f"written, and held to be {belief}"
        if belief == "left" and stands:
            return "left, and it stands"
        return ""


def explain(player: Player) -> str:
    """Everything about a game that went wrong, for a person to read."""
    arena = player.arena
    lines = [str(player.script)]
    lines += [
        f"{e.at - player.started:8.2f} {e.id} {e.field}: {e.before} → {e.after} by {e.author}"
        for e in arena.entries()
    ]
    lines += [
        f"{row.record_id} {row.field} {row.policy} {row.state} {row.why} {row.message}"
        for row in arena.intents()
    ]
    return "\n".join(lines)
