"""What write-back guarantees, in numbers: `python -m benchmarks.prove_writes` (`make prove`).

Interrupted (Ctrl-C), it tells what was played so far.

Plays seeded interleavings of a worker with people, automation, a bad network, pulled plugs and a second
worker, on both simulated CRMs; with the product, and over the same seeds with four naive strategies. Then
writes 10,000 records at 200 ms a call. The CRM's own ledger is the judge; `docs/guarantees.md` the result.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.guarantees import page, picture
from benchmarks.naive import STRATEGIES
from benchmarks.throughput import Throughput, measure
from tests.proof.arena import Arena
from tests.proof.game import RECORDS, Ours, Player, Result, explain
from tests.proof.script import draw

ROOT = Path(__file__).resolve().parent.parent
CRMS = ("salesforce", "hubspot")
BLOCK = 200
"""Seeds that are played in one arena."""

BAD = 5
"""Games that went wrong and are told."""

PLAYERS: tuple[Any, ...] = (Ours, *STRATEGIES)


class Task(NamedTuple):
    """So many strategies play some seeds on one CRM."""

    crm: str
    strategies: int
    first: int
    last: int


@dataclass(slots=True)
class Total:
    """The sum of many games. `bad` tells the first few that went wrong, of the product alone."""

    crm: str
    strategy: int
    sum: Result = field(default_factory=lambda: Result(0))
    games: int = 0
    bad: list[str] = field(default_factory=list)

    def add(self, other: Total) -> None:
        """Sum up."""
        self.sum.add(other.sum)
        self.games += other.games
        self.bad += other.bad[: BAD - len(self.bad)]


def play(task: Task) -> list[Total]:
    """Play a block of seeds; one sum per strategy."""
    totals = [Total(task.crm, number) for number in range(task.strategies)]
    shared = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder,
        Arena(Path(folder), task.crm) as arena,
    ):
        for seed in range(task.first, task.last):
            for total in totals:
                _one(arena, seed, total)
        if arena.sandbox.errors:
            raise RuntimeError(arena.sandbox.errors[0])
    return totals


def _one(arena: Arena, seed: int, total: Total) -> None:
    player = Player(arena, draw(total.crm, seed, RECORDS), PLAYERS[total.strategy])
    result = player.play()
    bad = [f"seed {seed} on {total.crm}: {result}\n{explain(player)}"] if broken(total.crm, result) else []
    total.add(Total(total.crm, total.strategy, result, 1, bad if total.strategy == 0 else []))


def broken(crm: str, result: Result) -> bool:
    """Whether a promise was broken in this game."""
    if result.lost or result.unexplained:
        return True
    return crm == "salesforce" and bool(result.double or result.windows)


def play_all(seeds: int, first: int, jobs: int, strategies: int, say: Callable[[str], None]) -> list[Total]:
    """All strategies on both CRMs over the same seeds; sums per CRM and strategy."""
    tasks = list(_tasks(seeds, first, strategies))
    totals = {(crm, n): Total(crm, n) for crm in CRMS for n in range(strategies)}
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_settle_in) as pool:
        try:
            for done, parts in enumerate(pool.map(play, tasks), 1):
                for part in parts:
                    totals[part.crm, part.strategy].add(part)
                spent = time.monotonic() - started
                left = spent / done * (len(tasks) - done)
                say(f"{done}/{len(tasks)} blocks, {spent:.0f} s, {left:.0f} s to go")
        except KeyboardInterrupt:  # what was played so far counts
            pool.shutdown(cancel_futures=True)
    return list(totals.values())


def _settle_in() -> None:
    """A player of games leaves interrupts to its parent, and its few cycles of garbage for later."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(50_000)


def _tasks(seeds: int, first: int, strategies: int) -> Iterator[Task]:
    for start in range(first, first + seeds, BLOCK):
        for crm in CRMS:
            yield Task(crm, strategies, start, min(start + BLOCK, first + seeds))


def machine() -> str:
    """Where this was measured."""
    cores = multiprocessing.cpu_count()
    return f"{cores} {platform.machine()} cores, {platform.system()}, Python {platform.python_version()}"


def main() -> int:
    """Play, measure, write the page; 1 when a promise was broken."""
    options = _options()

    def say(text: str) -> None:
        print(f"\r{text}   ", end="", file=sys.stderr, flush=True)

    started = time.monotonic()
    strategies = 1 if options.ours else len(PLAYERS)
    totals = play_all(options.seeds, options.first, options.jobs, strategies, say)
    speeds: list[Throughput] = []
    for crm in CRMS if options.records else ():
        say(f"writing {options.records} records on {crm}")
        speeds.append(measure(crm, options.records))
    print(file=sys.stderr)
    minutes = (time.monotonic() - started) / 60
    rows = [(total.crm, _name(total.strategy), total.games, total.sum) for total in totals]
    text = page(rows, speeds, options.first, machine(), minutes)
    if options.write:
        (ROOT / "docs" / "guarantees.md").write_text(text, encoding="utf-8")
        (ROOT / "docs" / "guarantees.svg").write_text(picture(rows), encoding="utf-8")
    print(text)
    bad = [story for total in totals for story in total.bad]
    for story in bad[:BAD]:
        print(story, file=sys.stderr)
    return 1 if bad else 0


def _name(strategy: int) -> str:
    return "mqlsync" if strategy == 0 else str(PLAYERS[strategy].name)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10_000, help="games on each CRM")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count(), help="processes")
    parser.add_argument("--records", type=int, default=10_000, help="records written for the speed; 0: none")
    parser.add_argument("--ours", action="store_true", help="only the product, no comparison")
    parser.add_argument("--write", action="store_true", help="write docs/guarantees.md and its picture")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
