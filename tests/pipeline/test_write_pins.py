"""A person's edit holds: until somebody releases it, or for as long as the configuration says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.records import Author, RecordRef
from sync.mirror import pins
from tests.pipeline.write_bench import Bench
from tests.world import SimulatedWorld

DAY = 86_400


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world)
    yield made
    made.mirror.close()


def human_wins(bench: Bench, **more: Any) -> RecordRef:
    """A contact whose status a person set an hour ago, under `human_wins`."""
    changed = bench.settings.model_dump(by_alias=True)["writeback"]
    changed["hubspot"]["contacts"]["status"] |= {"policy": "human_wins", **more}
    changed["hubspot"]["contacts"]["stage"] = None
    bench.settings_with(writeback=changed)
    contact = bench.contact(status="NEW")
    bench.world.advance(600)
    bench.hs.edit(contact, Author.PERSON, hs_lead_status="IN_PROGRESS")
    bench.mirror_record(contact)
    bench.world.advance(3600)
    bench.person("p1", contact)
    return contact


def release(bench: Bench) -> int:
    with bench.mirror.write() as conn:
        rows = pins.held(conn, "p1")
        pins.release(conn, rows, "agreed with sales", int(bench.world.now().timestamp()))
    return len(rows)


def test_an_edit_holds_until_it_is_released_and_the_next_one_holds_again(bench: Bench) -> None:
    contact = human_wins(bench)
    for _ in range(3):
        bench.sync(DAY)
    assert bench.value(contact, "hs_lead_status") == "IN_PROGRESS"
    assert [row.why for row in bench.intents()] == ["human"], "decided once, not every day"
    assert release(bench) == 1
    bench.hs.edit(contact, Author.PERSON, hs_lead_status="NEW")  # somebody edits after all
    bench.sync(DAY)
    assert bench.value(contact, "hs_lead_status") == "NEW"
    assert release(bench) == 1
    bench.sync(DAY)
    assert bench.value(contact, "hs_lead_status") == "OPEN"
    assert release(bench) == 0


def test_an_edit_holds_for_as_long_as_the_configuration_says(bench: Bench) -> None:
    contact = human_wins(bench, pinned_for="7d")
    bench.sync(6 * DAY)
    bench.hs.edit(contact, Author.PERSON, hs_lead_status="IN_PROGRESS")
    for _ in range(6):
        bench.sync(DAY)
    assert bench.value(contact, "hs_lead_status") == "IN_PROGRESS"
    for _ in range(8):
        bench.sync(DAY)
    assert bench.value(contact, "hs_lead_status") == "OPEN"


def test_what_automation_set_is_no_persons_edit(bench: Bench) -> None:
    contact = human_wins(bench)
    bench.hs.edit(contact, Author.AUTOMATION, hs_lead_status="NEW")
    bench.mirror_record(contact)
    bench.person("p2", automated := bench.contact("2", status="NEW"))
    bench.sync(DAY)
    assert bench.value(automated, "hs_lead_status") == "OPEN"
    assert bench.value(contact, "hs_lead_status") == "NEW", (
        "the person's edit before still is newer than ours"
    )


def test_a_released_last_supplied_field_is_written(bench: Bench) -> None:
    contact = bench.contact()
    bench.person("p1", contact)
    bench.sync()
    bench.world.advance(DAY)
    bench.hs.edit(contact, Author.PERSON, hs_lead_status="IN_PROGRESS")
    bench.mirror_record(contact)
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE spell SET left_at = 1")
    bench.spell("p1")
    bench.sync(DAY)
    assert bench.value(contact, "hs_lead_status") == "IN_PROGRESS"
    assert release(bench) == 1
    bench.sync(DAY)
    assert bench.value(contact, "hs_lead_status") == "OPEN"
