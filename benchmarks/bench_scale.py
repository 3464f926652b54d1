"""How it goes on PostgreSQL: `python -m benchmarks.bench_scale [--only PARTS] [--people N] [--markdown]`.

copy     `mqlsync db copy` of a SQLite mirror of so many rows, everything counted and compared
upserts  ways to store pages of person records, beside what mqlsync does
score    the default model over everybody, the same people and engagements on both databases in the same run
workers  accounts a minute with 1, 2 and 4 workers, against CRMs that take their time to answer
layouts  scoring on PostgreSQL with other indexes and with partitions

All of it takes some ten minutes on two idle cores; layouts for 200,000 people as many by themselves
(`--only layouts --layout-people 200000`). PostgreSQL is the one of MQLSYNC_TEST_POSTGRES_URL, else one of
the tests' own in a temporary folder, which does not wait for the disk. CPU is that of this process and of a
server on this machine; a busy machine shows in the wall clock, and only figures of one run can be compared.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Integer, cast, make_url, select

from benchmarks.bench_score import MODEL_FILE
from benchmarks.layouts import LAYOUTS
from benchmarks.population import fill
from benchmarks.sheets import Sheets, ratio
from benchmarks.upserts import PAGE, SMALL_PAGE
from benchmarks.upserts import measure as measured_upserts
from benchmarks.workers import measure_workers
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
ENGAGEMENTS: Final = "c.relname ~ '^engagement(_[0-9]+)?$' AND c.relkind = 'r'"
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
    parser.add_argument("--layout-people", type=int, default=20_000, help="of `layouts`, the same")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of `copy`")
    parser.add_argument("--records", type=int, default=10_000, help="of `upserts`")
    parser.add_argument("--rounds", type=int, default=2, help="the best of so many counts")
    parser.add_argument("--accounts", type=int, default=12, help="of `workers`")
    parser.add_argument("--latency", type=float, default=0.2, help="of `workers`, seconds before each answer")
    parser.add_argument("--seconds", type=float, default=60, help="of `workers`, for each number of them")
    parser.add_argument("--markdown", action="store_true", help="tables for docs/performance.md")
    told = parser.parse_args()
    sheets = Sheets(markdown=told.markdown)
    with server() as postgres, tempfile.TemporaryDirectory() as folder:
        load, python = os.getloadavg()[0], platform.python_version()
        place = f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, Python {python}"
        print(f"{place}, SQLite {sqlite3.sqlite_version}, PostgreSQL {postgres.version}", flush=True)
        for name in told.only.split(","):
            sheets.at(name)
            PARTS[name](told, postgres, Path(folder), sheets)
    peak, load = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, os.getloadavg()[0]
    sheets.say(
        f"{sheets.seconds / 60:.1f} min, load {load:.1f} at the end, peak of this process {peak:,.0f} MiB"
    )


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


def measure_copy(told: argparse.Namespace, postgres: Postgres, folder: Path, sheets: Sheets) -> None:
    """Copy a mirror of so many rows and count both sides."""
    people = told.rows // (PER_PERSON + 1)
    source = filled(f"sqlite:///{folder}/copy.db", people, told.rows - people)
    url = postgres.new_mirror()
    target = Mirror(url, SimulatedWorld())
    source.empty_log()
    before = copying.count(source)
    cpu, begun = cpu_of(target), time.perf_counter()
    done = copying.copy(source, target, SimulatedWorld())
    took = time.perf_counter() - begun
    target.close()  # a session that has ended is counted by its server
    cpu = cpu_of(target) - cpu
    after = copying.count(target)
    counted = {one.table: one.rows for one in done}
    assert after == counted, "what the copy says is what is there"
    assert {name: rows for name, rows in before.items() if rows} == {
        name: rows for name, rows in counted.items() if rows and name != "lease"
    }
    total = sum(counted.values())
    size = (folder / "copy.db").stat().st_size / 1024**2
    row = [f"{total:,}", f"{size:,.0f} MiB", f"{took:.1f} s", f"{cpu:.1f} s", f"{total / took:,.0f}"]
    sheets.table(
        "`mqlsync db copy` from SQLite to PostgreSQL, each row read again and compared, all counted",
        ("rows", "SQLite file", "by the clock", "CPU of both", "rows/s"), [row],
    )  # fmt: skip
    source.close()
    (folder / "copy.db").unlink()
    target.close()
    postgres.drop(url)


def measure_upserts(told: argparse.Namespace, postgres: Postgres, _folder: Path, sheets: Sheets) -> None:
    """Store the same records in every way."""
    header = ("", "new", "unchanged", "changed", f"new, pages of {SMALL_PAGE}")
    rows = measured_upserts(postgres, told.records, told.rounds)
    title = (
        f"Upserts of {told.records:,} person records, {PAGE:,} a transaction: rows/s (of what mqlsync does)"
    )
    sheets.table(title, header, rows)


def measure_score(told: argparse.Namespace, postgres: Postgres, folder: Path, sheets: Sheets) -> None:
    """Score the same people on both: everybody, then one in a hundred."""
    url = postgres.new_mirror()
    mirrors = {
        "SQLite": filled(f"sqlite:///{folder}/score.db", told.people, told.people * PER_PERSON),
        "PostgreSQL": filled(url, told.people, told.people * PER_PERSON),
    }
    whole: dict[str, Spent] = {}
    some: dict[str, Spent] = {}
    for name, mirror in mirrors.items():
        sheets.at(f"scoring on {name}")
        scored(mirror)  # there are scores to be replaced from now on
        vacuum(mirror)
        whole[name] = least(mirror, told.rounds, lambda mirror=mirror: scored(mirror))  # type: ignore[misc]
        some[name] = least(mirror, told.rounds, lambda mirror=mirror: scored(mirror, 100))  # type: ignore[misc]
    sheets.table(
        f"Scoring {told.people:,} people with {told.people * PER_PERSON:,} engagements",
        ("", "SQLite", "PostgreSQL", "ratio"),
        [
            [f"{what}, {kind}", *(f"{getattr(spent[name], part):.2f} s" for name in mirrors),
             ratio(getattr(spent["PostgreSQL"], part), getattr(spent["SQLite"], part))]
            for what, spent in (("everybody", whole), ("one in a hundred", some))
            for part, kind in (("cpu", "CPU"), ("wall", "by the clock"))
        ],
    )  # fmt: skip
    assert results(mirrors["SQLite"]) == results(mirrors["PostgreSQL"]), "both give the same scores"
    sheets.say(f"Both made the same {told.people:,} scores.")
    for mirror in mirrors.values():
        mirror.close()
    postgres.drop(url)


def measure_layouts(told: argparse.Namespace, postgres: Postgres, _folder: Path, sheets: Sheets) -> None:
    """Score the same people on PostgreSQL with other indexes, and with partitions."""
    people = told.layout_people
    whole = postgres.new_mirror()
    mirror = filled(whole, people, people * PER_PERSON)
    scored(mirror)  # there are scores to be replaced from now on
    mirror.close()
    found = {}
    for name, statements in LAYOUTS.items():
        sheets.at(name)
        found[name] = _laid_out(told, postgres, whole, statements)
    postgres.drop(whole)
    base = found["as it is"]
    sheets.table(
        f"Scoring {people:,} people with {people * PER_PERSON:,} engagements on PostgreSQL, other layouts",
        ("layout", "everybody, CPU", "ratio", "one in a hundred, CPU", "ratio", "size with indexes"),
        [
            [name, f"{full.cpu:.2f} s", ratio(full.cpu, base[0].cpu),
             f"{some.cpu:.2f} s", ratio(some.cpu, base[1].cpu), f"{size:.0f} MiB"]
            for name, (full, some, size) in found.items()
        ],
    )  # fmt: skip


def _laid_out(
    told: argparse.Namespace, postgres: Postgres, whole: str, statements: Sequence[str]
) -> tuple[Spent, Spent, float]:
    """What it takes to score everybody, and one in a hundred, and the size of the engagements."""
    url = postgres.new_database(str(make_url(whole).database))
    mirror = Mirror(url, SimulatedWorld())
    with mirror.write() as conn:
        for statement in statements:
            conn.exec_driver_sql(statement)
    vacuum(mirror)
    full = least(mirror, told.rounds, lambda: scored(mirror))
    vacuum(mirror)
    some = least(mirror, told.rounds, lambda: scored(mirror, 100))
    size = f"SELECT sum(pg_total_relation_size(c.oid)) / 1048576 FROM pg_class c WHERE {ENGAGEMENTS}"
    with mirror.read() as conn:
        megabytes: float = conn.exec_driver_sql(size).scalar_one()
    mirror.close()
    postgres.drop(url)
    return full, some, megabytes


def filled(url: str, people: int, engagements: int) -> Mirror:
    """A mirror with made-up people, the same in any database."""
    world = SimulatedWorld()
    mirror = Mirror(url, world)
    mirror.migrate()
    fill(mirror, people, engagements, int(world.now().timestamp()))
    vacuum(mirror)
    return mirror


def vacuum(mirror: Mirror) -> None:
    """What autovacuum does by and by; the tests' own server has none."""
    if not mirror.is_sqlite:
        with mirror.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT", mqlsync_session=True
        ) as conn:
            conn.exec_driver_sql("VACUUM ANALYZE")


