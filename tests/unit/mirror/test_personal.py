"""Where personal data lie: every table is classified, and what is a person's goes without anybody else's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Column, insert, text
from sqlmodel import SQLModel

from connectors.records import Page, PersonRecord, Poison, RecordRef
from sync.mirror import erased, personal, pseudonyms, store
from sync.mirror.engine import Connection, Mirror
from sync.mirror.personal import Subject
from sync.reports import FeedCounts
from tests.unit.mirror.rows import Stamp, engagement, gone, links, page, person

TABLES = SQLModel.metadata.tables
ANN = RecordRef("salesforce", "Lead", "00Q000000000001AAA")
BEN = RecordRef("salesforce", "Lead", "00Q000000000002AAA")


def test_every_table_is_classified() -> None:
    """A new table has to say whose rows it holds (`personal.HOLDS`, `SPEAKS`) or why none (`NOTHING`)."""
    named = [*personal.HOLDS, *personal.SPEAKS, *personal.NOTHING]
    assert sorted(named) == sorted(TABLES)
    assert len(named) == len(set(named))


ADDRESS = "ann@acme.example"
TELLING = ("person_id", "email", "first_name", "record_id", "from_id", "raw", "emails")


@pytest.mark.parametrize("table", personal.NOTHING)
def test_tables_that_hold_nothing_have_no_column_of_a_person(table: str) -> None:
    columns = {column.name for column in TABLES[table].columns}
    assert columns.isdisjoint(TELLING) or table == "owner"


def kind_of(column: Column[Any]) -> type:
    found = column.type.python_type
    return str if found is object else found  # what SQLModel makes of a string does not say


def value_of(column: str, kind: type) -> object:
    """A value by which a row is Ann's, wherever it may stand."""
    known = {
        "crm": ANN.crm, "object": ANN.object, "id": ANN.id, "record_id": ANN.id, "person_object": ANN.object,
        "person_record_id": ANN.id, "from_object": ANN.object, "from_id": ANN.id, "person_id": "p_ann",
        "subject": f"salesforce.Lead.{ANN.id}.Status", "report": '{"who": "ann@acme.example"}',
        "state": "queued" if kind is str else None,
    }  # fmt: skip
    if column in known and isinstance(known[column], kind):
        return known[column]
    return {str: ADDRESS, int: 1, bool: False, float: 0.0}[kind]


def fill(conn: Connection) -> None:
    """One row in every table, with Ann in every text of it."""
    for table in TABLES.values():
        row = {column.name: value_of(column.name, kind_of(column)) for column in table.columns}
        if table.name in personal.SPEAKS:
            speaking = personal.SPEAKS[table.name][0]
            texts = {name for name, value in row.items() if isinstance(value, str)} - {speaking}
            row |= dict.fromkeys(texts, "x")
        if table.name == "request":
            row["state"] = "waiting"
        if table.name == "hand_off_task":
            row["state"] = "planned"
        if table.name == "meta":
            row["key"] = "note"
        if table.name in ("spell", "intent"):
            row["id"] = "x1"
        if "spell_id" in row:
            row["spell_id"] = "x1"
        if "intent_id" in row:
            row["intent_id"] = "x1"
        for name in ("additional_keys", "emails"):
            if name in row:
                row[name] = "[]"
        if table.name == "link":
            row |= {"to_object": "Account", "to_id": "001"}
        if table.name == "list_member":
            row |= {"crm": "hubspot", "record_id": 77}
        if table.name == "email_domain":
            row["domain"] = "acme.example"
        if "email_domain" in row:
            row["email_domain"] = "acme.example"
        if "key" in row and table.name == "match_key":
            row["key"] = "email:ann@acme.example"
        if table.name in ("company_record", "deal_record"):
            row |= {"object": "Account", "id": "001"}
        conn.execute(insert(table).values(row))


def test_a_row_of_hers_in_every_table_is_found_and_goes(mirror: Mirror) -> None:
    hub = RecordRef("hubspot", "contacts", "77")
    subject = Subject(("p_ann",), (hub, ANN), ("ann@acme.example",), ("ann@acme.example", ANN.id[:15]))
    with mirror.write() as conn:
        fill(conn)
        expected = {*personal.HOLDS, *personal.SPEAKS} - {"deal_record"}
        assert set(personal.counts(conn, subject)) == expected
        personal.purge(conn, subject)
        assert personal.counts(conn, subject) == {}
        left = set()
        for table in TABLES:
            rows = str(conn.execute(text(f"SELECT * FROM {table}")).all())
            if ANN.id[:15] in rows or "ann@acme" in rows:
                left.add(table)
        assert left - set(personal.NOTHING) == {"deal_record"}, (
            "a deal that nobody is linked with is nobody's"
        )


def brought(conn: Connection, *rows: object) -> FeedCounts:
    return store.save_rows(conn, page(*rows), Stamp())


