"""One record first: what comes to nothing on it does not come to nothing on all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.memory import MemoryConnector
from connectors.records import Author, Outcome, OutcomeKind, RefusalClass, Write
from tests.pipeline.write_bench import Bench, both
from tests.world import SimulatedWorld

PEOPLE = 12


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world)
    yield made
    made.mirror.close()


def many(bench: Bench, begin: int = 0) -> None:
    for number in range(begin, begin + PEOPLE):
        both(bench, f"p{number}", f"{number:02}")


def requests(crm: MemoryConnector) -> list[int]:
    """How many records each request carries from now on."""
    sizes: list[int] = []
    real = crm.write

    def write(writes: list[Write]) -> object:
        sizes.append(len(writes))
        return real(writes)

    crm.write = write  # type: ignore[method-assign,assignment]
    return sizes


def test_a_new_mapping_goes_to_one_record_first_and_only_once(bench: Bench) -> None:
    many(bench)
    sizes = requests(bench.sf)
    assert bench.sync().verified == 3 * PEOPLE
    assert sizes == [1, PEOPLE - 1]
    many(bench, PEOPLE)
    bench.sync()
    assert sizes[2:] == [PEOPLE]


def test_few_records_need_no_first(bench: Bench) -> None:
    sizes = requests(bench.sf)
    for number in range(5):
        both(bench, f"p{number}", str(number))
    bench.sync()
    assert sizes == [5]


def test_a_mapping_that_the_crm_refuses_is_refused_once(bench: Bench) -> None:
    many(bench)
    bench.sf.answer = lambda write, outcome: Outcome(
        write.ref, OutcomeKind.REFUSED, "STRING_TOO_LONG", "too long", RefusalClass.OUR_CONFIG
    )
    counts = bench.sync()
    assert (len(bench.sf.writes), counts.parked, counts.waiting) == (1, 1, PEOPLE - 1)
    assert counts.verified == 2 * PEOPLE, "the other CRM is served"
    assert bench.codes() == ["CANARY_FAILED"]
    bench.sf.answer = None
    assert bench.sync().verified == PEOPLE - 1


def test_a_flow_that_undoes_the_first_does_not_meet_the_others(bench: Bench) -> None:
    many(bench)

    def flow(write: Write, outcome: Outcome) -> Outcome:
        bench.world.advance(1)
        bench.sf.edit(write.ref, Author.AUTOMATION, Status="Recycled")
        return outcome

    bench.sf.answer = flow
    counts = bench.sync()
    assert (len(bench.sf.writes), counts.superseded, counts.waiting) == (1, 1, PEOPLE - 1)


def test_a_rule_about_some_records_holds_up_nobody_for_long(bench: Bench) -> None:
    many(bench)
    sizes = requests(bench.sf)
    bench.sf.answer = lambda write, outcome: Outcome(
        write.ref, OutcomeKind.REFUSED, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", RefusalClass.ADMIN_RULE
    )
    assert bench.sync().parked == PEOPLE
    assert sizes == [1, 1, 1, PEOPLE - 3]
