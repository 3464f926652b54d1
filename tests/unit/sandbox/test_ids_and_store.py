from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sandbox.ledger import Ledger
from connectors.sandbox.salesforce.ids import counter, to_18
from connectors.sandbox.store import Store


def store() -> Store:
    made = Store(lambda: 1000.0, Ledger())
    made.table("salesforce", "Lead").new_id = counter("00Q")
    return made


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("001A0000006Vm9r", "001A0000006Vm9rIAC"),
        ("a0D000000000001", "a0D000000000001EAA"),
        ("00QA0000001Xyz1", "00QA0000001Xyz1MAC"),
        ("000000000000000", "000000000000000AAA"),
    ],
)
def test_check_characters(short: str, full: str) -> None:
    assert to_18(short) == full
    assert to_18(full) == full


@given(st.text("abcXYZ019", min_size=15, max_size=15), st.text("abcXYZ019", min_size=15, max_size=15))
def test_18_characters_tell_ids_apart_without_case(one: str, other: str) -> None:
    assert (one == other) == (to_18(one).lower() == to_18(other).lower())


def test_ids_ascend() -> None:
    new_id = counter("003")
    made = [new_id() for _ in range(500)]
    assert made == sorted(made)
    assert len(set(made)) == 500


def test_history_holds_the_first_value_and_every_change() -> None:
    held = store()
    record = held.create("salesforce", "Lead", {"Status": "New", "Rating": None}, author="seed", at=10.0)
    assert "Rating" not in record.values
    before = held.change("salesforce", record, {"Status": "MQL"}, author="person", at=20.0)
    assert before == {"Status": "New"}
    assert [(version.at, version.value, version.author) for version in record.history("Status")] == [
        (20.0, "MQL", "person"),
        (10.0, "New", "seed"),
    ]
    assert (record.created, record.modified, record.stamp) == (10.0, 20.0, 20.0)


def test_a_save_without_change_moves_stamps_and_leaves_no_entry() -> None:
    held = store()
    record = held.create("salesforce", "Lead", {"Status": "New"}, author="seed", at=10.0)
    assert held.change("salesforce", record, {"Status": "New"}, author="worker") == {}
    assert record.modified == 1000.0
    assert held.ledger.entries() == []


def test_true_is_not_one() -> None:
    held = store()
    record = held.create("salesforce", "Lead", {"Flag": True})
    held.change("salesforce", record, {"Flag": 1})
    assert record.get("Flag") is not True


def test_undo_takes_back_changes_births_and_ends() -> None:
    held = store()
    kept = held.create("salesforce", "Lead", {"Status": "New"}, author="seed", at=10.0)
    doomed = held.create("salesforce", "Lead", {"Status": "Old"}, author="seed", at=10.0)
    with held.transaction() as journal:
        held.change("salesforce", kept, {"Status": "MQL", "Rating": "Hot"}, author="worker")
        held.change("salesforce", kept, {"Status": "Lost"}, author="worker")
        held.create("salesforce", "Lead", {"Status": "Fresh"}, author="worker")
        held.remove("salesforce", doomed, author="worker")
        held.erase("salesforce", doomed, author="worker")
        assert len(held.ledger) == 6
        journal.undo()
    assert kept.values == {"Status": "New"}
    assert kept.modified == 10.0
    assert len(kept.history("Status")) == 1
    assert [record.get("Status") for record in held.table("salesforce", "Lead").alive()] == ["New", "Old"]
    assert len(held.ledger) == 0


def test_the_ledger_numbers_without_gaps_and_filters() -> None:
    held = store()
    record = held.create("salesforce", "Lead", {"Status": "New"}, author="seed")
    for value, author in (("A", "person"), ("B", "worker"), ("C", "person")):
        held.change("salesforce", record, {"Status": value}, author=author)
    entries = held.ledger.entries()
    assert [entry.n for entry in entries] == [1, 2, 3]
    assert [entry.after for entry in held.ledger.entries(since=1)] == ["B", "C"]
    assert [entry.before for entry in held.ledger.entries(author="person")] == ["New", "B"]
