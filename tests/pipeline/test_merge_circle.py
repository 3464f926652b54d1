"""A merged into B and, in a later pull, B into A: nothing loops, nobody is invented, and doctor says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.records import GoneReason, RecordRef, Tombstone
from sync.doctor.findings import Finding, Level, Patient
from sync.doctor.local import LOCAL
from sync.mirror import graves
from sync.mirror.circles import merged_in_circles
from sync.mirror.runs import current_round
from tests.pipeline.small import Small, small

IDS = ("003000000000001AAA", "003000000000002AAA", "003000000000003AAA")


def told(here: Small) -> list[Finding]:
    (check,) = [one for one in LOCAL if one.__name__ == "_merges"]
    return list(check(Patient(here.settings, Path(), here.world, here.mirror, {}, [])))


def went(here: Small, loser: str, survivor: str) -> None:
    """A page of a later pull says that one record went into another; then everything is matched."""
    here.world.advance(60)
    at_ms = int(here.world.now().timestamp() * 1000)
    stone = Tombstone("salesforce", "Contact", loser, GoneReason.MERGED, at_ms, "Contact", survivor)
    with here.mirror.write() as conn:
        graves.bury(conn, [stone], current_round(conn))
    here.match()


@pytest.mark.parametrize("count", [2, 3])
def test_a_circle_of_merges_is_reported_and_ends_when_a_record_is_seen_again(
    tmp_path: Path, count: int
) -> None:
    here = small(tmp_path)
    ids = IDS[:count]
    for name in ids:
        here.connectors["salesforce"].put("Contact", name, email=f"{name}@example.com", last_name="Ann")
        here.world.advance(1)
    here.connectors["salesforce"].put("Contact", "003000000000009AAA", email="bob@example.com")
    assert here.sync().people == count + 1
    people = dict(here.select("SELECT id, person_id FROM person_member"))

    for loser, survivor in zip(ids, (*ids[1:], ids[0]), strict=True):
        assert told(here) == []
        went(here, loser, survivor)

    (finding,) = told(here)
    assert (finding.level, finding.crm) == (Level.WARNING, "salesforce")
    assert finding.message.startswith(f"{count} records were merged in a circle")
    assert all(f"Contact {name}" in finding.message for name in ids)
    with here.mirror.read() as conn:
        assert merged_in_circles(conn) == [RecordRef("salesforce", "Contact", name) for name in ids]
    assert here.select("SELECT id FROM person_member") == [("003000000000009AAA",)]
    assert here.match().people == 1

    here.world.advance(60)
    here.connectors["salesforce"].put("Contact", ids[0], last_name="Anne")
    assert here.sync().people == 2
    assert told(here) == []
    assert dict(here.select("SELECT id, person_id FROM person_member"))[ids[0]] in people.values()
    here.mirror.close()
