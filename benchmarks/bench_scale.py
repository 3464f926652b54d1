"""How it goes on PostgreSQL: `python -m benchmarks.bench_scale [--only score,copy] [--people N]`.

score  the default model over everybody, the same people and engagements on both databases in the same run
copy   `mqlsync db copy` of a SQLite mirror of so many rows, everything counted and compared

PostgreSQL is the one of MQLSYNC_TEST_POSTGRES_URL, else one of the tests' own in a temporary folder, which
does not wait for the disk. Times are wall clock, because the server is another process: a busy machine shows
in them, and only those of one run can be compared.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select, text

from benchmarks.bench_score import MODEL_FILE
from benchmarks.population import fill
from config.settings import Settings
from scoring.load import load_model
from sync.context import Context, RunClock
from sync.mirror import catalog, copying
from sync.mirror.engine import Mirror
from sync.stages.score import score
from tests.postgres import GIVEN, Postgres
from tests.postgres_server import join
from tests.world import SimulatedWorld

PER_PERSON: Final = 10  # engagements
EXACT: Final = (
    "person_id",
    "total",
    "fit",
    "engagement",
    "grade",
    "suppressed",
    "shown",
    "over_enter",
    "under_leave",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas: " + ", ".join(PARTS))
    parser.add_argument("--people", type=int, default=200_000, help="of `score`, with ten engagements each")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of `copy`")
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args()
    load, version = os.getloadavg()[0], platform.python_version()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, Python {version}")
    with server() as postgres, tempfile.TemporaryDirectory() as folder:
        for name in told.only.split(","):
            PARTS[name](told, postgres, Path(folder))
    print(f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


@contextmanager
def server() -> Iterator[Postgres]:
    """The PostgreSQL to measure; what is made in it goes again."""
    given = os.environ.get(GIVEN)
    if given:
        postgres = Postgres(given)
        yield postgres
        postgres.close()
        return
    with join(f"bench-{os.getpid()}") as url:
        postgres = Postgres(url)
        yield postgres
        postgres.leave()


def measure_copy(told: argparse.Namespace, postgres: Postgres, folder: Path) -> None:
    """Copy a mirror of so many rows and count both sides."""
    people = told.rows // (PER_PERSON + 1)
    source = filled(folder / "copy.db", people, told.rows - people)
    url = postgres.new_mirror()
    target = Mirror(url, SimulatedWorld())
    before = copying.count(source)
    begun = time.perf_counter()
    done = copying.copy(source, target, SimulatedWorld())
    took = time.perf_counter() - begun
    after = copying.count(target)
    counted = {one.table: one.rows for one in done}
    assert after == counted, "what the copy says is what is there"
    assert {name: rows for name, rows in before.items() if rows} == {
        name: rows for name, rows in counted.items() if rows and name != "lease"
    }
    total = sum(counted.values())
    size = (folder / "copy.db").stat().st_size / 1024**2
    print(f"copy: {total:,} rows, {size:,.0f} MiB, in {took:.1f} s: {total / took:,.0f} rows/s, compared")
    source.close()
    target.close()
    postgres.drop(url)


def measure_score(told: argparse.Namespace, postgres: Postgres, folder: Path) -> None:
    """Score the same people on both."""
    sqlite = filled(folder / "score.db", told.people, told.people * PER_PERSON)
    url = postgres.new_mirror()
    other = Mirror(url, SimulatedWorld())
    begun = time.perf_counter()
    total = sum(one.rows for one in copying.copy(sqlite, other, SimulatedWorld()))
    print(f"score: {total:,} rows copied and compared in {time.perf_counter() - begun:.1f} s")
    with other.write() as conn:
        conn.execute(text("ANALYZE"))
    seconds = {}
    for name, mirror in (("SQLite", sqlite), ("PostgreSQL", other)):
        scored(mirror)  # there are scores to be replaced from now on
        seconds[name] = min(scored(mirror) for _ in range(told.rounds))
        print(f"score: {name} {seconds[name]:.2f} s for {told.people:,} people")
    print(f"score: PostgreSQL / SQLite {seconds['PostgreSQL'] / seconds['SQLite']:.2f}")
    assert results(sqlite) == results(other), "both give the same scores"
    sqlite.close()
    other.close()
    postgres.drop(url)


def filled(path: Path, people: int, engagements: int) -> Mirror:
    """A SQLite mirror with made-up people."""
    world = SimulatedWorld()
    mirror = Mirror(f"sqlite:///{path}", world)
    mirror.migrate()
    fill(mirror, people, engagements, int(world.now().timestamp()))
    return mirror


def scored(mirror: Mirror) -> float:
    """Seconds that scoring everybody takes."""
    world = SimulatedWorld()
    now = int(world.now().timestamp())
    model = load_model(MODEL_FILE.read_text(encoding="utf-8"), str(MODEL_FILE))
    context = Context(Settings(), world, mirror, {}, [model], RunClock("bench", now, now, now))
    begun = time.perf_counter()
    score(context, full=True)
    return time.perf_counter() - begun


def results(mirror: Mirror) -> list[tuple[Any, ...]]:
    """Every score."""
    columns = [catalog.SCORE.c[name] for name in EXACT]
    with mirror.read() as conn:
        return [tuple(row) for row in conn.execute(select(*columns).order_by(catalog.SCORE.c.person_id))]


PARTS: Final[Mapping[str, Callable[[argparse.Namespace, Postgres, Path], None]]] = {
    "copy": measure_copy,
    "score": measure_score,
}
"""What is measured, by name: one function each."""

if __name__ == "__main__":
    main()
