"""A small model, all interleavings, through the real code: one record, one field, the real stages and client.

At every step of the worker (each request, each named point) a person edits or clears the field, automation
rewrites it, the process dies, a second worker takes over after the lease ran out, or a delayed request
arrives; a writing request may be lost, its answer may be lost, or it is delayed. Every game with at most
`MODEL_DEPTH` such events is played (1 in the normal run; `make prove-model` plays 2, on some ten steps of the
worker itself). The pure model of `tests/unit/core` plays three. The CRM's ledger is the judge.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.sandbox.core import Request, Response
from tests.proof.arena import Arena
from tests.proof.game import Ours, Player, PulledPlug, describes, explain, writes
from tests.proof.script import EDITS, Act, Script
from tests.proof.wire import LostError
from tests.unit.core.test_writes_interleavings import Script as Chooser
from tests.unit.core.test_writes_interleavings import all_scripts

pytestmark = pytest.mark.sqlite("many games on one mirror; test_seeds plays some on both")

DEPTH = int(os.environ.get("MODEL_DEPTH", "1"))
GAP = 400.0
"""Seconds between two passes: longer than any request lingers."""


class Model(Player):
    """A player that asks a chooser at every step what happens there."""

    def __init__(self, arena: Arena, chooser: Chooser) -> None:
        super().__init__(arena, Script(arena.crm, 0, 0.05, [GAP] * DEPTH), Ours, records=1)
        self.chooser = chooser
        self.delayed: list[Callable[[], object]] = []
        self.taken_over = False
        self.writing = False

    def something(self) -> None:
        """Between two steps."""
        person, automation = EDITS[self.arena.crm][:2]
        events: list[Callable[[], None]] = [
            lambda: None,
            lambda: self.act(Act(0, "person", "status", person)),
            lambda: self.act(Act(0, "automation", "status", automation)),
            self.cut,
        ]
        if self.arena.crm == "hubspot":
            events.append(lambda: self.act(Act(0, "person", "clear", "")))
        if not self.taken_over:
            events.append(self.another_worker)
        if self.delayed:
            events.append(self.arrive)
        events[self.chooser.choose(len(events))]()

    def cut(self) -> None:
        raise PulledPlug

    def another_worker(self) -> None:
        """Its lease has run out; the first one wakes up when the second is done."""
        self.taken_over = True
        self.arena.world.advance(31)
        self.one_pass()

    def arrive(self) -> None:
        late, self.delayed = self.delayed, []
        for request in late:
            request()

    def after_pass(self) -> None:
        self.writing = False
        self.arrive()

    def failpoint(self, name: str) -> None:
        self.writing |= name == "decide.committed"
        if not self.disturbed or not name.startswith("write."):
            return
        if name.endswith("uncommitted"):  # a transaction is open: only the plug can come between
            if self.chooser.choose(2):
                self.cut()
        else:
            self.something()

    def carry(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        self.arena.world.advance(self.script.latency)
        self.wrote |= writes(request)
        if not self.disturbed or not self.writing or describes(request):
            return answer(request)
        self.something()
        if not writes(request):
            return answer(request)
        network = self.chooser.choose(4)
        if network == 1:
            raise LostError
        if network == 2:
            self.delayed.append(lambda: answer(request))
            raise LostError
        found = answer(request)
        if network == 3:
            raise LostError
        return found


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_something_unusual_at_every_step(crm: str, tmp_path: Path) -> None:
    played: list[Model] = []

    with Arena(tmp_path, crm, owners=False) as arena:

        def play(chooser: Chooser) -> None:
            model = Model(arena, chooser)
            played[:] = [model]
            result = model.play()
            told = f"choices {chooser.choices}\n{explain(model)}"
            assert (result.lost, result.unexplained) == (0, []), told
            if crm == "salesforce":
                assert (result.double, result.windows) == (0, []), told
            if not chooser.choices:
                assert (result.writes, result.cuts, result.windows) == (1, 0, []), told

        count = sum(1 for _ in all_scripts(play, DEPTH))
        assert arena.sandbox.errors == []
    assert count > 50**DEPTH / DEPTH, "fewer steps than the worker has"
