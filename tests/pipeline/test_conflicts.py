"""Ambiguous people and the decision of a person about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.records import RecordRef
from sync.mirror import conflicts, queries
from tests.pipeline.small import Small, small

FIRST, SECOND = (
    RecordRef("salesforce", "Lead", "00Q000000000001AAA"),
    RecordRef("salesforce", "Lead", "00Q000000000002AAA"),
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Small]:
    made = small(tmp_path)
    for ref in (FIRST, SECOND):
        made.connectors["salesforce"].put(ref.object, ref.id, email="ann@example.com")
    made.connectors["hubspot"].put("contacts", "1", email="ann@example.com")
    assert made.sync().ambiguous == 1
    yield made
    made.mirror.close()


def records(here: Small) -> list[RecordRef]:
    with here.mirror.read() as conn:
        (person,) = queries.find_people(conn, "ann@example.com")
        return queries.records_of(conn, [person])[person]


def keep(here: Small, kept: RecordRef) -> list[RecordRef]:
    with here.mirror.write() as conn:
        return conflicts.set_apart(conn, records(here), kept, reason="", by="me", now=1)


def people(here: Small) -> list[set[str]]:
    found: dict[str, set[str]] = {}
    for person, id_ in here.select("SELECT person_id, id FROM person_member"):
        found.setdefault(person, set()).add(id_)
    return sorted(found.values(), key=sorted)


@pytest.mark.parametrize("kept", [FIRST, SECOND])
def test_the_record_that_counts_is_the_person_and_the_other_one_of_its_own(
    here: Small, kept: RecordRef
) -> None:
    other = SECOND if kept == FIRST else FIRST
    assert keep(here, kept) == [other]
    assert here.match().ambiguous == 0
    assert people(here) == sorted([{kept.id, "1"}, {other.id}], key=sorted)


def test_the_decision_holds_when_the_records_change(here: Small) -> None:
    keep(here, FIRST)
    here.match()
    here.world.advance(60)
    for ref in (FIRST, SECOND):
        here.connectors["salesforce"].edit(ref, title="VP Sales")
    assert here.sync().ambiguous == 0
    assert len(people(here)) == 2


def test_a_record_set_apart_is_still_found_by_its_id(here: Small) -> None:
    keep(here, FIRST)
    here.match()
    with here.mirror.read() as conn:
        assert len(queries.find_people(conn, SECOND.id)) == 1
        assert queries.find_people(conn, SECOND.id) != queries.find_people(conn, FIRST.id)


def test_a_native_link_does_not_bring_it_back(here: Small, world: Any) -> None:
    del world
    here.connectors["hubspot"].edit(RecordRef("hubspot", "contacts", "1"), sf_lead_id=SECOND.id)
    here.sync()
    keep(here, FIRST)
    assert here.match().ambiguous == 0
    assert people(here) == sorted([{FIRST.id, "1"}, {SECOND.id}], key=sorted)


def test_putting_together_makes_it_ambiguous_again(here: Small) -> None:
    keep(here, FIRST)
    here.match()
    with here.mirror.write() as conn:
        assert conflicts.put_together(conn, records(here)) == [SECOND]
    assert here.match().ambiguous == 1


def test_when_the_kept_record_goes_the_decision_is_void(here: Small) -> None:
    keep(here, FIRST)
    here.match()
    here.world.advance(60)
    here.connectors["salesforce"].delete(FIRST)
    here.sync()
    assert people(here) == [{"1", SECOND.id}]
