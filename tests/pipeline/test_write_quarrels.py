"""A field that another writer sets back every time is not fought for: a person hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.records import Author, RecordRef
from sync.core.oscillation import quarrel
from sync.mirror import outbox
from tests.pipeline.write_bench import Bench, scored
from tests.world import SimulatedWorld


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world)
    yield made
    made.mirror.close()


def set_back(bench: Bench, lead: RecordRef, value: str = "1", hours: float = 1) -> None:
    """Somebody's workflow."""
    bench.world.advance(hours * 3600)
    bench.sf.edit(lead, Author.AUTOMATION, MQL_Score__c=value)
    bench.mirror_record(lead)


def test_the_third_flip_within_a_day_ends_it(bench: Bench) -> None:
    scored(bench)
    lead = bench.lead(MQL_Score__c="0")
    bench.person("p1", lead, mql=False)
    assert bench.sync().verified == 1
    set_back(bench, lead)
    assert bench.sync().verified == 1
    set_back(bench, lead)
    sent = len(bench.all_writes())
    assert bench.sync().conflict == 1
    with bench.mirror.read() as conn:
        (failed,) = outbox.failed(conn)
    assert failed.message.endswith('we "105", another "1", we "105", another "1"')
    assert failed.cause == "SF-QUARREL"
    assert "who else writes" in failed.remedy
    set_back(bench, lead, "2")
    assert bench.sync().decided == 0
    assert len(bench.all_writes()) == sent


def test_two_flips_a_day_apart_are_no_quarrel(bench: Bench) -> None:
    scored(bench)
    lead = bench.lead(MQL_Score__c="0")
    bench.person("p1", lead, mql=False)
    for _ in range(4):
        assert bench.sync().verified == 1
        set_back(bench, lead, hours=25)


def test_scores_that_change_all_day_are_no_quarrel(bench: Bench) -> None:
    scored(bench)
    lead = bench.lead(MQL_Score__c="0")
    bench.person("p1", lead, mql=False)
    for number in range(5):
        assert bench.sync().verified == 1
        bench.mirror_record(lead)
        with bench.mirror.write() as conn:
            conn.exec_driver_sql(f"UPDATE score SET total = {number * 1000}")


@pytest.mark.parametrize(
    ("ours", "live", "told"),
    [
        ([], "b", False),
        ([("x", "a")], "b", False),
        ([("x", "a"), ("b", "a")], "a", False),
        ([("x", "a"), ("b", "a")], "b", True),
        ([("x", "a"), ("a", "c"), ("c", "d")], "e", False),
        ([("x", "a"), ("b", "a"), ("a", "c")], "b", True),
        ([("x", "55"), ("55.0", "56")], "1", False),
    ],
)
def test_what_a_quarrel_is(ours: list[tuple[str, str]], live: str, told: bool) -> None:
    assert bool(quarrel("score", ours, live)) is told
