"""Accounts per minute with 1, 2 and 4 workers, against CRMs that take their time to answer.

Every account is due all the time and has nothing new: a turn signs in to both CRMs, asks each of their
feeds, and matches, scores and decides. Each answer takes a while, so a turn is mostly waiting, and workers
should add up. The simulated CRMs of all accounts run in this process, workers and PostgreSQL in their own.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path
from typing import Final

from tests.postgres import Postgres
from tests.workers.fleet import Fleet, fleet

WORKERS: Final = (1, 2, 4)
PEOPLE: Final = 10  # of each account
PATIENCE: Final = 300.0  # seconds for the first turns of all accounts
WARM_UP: Final = 5.0  # seconds before counting begins


def measure_workers(told: argparse.Namespace, postgres: Postgres, folder: Path) -> None:
    """Print turns per minute for each number of workers, and the ratio to one."""
    url = postgres.new_database()
    names = [f"a{number}" for number in range(told.accounts)]
    options = {"people": PEOPLE, "concurrency": 1, "patience": PATIENCE}
    with fleet(folder / "fleet", url, names, **options) as accounts:
        _first_turns(accounts)
        for member in accounts.members.values():
            member.sandbox.latency = told.latency
        print(f"workers: {told.accounts} accounts, {told.latency * 1000:.0f} ms before each answer")
        first = 0.0
        for number in WORKERS:
            rate, used = _rate(accounts, number, told.seconds)
            first = first or rate
            ratio = rate / first
            print(
                f"workers: {number} → {rate:.1f} accounts a minute, {ratio:.2f} times one worker "
                f"({ratio / number:.0%} of linear), CPU {used:.2f} s a turn"
            )
    postgres.drop(url)


def _first_turns(accounts: Fleet) -> None:
    """Everybody is pulled once, without waiting."""
    for _ in range(2):
        accounts.start()
    for name in accounts.members:
        accounts.until(lambda: accounts.runs(name) > 0, f"the first turn of {name}")  # noqa: B023
    _stop(accounts)


def _rate(accounts: Fleet, workers: int, seconds: float) -> tuple[float, float]:
    """Runs that ended well in a minute with so many workers, and the workers' CPU seconds for one."""
    for _ in range(workers):
        accounts.start()
    accounts.until(lambda: _at_work(accounts) >= workers, "all are at work")
    time.sleep(WARM_UP)
    cpu, before, begun = _cpu(accounts), _runs(accounts), time.monotonic()
    time.sleep(seconds)
    done, took, used = _runs(accounts) - before, time.monotonic() - begun, _cpu(accounts) - cpu
    _stop(accounts)
    return done / took * 60, used / max(1, done)


def _stop(accounts: Fleet) -> None:
    for worker in list(accounts.workers):
        accounts.drain(worker)


def _at_work(accounts: Fleet) -> int:
    return sum(state == "doing" for _, state in accounts.jobs())


def _runs(accounts: Fleet) -> int:
    return sum(accounts.runs(name) for name in accounts.members)


def _cpu(accounts: Fleet) -> float:
    """CPU seconds of all workers so far."""
    ticks = 0
    for worker in accounts.workers:
        with contextlib.suppress(FileNotFoundError):
            fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / 100  # clock ticks of Linux's /proc, always a hundredth of a second for users