class Spent(NamedTuple):
    """Seconds: of CPU (this process and a server on this machine), and by the clock."""

    cpu: float
    wall: float


def least(mirror: Mirror, rounds: int, work: Callable[[], object]) -> Spent:
    """The least that it takes."""
    spent = []
    for _ in range(rounds):
        cpu, wall = cpu_of(mirror), time.perf_counter()
        work()
        wall = time.perf_counter() - wall
        mirror.close()  # a session that has ended is counted by its server
        spent.append(Spent(cpu_of(mirror) - cpu, wall))
    return Spent(min(one.cpu for one in spent), min(one.wall for one in spent))


def cpu_of(mirror: Mirror) -> float:
    """Seconds of CPU until now of this process and, when it runs here, of the whole server."""
    if mirror.is_sqlite:
        return time.process_time()
    with mirror.read() as conn:
        folder = conn.exec_driver_sql("SHOW data_directory").scalar_one()
    server = 0.0
    with suppress(OSError):  # it runs elsewhere
        main = (Path(str(folder)) / "postmaster.pid").read_text().split()[0]
        before = -1.0
        while before != server:  # a session that ends while we look is counted twice, or not at all
            before, server = server, cpu_of_server(main)
            time.sleep(0.1)
    return time.process_time() + server


def cpu_of_server(main: str) -> float:
    """Seconds of CPU of a process, its children, and those of its children that have ended."""
    used = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if main in (fields[1], stat.parent.name):
                used += sum(map(int, fields[11:15]))
    return used / os.sysconf("SC_CLK_TCK")


def scored(mirror: Mirror, one_in: int = 1) -> None:
    """Score everybody, or one in so many."""
    world = SimulatedWorld()
    now = int(world.now().timestamp())
    model = load_model(MODEL_FILE.read_text(encoding="utf-8"), str(MODEL_FILE))
    context = Context(Settings(), world, mirror, {}, [model], RunClock("bench", now, now, now))
    if one_in > 1:
        with mirror.write() as conn:
            catalog.touch(conn, cast(catalog.PERSON.c.founding_id, Integer) % one_in == 0)
    score(context, full=one_in == 1)


def results(mirror: Mirror) -> list[tuple[Any, ...]]:
    """Every score."""
    columns = [catalog.SCORE.c[name] for name in EXACT]
    with mirror.read() as conn:
        return [tuple(row) for row in conn.execute(select(*columns).order_by(catalog.SCORE.c.person_id))]


PARTS: Final[Mapping[str, Callable[[argparse.Namespace, Postgres, Path, Sheets], None]]] = {
    "copy": measure_copy,
    "upserts": measure_upserts,
    "score": measure_score,
    "workers": measure_workers,
    "layouts": measure_layouts,
}
"""What is measured, by name: one function each."""

if __name__ == "__main__":
    main()
