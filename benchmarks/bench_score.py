"""How fast people are scored: `python -m benchmarks.bench_score [--people N --engagements N]`.

Measured on one mirror file with the default model: the score stage over everybody against the same model
written by hand as SQL for this file (`by_hand.sql`), whose rows must be the same; the growth from a tenth
of the people; a run after one person in a hundred changed; explaining one person; the most memory used.

Times are seconds of CPU (user and system) of this process, because other work on the machine does not
show in them; the wall clock is printed beside. Each is the least of several rounds.
"""

from __future__ import annotations

import argparse
import platform
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Integer, cast, select, text

from benchmarks.population import fill, person_id
from config.settings import Settings
from scoring.load import load_model
from scoring.model import Model
from sync.context import Context, RunClock
from sync.mirror import catalog
from sync.mirror.engine import Mirror
from sync.mirror.explain import explain_person
from sync.reports import ScoreCounts
from sync.stages.score import score
from tests.world import SimulatedWorld

ROOT = Path(__file__).resolve().parent.parent
BY_HAND = (ROOT / "benchmarks" / "by_hand.sql").read_text(encoding="utf-8")
MODEL_FILE = ROOT / "config" / "templates" / "scoring.toml"
TARGETS = {"ratio": 1.5, "growth": 1.2, "incremental": 0.03, "explain_ms": 50.0, "memory_mib": 512.0}
SCORE_COLUMNS = (
    "person_id, model, version, total, fit, engagement, grade, suppressed, shown, eligible, over_enter, "
    "fast_track, under_leave"
)


class Timer:
    """The least CPU and wall time of several rounds."""

    def __init__(self) -> None:
        self.cpu = self.wall = float("inf")

    def run(self, work: Callable[[], Any]) -> Any:
        cpu, wall = time.process_time(), time.perf_counter()
        result = work()
        self.cpu = min(self.cpu, time.process_time() - cpu)
        self.wall = min(self.wall, time.perf_counter() - wall)
        return result


class Bench:
    """One mirror with so many people and engagements."""

    def __init__(self, folder: Path, people: int, engagements: int) -> None:
        self.people = people
        self.path = folder / f"{people}.db"
        self.world = SimulatedWorld()
        self.mirror = Mirror(f"sqlite:///{self.path}", self.world)
        self.mirror.migrate()
        fill(self.mirror, people, engagements, self.now)
        self.model: Model = load_model(MODEL_FILE.read_text(encoding="utf-8"), str(MODEL_FILE))

    @property
    def now(self) -> int:
        return int(self.world.now().timestamp())

    def score(self, *, full: bool) -> ScoreCounts:
        clock = RunClock("bench", self.now, self.now, self.now)
        return score(Context(Settings(), self.world, self.mirror, {}, [self.model], clock), full=full)

    def full(self, rounds: int) -> Timer:
        """Everybody, in place of the scores that are there."""
        self.score(full=True)
        timer = Timer()
        for _ in range(rounds):
            timer.run(lambda: self.score(full=True))
        return timer

    def by_hand(self, rounds: int) -> Timer:
        """The same by hand, in a transaction like the stage's; then the rows are compared."""
        with self.mirror.write() as conn:
            for name in ("score", "score_hit"):
                made = conn.execute(text(f"SELECT sql FROM sqlite_master WHERE name = '{name}'")).scalar_one()
                conn.exec_driver_sql(f"DROP TABLE IF EXISTS by_hand_{name.removeprefix('score_')}")
                conn.exec_driver_sql(
                    made.replace(f"TABLE {name} ", f"TABLE by_hand_{name.removeprefix('score_')} ", 1)
                )
        timer = Timer()
        for _ in range(rounds):
            timer.run(self._by_hand)
        with self.mirror.read() as conn:
            self._compare(conn)
        return timer

    def _by_hand(self) -> None:
        statements = [part.strip() for part in re.sub(r"--.*", "", BY_HAND).split(";") if part.strip()]
        made = re.findall(r"CREATE TEMP TABLE (\w+)", BY_HAND)
        with self.mirror.write() as conn:
            for statement in statements:
                values = {"as_of": self.now, "hash": self.model.hash}
                conn.exec_driver_sql(statement, {k: v for k, v in values.items() if f":{k}" in statement})
            for table in made:
                conn.exec_driver_sql(f"DROP TABLE {table}")

    def _compare(self, conn: Any) -> None:
        for mine, theirs, columns in (
            ("score", "by_hand_score", SCORE_COLUMNS),
            ("score_hit", "by_hand_hit", "*"),
        ):
            both = f"(SELECT {columns} FROM {mine}) EXCEPT SELECT {columns} FROM {theirs}"
            missing = f"(SELECT {columns} FROM {theirs}) EXCEPT SELECT {columns} FROM {mine}"
            for query in (both, missing):
                rows = conn.exec_driver_sql(f"SELECT count(*) FROM (SELECT * FROM {query})").scalar()
                assert rows == 0, f"{rows} rows of {mine} differ from what was written by hand"

    def incremental(self, rounds: int) -> tuple[Timer, int]:
        """One person in a hundred was touched, a minute later."""
        timer, people = Timer(), 0
        for number in range(rounds):
            self.world.advance(60)
            with self.mirror.write() as conn:
                catalog.touch(conn, cast(catalog.PERSON.c.founding_id, Integer) % 100 == number)
            people = timer.run(lambda: self.score(full=False)).recomputed
        return timer, people

    def explain(self, rounds: int) -> Timer:
        """The whole answer of `person explain` for the person who did most."""
        timer = Timer()
        who = person_id(0)
        for _ in range(rounds):
            with self.mirror.read() as conn:
                found = timer.run(lambda: explain_person(conn, who, [self.model], now=self.now))
                assert found is not None
        return timer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--engagements", type=int, default=0, help="ten a person when not given")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    engagements = given.engagements or 10 * given.people
    folder = Path(tempfile.mkdtemp(prefix="mqlsync-bench-"))
    try:
        found = measure(folder, given.people, engagements, given.rounds)
    finally:
        shutil.rmtree(folder)
    missed = [name for name, value in found.items() if value > TARGETS[name]]
    for name, value in found.items():
        print(f"{name:12} {value:8.3f}  target {TARGETS[name]}{'  MISSED' if name in missed else ''}")
    return 1 if missed else 0


def measure(folder: Path, people: int, engagements: int, rounds: int) -> dict[str, float]:
    """Every figure, by the names of TARGETS."""
    print(
        f"{platform.platform()}, Python {platform.python_version()}, {people} people,"
        f" {engagements} engagements"
    )
    small = Bench(folder, people // 10, engagements // 10)
    tenth = small.full(rounds)
    small.mirror.close()
    bench = Bench(folder, people, engagements)
    full, hand = bench.full(rounds), bench.by_hand(rounds)
    with bench.mirror.read() as conn:
        parts = conn.execute(select(catalog.HIT.c.rule)).all()
    some, touched = bench.incremental(max(rounds, 5))
    explained = bench.explain(20)
    bench.mirror.close()
    for name, timer in (
        (f"full, {people // 10} people", tenth),
        (f"full, {people} people, {len(parts)} parts", full),
        ("by hand", hand),
        (f"incremental, {touched} people", some),
        ("explain", explained),
    ):
        print(f"{name:45} cpu {timer.cpu:8.3f} s   wall {timer.wall:8.3f} s")
    return {
        "ratio": full.cpu / hand.cpu,
        "growth": full.cpu / tenth.cpu / 10,
        "incremental": some.cpu / full.cpu,
        "explain_ms": explained.cpu * 1000,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    sys.exit(main())
