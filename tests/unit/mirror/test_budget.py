"""The daily budget: blocks, the reserve, what the CRM says, and what survives a crash."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config.world import epoch
from connectors.errors import QuotaSpent
from sync.mirror import budget
from sync.mirror.budget import MirrorBudget, pulling
from sync.mirror.engine import Mirror
from tests.world import SimulatedWorld


@pytest.fixture
def world() -> SimulatedWorld:
    return SimulatedWorld()


def seen(mirror: Mirror, world: SimulatedWorld) -> budget.BudgetView:
    with mirror.read() as conn:
        return budget.view(conn, "salesforce", epoch(world.now()))


def test_calls_are_taken_in_blocks_and_the_rest_goes_back(mirror: Mirror, world: SimulatedWorld) -> None:
    ours = MirrorBudget(mirror, world, "salesforce")
    for _ in range(101):
        assert ours.acquire("read") == 0.0
    assert seen(mirror, world).ours == 200
    ours.close()
    assert seen(mirror, world).ours == 101


def test_a_crash_spends_the_block(mirror: Mirror, world: SimulatedWorld) -> None:
    MirrorBudget(mirror, world, "salesforce").acquire("read")
    MirrorBudget(mirror, world, "salesforce").acquire("read")
    assert seen(mirror, world).ours == 200


def test_a_block_is_a_thousandth_of_a_large_day(mirror: Mirror, world: SimulatedWorld) -> None:
    ours = MirrorBudget(mirror, world, "salesforce")
    ours.observe(0, 1_000_000)
    ours.acquire("read")
    assert seen(mirror, world).ours == 1000


def test_pull_leaves_the_reserve_to_others(mirror: Mirror, world: SimulatedWorld) -> None:
    ours = MirrorBudget(mirror, world, "salesforce", reserve=0.2)
    ours.observe(799, 1000)
    with pulling(mirror, "salesforce"):
        ours.acquire("read")
        with pytest.raises(QuotaSpent):
            ours.acquire("read")
    ours.acquire("write")
    ours.observe(1000, 1000)
    with pytest.raises(QuotaSpent):
        ours.acquire("write")


def test_a_new_process_asks_the_crm_itself(mirror: Mirror, world: SimulatedWorld) -> None:
    first = MirrorBudget(mirror, world, "salesforce")
    first.acquire("read")
    first.observe(1000, 1000)
    first.close()
    second = MirrorBudget(mirror, world, "salesforce")
    second.acquire("read")
    second.observe(1000, 1000)
    with pytest.raises(QuotaSpent):
        second.acquire("read")


def test_spent_stops_this_process_until_then(mirror: Mirror, world: SimulatedWorld) -> None:
    ours = MirrorBudget(mirror, world, "salesforce")
    ours.acquire("read")
    ours.spent(world.now() + timedelta(hours=2))
    with pytest.raises(QuotaSpent) as caught:
        ours.acquire("read")
    assert caught.value.until == world.now() + timedelta(hours=2)
    assert seen(mirror, world).spent_until == epoch(world.now()) + 7200
    MirrorBudget(mirror, world, "salesforce").acquire("read")
    world.advance(timedelta(hours=3))
    ours.acquire("read")
    assert seen(mirror, world).spent_until is None


def test_another_day_begins_at_nothing(mirror: Mirror, world: SimulatedWorld) -> None:
    ours = MirrorBudget(mirror, world, "salesforce")
    ours.acquire("read")
    ours.observe(55, 1000)
    ours.close()
    assert seen(mirror, world) == budget.BudgetView(55, 1000, 1, None)
    world.advance(timedelta(days=1))
    assert seen(mirror, world) == budget.BudgetView(None, 1000, 0, None)


def test_a_block_of_yesterday_covers_no_call_of_today(mirror: Mirror, world: SimulatedWorld) -> None:
    ours = MirrorBudget(mirror, world, "salesforce")
    ours.observe(0, 1_000_000)
    ours.acquire("read")
    world.advance(timedelta(days=1).total_seconds())
    for _ in range(72):
        ours.acquire("read")
    ours.close()
    assert seen(mirror, world).ours == 72
    ours.acquire("read")
    world.advance(timedelta(days=1).total_seconds())
    ours.close()
    assert seen(mirror, world).ours == 0, "nothing of yesterday's block is given back today"
