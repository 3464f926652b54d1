"""The daily budget with many at once, each on connections of its own: no call is lost, none too many."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.world import epoch
from connectors.errors import QuotaSpent
from sync.mirror import budget
from sync.mirror.budget import MirrorBudget
from sync.mirror.engine import Mirror
from sync.mirror.lease import Lease, LeaseHeld
from tests.databases import mirror_url
from tests.world import SimulatedWorld

MANY = 6
MIDNIGHT = 15 * 3600.0  # seconds from the simulated world's first moment


@pytest.fixture
def url(tmp_path: Path, database: str) -> str:
    return mirror_url(tmp_path)


def at_once(work: Callable[[int], None]) -> None:
    """Do it in so many threads; what one of them raised."""
    failed: list[BaseException] = []
    begin = threading.Barrier(MANY)

    def run(number: int) -> None:
        begin.wait()
        try:
            work(number)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=run, args=(number,)) for number in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed


@contextmanager
def own_mirror(url: str, world: SimulatedWorld) -> Iterator[Mirror]:
    mirror = Mirror(url, world)
    yield mirror
    mirror.close()


def ours(url: str, world: SimulatedWorld) -> int:
    with own_mirror(url, world) as mirror, mirror.read() as conn:
        return budget.view(conn, "salesforce", epoch(world.now())).ours


def test_no_call_is_lost_and_a_block_counts_from_when_it_is_taken(url: str) -> None:
    """Some are killed with a block in their hands; the others give back what they did not use."""
    world = SimulatedWorld()
    made = [0] * MANY
    seen: list[tuple[int, int]] = []

    def work(number: int) -> None:
        with own_mirror(url, world) as mirror:
            for _ in range(4):
                mine = MirrorBudget(mirror, world, "salesforce")
                for _ in range(30 + 40 * number):
                    mine.acquire("read")
                    made[number] += 1
                before = sum(made)
                with mirror.read() as conn:
                    seen.append((before, budget.view(conn, "salesforce", epoch(world.now())).ours))
                if number:
                    mine.close()

    at_once(work)
    assert [(before, counted) for before, counted in seen if counted < before] == [], "made, not yet counted"
    held = 4 * 100 - made[0]  # what the first one never gave back
    assert ours(url, world) == sum(made) + held


class Crm:
    """Counts the calls of a day, and refuses what goes beyond."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used, self.refused = limit, 0, 0

    def call(self) -> None:
        if self.used >= self.limit:
            self.refused += 1
        self.used = min(self.limit, self.used + 1)


def test_workers_that_take_turns_at_an_account_never_ask_for_more_than_there_is(url: str) -> None:
    """Each new one asks once what is left, as the CRM tells with every answer."""
    world, crm = SimulatedWorld(), Crm(limit=100)
    spent = [0] * MANY

    def work(number: int) -> None:
        with own_mirror(url, world) as mirror:
            for _ in range(5):
                lease = Lease(mirror, world, 60, f"worker {number}")
                while True:
                    try:
                        lease.acquire()
                        break
                    except LeaseHeld:
                        threading.Event().wait(0.005)
                spent[number] += turn(mirror, world, crm)
                lease.release()

    at_once(work)
    assert crm.used == crm.limit
    assert sum(spent) > 0, "some found nothing left"
    assert crm.refused <= sum(spent), "only the one call that asks, of those who found nothing left"


def turn(mirror: Mirror, world: SimulatedWorld, crm: Crm) -> int:
    """Up to nine calls; whether the budget was found spent."""
    mine = MirrorBudget(mirror, world, "salesforce")
    try:
        for _ in range(9):
            mine.acquire("read")
            crm.call()
            mine.observe(crm.used, crm.limit)
    except QuotaSpent:
        return 1
    finally:
        mine.close()
    return 0


def test_a_host_whose_clock_is_behind_does_not_empty_the_new_day(url: str) -> None:
    ahead, behind = SimulatedWorld(), SimulatedWorld()
    ahead.advance(MIDNIGHT + 5)
    behind.advance(MIDNIGHT - 5)
    assert ahead.now().date() > behind.now().date()
    with own_mirror(url, ahead) as one, own_mirror(url, behind) as other:
        first, second = MirrorBudget(one, ahead, "salesforce"), MirrorBudget(other, behind, "salesforce")
        second.acquire("read")
        first.acquire("read")
        assert ours(url, ahead) == 100, "a new day"
        second.close()
        assert ours(url, ahead) == 100, "nothing of yesterday goes back"
        second.acquire("read")
        assert ours(url, ahead) == 200
        first.close()
        behind.advance(10)
        second.acquire("read")
        assert ours(url, ahead) == 201


@pytest.mark.parametrize("days", [2, 400, -400])
def test_a_clock_that_was_far_off_is_forgotten_once_it_is_right(url: str, days: int) -> None:
    wrong, right = SimulatedWorld(), SimulatedWorld()
    wrong.advance(days * 86_400)
    for world, expected in ((wrong, 100), (right, 100), (right, 200)):
        with own_mirror(url, world) as mirror:
            MirrorBudget(mirror, world, "salesforce").acquire("read")
        assert ours(url, world) == expected