def lead(ref: RecordRef, email: str | None = None, **fields: object) -> PersonRecord:
    return person(ref.object, ref.id, email, **fields)


def erase_ann(conn: Connection) -> None:
    brought(conn, lead(ANN, "ann@acme.example"))
    erased.erase(conn, personal.gather(conn, [], [ANN]), 5)


def held(conn: Connection) -> set[str]:
    return set(conn.execute(text("SELECT id FROM person_record")).scalars())


def whatever_a_page_brings() -> Page:
    """Ann in every kind of row, and Ben beside her."""
    return page(
        lead(ANN),
        lead(BEN, "ben@acme.example"),
        person("contacts", "9", None, sf_lead_id=ANN.id[:15]),
        person("contacts", "10", "x@y.example", additional_emails='["Ann@ACME.example"]'),
        engagement("a", crm="salesforce", person_object="Lead", person_id=ANN.id[:15]),
        engagement("b", person_email=" ann@acme.example "),
        engagement("c", person_email="ben@acme.example"),
        links("Lead", ANN.id, "Account"),
        links("Opportunity", "006", "Lead", ANN.id, BEN.id),
        Poison("salesforce", "Lead", ANN.id, "bad", "{}"),
        Poison("hubspot", "contacts", "", "bad", '{"email": "ann@acme.example"}'),
        Poison("hubspot", "contacts", "", "bad", '{"email": "ben@acme.example"}'),
        gone("Lead", ANN.id),
    )


def test_whatever_a_page_brings_of_the_erased_is_left_out_and_counted(mirror: Mirror) -> None:
    with mirror.write() as conn:
        erase_ann(conn)
        assert held(conn) == set()
        counts = store.save_rows(conn, whatever_a_page_brings(), Stamp())
        assert counts.balanced, counts
        assert counts.parked == 1
        assert held(conn) == {BEN.id}
        assert set(conn.execute(text("SELECT id FROM engagement")).scalars()) == {"c"}
        assert conn.execute(text("SELECT to_id FROM link")).scalars().all() == [BEN.id]
        assert conn.execute(text("SELECT count(*) FROM tombstone")).scalar_one() == 0
        brought(conn, person("contacts", "9", "other@b.example"))
        assert held(conn) == {BEN.id}, "an id under which the person came again is known from then on"


def test_who_was_merged_with_the_erased_is_the_erased(mirror: Mirror) -> None:
    with mirror.write() as conn:
        erase_ann(conn)
        new = ANN._replace(id="00Q000000000003AAA")
        brought(conn, lead(BEN, "ben@acme.example"))
        brought(
            conn,
            gone("Lead", ANN.id, "merged_into", to_object="Lead", to_id=new.id),
            gone("Lead", BEN.id, "merged_into", to_object="Lead", to_id=ANN.id),
        )
        brought(conn, lead(new, "fresh@acme.example"))
        assert held(conn) == set()


def test_a_survivor_who_is_somebody_already_stays(mirror: Mirror) -> None:
    with mirror.write() as conn:
        brought(conn, lead(BEN, "ben@acme.example"))
        erase_ann(conn)
        brought(conn, gone("Lead", ANN.id, "merged_into", to_object="Lead", to_id=BEN.id))
        assert held(conn) == {BEN.id}


def test_a_shared_address_does_not_keep_others_out(mirror: Mirror) -> None:
    with mirror.write() as conn:
        both = (lead(ANN, "info@acme.example"), lead(BEN, "info@acme.example"))
        brought(conn, *both)
        conn.execute(
            text(
                "INSERT INTO match_key (key, crm, object, id, additional) "
                "SELECT 'email:' || email_key, crm, object, id, gone FROM person_record"
            )
        )
        subject = personal.gather(conn, [], [ANN])
        assert subject.addresses == ()
        erased.erase(conn, subject, 5)
        brought(conn, *both)
        assert held(conn) == {BEN.id}


def test_marks_tell_nothing_without_the_key(mirror: Mirror) -> None:
    with mirror.write() as conn:
        erase_ann(conn)
        stored = json.dumps(erased.marks(conn))
        assert "00Q" not in stored
        assert "ann" not in stored
        other = b"\x00" * 32
        mine = pseudonyms.key(conn)
        assert pseudonyms.record_mark(mine, *ANN) in stored
        assert pseudonyms.record_mark(other, *ANN) not in stored


def test_marks_of_another_key_are_known_too(mirror: Mirror) -> None:
    other = b"\x01" * 32
    with mirror.write() as conn:
        mine = pseudonyms.key(conn)
        pseudonyms.take_over(conn, [other])
        assert pseudonyms.keys(conn) == (mine, other)
        erased.add(conn, {pseudonyms.address_mark(other, "ann@acme.example"): 5})
        brought(conn, lead(ANN, "ann@acme.example"))
        assert held(conn) == set()
