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

import psycopg

from benchmarks.sheets import Sheets, ratio
from tests.postgres import Postgres
from tests.workers.fleet import Fleet, fleet

WORKERS: Final = (1, 2, 4)
PEOPLE: Final = 10  # of each account
PATIENCE: Final = 300.0  # seconds for the first turns of all accounts
LOOK: Final = 0.1  # seconds between two counts
WARM_UP: Final = 5.0  # seconds before counting begins


def measure_workers(told: argparse.Namespace, postgres: Postgres, folder: Path, sheets: Sheets) -> None:
    """Turns a minute for each number of workers, and the ratio to one."""
    url = postgres.new_database()
    names = [f"a{number}" for number in range(told.accounts)]
    options = {"people": PEOPLE, "concurrency": 1, "patience": PATIENCE}
    found: dict[int, tuple[float, float]] = {}
    with fleet(folder / "fleet", url, names, **options) as accounts:
        _first_turns(accounts)
        for member in accounts.members.values():
            member.sandbox.latency = told.latency
        for number in WORKERS:
            sheets.at(f"{number} workers")
            found[number] = _rate(accounts, number, told.seconds)
    postgres.drop(url)
    first = found[WORKERS[0]][0]
    sheets.table(
        f"{told.accounts} accounts, {told.latency * 1000:.0f} ms before each answer of their CRMs",
        ("workers", "accounts a minute", "of one worker", "of linear", "workers' CPU a turn"),
        [
            [str(number), f"{rate:.1f}", ratio(rate, first), f"{rate / first / number:.0%}", f"{used:.2f} s"]
            for number, (rate, used) in found.items()
        ],
    )


def _first_turns(accounts: Fleet) -> None:
    """Everybody is pulled once, without waiting."""
    for _ in range(2):
        accounts.start()
    for name in accounts.members:
        accounts.until(lambda: accounts.runs(name) > 0, f"the first turn of {name}")  # noqa: B023
    _stop(accounts)


def _rate(accounts: Fleet, workers: int, seconds: float) -> tuple[float, float]:
    """Runs that ended well in a minute with so many workers, and the workers' CPU seconds for one.

    Counted from the end of one run to the end of the last: a run that is cut by the end of the measurement
    would count as none, which of few is a large part.
    """
    for _ in range(workers):
        accounts.start()
    accounts.until(lambda: _at_work(accounts) >= workers, "all are at work")
    time.sleep(WARM_UP)
    ends: list[tuple[float, int, float]] = []  # when, how many by then, CPU by then
    until = time.monotonic() + seconds
    with psycopg.connect(accounts.queue, autocommit=True) as conn:
        while time.monotonic() < until:
            runs = _runs(conn, accounts)
            if not ends or runs > ends[-1][1]:
                ends.append((time.monotonic(), runs, _cpu(accounts)))
            time.sleep(LOOK)
    _stop(accounts)
    (begun, before, cpu), (ended, after, used) = ends[min(1, len(ends) - 1)], ends[-1]
    done = after - before
    if not done:
        raise RuntimeError(f"{workers} workers ended less than two runs in {seconds:.0f} s")
    return done / (ended - begun) * 60, (used - cpu) / done


def _stop(accounts: Fleet) -> None:
    for worker in list(accounts.workers):
        accounts.drain(worker)


def _at_work(accounts: Fleet) -> int:
    return sum(state == "doing" for _, state in accounts.jobs())


def _runs(conn: psycopg.Connection, accounts: Fleet) -> int:
    """Runs of all accounts that ended well."""
    one = "(SELECT count(*) FROM {}.run WHERE outcome IN ('ok', 'partial'))"
    found = conn.execute(f"SELECT {' + '.join(map(one.format, accounts.members))}".encode()).fetchone()
    return 0 if found is None else int(found[0])


def _cpu(accounts: Fleet) -> float:
    """CPU seconds of all workers so far."""
    ticks = 0
    for worker in accounts.workers:
        with contextlib.suppress(FileNotFoundError):
            fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / 100  # clock ticks of Linux's /proc, always a hundredth of a second for users
