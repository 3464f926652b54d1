"""The books of write-back agree, and notice what they ought to notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.mirror import books, failures
from sync.reports import WriteCounts
from tests.pipeline.write_bench import Bench, both
from tests.world import SimulatedWorld


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world)
    yield made
    made.mirror.close()


def kept(bench: Bench, run_id: str = "") -> WriteCounts:
    run_id = run_id or bench.ctx.run.run_id
    with bench.mirror.read() as conn:
        return WriteCounts(decided=books.decided(conn, run_id), **books.counts(conn, run_id))


def tamper(bench: Bench, statement: str) -> None:
    with bench.mirror.write() as conn:
        conn.exec_driver_sql(statement)


def test_each_run_counts_what_was_open_or_made_in_it(bench: Bench) -> None:
    both(bench)
    assert bench.sync().decided == 3
    both(bench, "p2", "2")
    tamper(bench, "INSERT INTO pause (scope, reason, by, at) VALUES ('hubspot', 'x', 'x', 0)")
    counts = bench.sync()
    assert (counts.decided, counts.verified, counts.waiting) == (3, 1, 2)
    with bench.mirror.write() as conn:
        failures.resume(conn, "hubspot")
    assert (bench.sync().decided, bench.sync().decided) == (2, 0)


def test_w2_a_change_that_ended_without_its_run_is_noticed(bench: Bench) -> None:
    both(bench)
    bench.sync()
    tamper(bench, "UPDATE intent SET ended_run = NULL WHERE field = 'Status'")
    assert not kept(bench).balanced
    assert not kept(bench, "a-later-run").balanced


def test_w2_an_open_change_that_was_said_to_have_ended_is_noticed(bench: Bench) -> None:
    both(bench)
    bench.sync()
    tamper(bench, "UPDATE intent SET state = 'queued' WHERE field = 'Status'")
    assert not kept(bench, "a-later-run").balanced
