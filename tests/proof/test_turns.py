"""Turns are shared out evenly whatever dies, and a pause takes effect within one batch."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.sandbox.core import Request, Response
from sync.mirror import outbox
from tests.databases import mirror_url
from tests.proof.arena import Arena
from tests.proof.game import PulledPlug, writes
from tests.proof.wire import LostError

SEEDS = 3


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_w25_turns_differ_by_one_at_most_whatever_dies(crm: str, tmp_path: Path, database: str) -> None:
    cuts = 0
    with Arena(tmp_path, crm, url=mirror_url(tmp_path)) as arena:
        for seed in range(SEEDS):
            rng = random.Random(seed)
            arena.begin(0)

            def failpoint(name: str, rng: random.Random = rng) -> None:
                if rng.random() < 0.06:
                    raise PulledPlug

            def carry(
                request: Request, answer: Callable[[Request], Response], rng: random.Random = rng
            ) -> Response:
                if writes(request) and rng.random() < 0.2:
                    raise LostError
                return answer(request)

            arena.world.on_failpoint, arena.wire.carry = failpoint, carry
            for _ in range(5):
                arena.new_records(rng.randint(1, 4))
                try:
                    arena.work()
                except PulledPlug:
                    cuts += 1
                arena.world.advance(200)
            arena.world.on_failpoint = lambda name: None
            arena.wire.carry = lambda request, answer: answer(request)
            for _ in range(3):
                arena.pull(arena.records)
                arena.work()
                arena.world.advance(400)
            owners = Counter(arena.value(ref, arena.owner) for ref in arena.records)
            assert set(owners) <= {arena.owners["ann"], arena.owners["bob"]}, seed
            assert max(owners.values()) - min(owners.values()) <= 1, (seed, owners)
    assert cuts >= SEEDS


def test_a_pause_stops_a_run_within_one_batch(tmp_path: Path, database: str) -> None:
    with Arena(tmp_path, "hubspot", url=mirror_url(tmp_path)) as arena:
        arena.begin(0)
        for _ in range(3):  # three batches
            arena.new_records(50)
        sent: list[str] = []

        def carry(request: Request, answer: Callable[[Request], Response]) -> Response:
            if writes(request):
                sent.extend(one["id"] for one in json.loads(request.body)["inputs"])
                if len(sent) > 50:
                    with arena.mirror.write() as conn:
                        outbox.pause(conn, "hubspot", "stop", "somebody", 0)
            return answer(request)

        arena.wire.carry = carry
        counts = arena.work()
        written = {entry.id for entry in arena.entries((arena.status,)) if entry.author == "worker"}
        assert written == set(sent)
        assert 50 < len(written) <= 100
        assert counts.waiting == 2 * (150 - len(written))
