"""Listing people and finding the one who is meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from connectors.records import GoneReason, Owner, RecordRef
from sync.mirror import queries
from tests.pipeline.small import Small, small

LEAD = "00Q000000000001AAA"
CONTACT = "003000000000001AAA"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Small]:
    made = small(tmp_path)
    sf, hs = made.connectors["salesforce"], made.connectors["hubspot"]
    hs.add_owner(Owner("hubspot", "77", "Rep@Acme.example", "Rita Rep", "person", True))
    lead = sf.put("Lead", LEAD, email="ann@example.com", first_name="Ann", company_name="Acme")
    made.world.advance(5)
    hs.put("contacts", "1", email="ann@example.com", owner_id="77")
    hs.put("contacts", "2", email="bob@example.com")
    made.sync()
    made.world.advance(5)
    contact = sf.put("Contact", CONTACT, email="ann@example.com", first_name="Ann")
    sf.merge(lead, contact, GoneReason.CONVERTED)
    made.sync()
    yield made
    made.mirror.close()


def found(here: Small, **conditions: Any) -> list[dict[str, Any]]:
    with here.mirror.read() as conn:
        return [person.to_json() for person in queries.people(conn, **conditions)]


def ids(here: Small, typed: str) -> list[str]:
    with here.mirror.read() as conn:
        return queries.find_people(conn, typed)


def score(here: Small, person_id: str) -> None:
    with here.mirror.write() as conn:
        conn.execute(
            text(
                "INSERT INTO score (person_id, model, version, model_hash, total, fit, engagement, grade, "
                "suppressed, shown, eligible, over_enter, under_leave, as_of, known_at) "
                "VALUES (:id, 'b2b', 1, 'h', 95500, 25000, 70500, 'A1', NULL, true, true, false, false, 0, 0)"
            ),
            {"id": person_id},
        )
        conn.execute(
            text(
                "INSERT INTO spell (id, person_id, model, version, model_hash, entered_at, "
                "entered_by, snapshot) "
                "VALUES ('s', :id, 'b2b', 1, 'h', 60, 'threshold', '{}')"
            ),
            {"id": person_id},
        )


def test_people_as_the_contract_shows_them(here: Small) -> None:
    (ann,) = ids(here, "ann@example.com")
    score(here, ann)
    listed = {person["person_id"]: person for person in found(here)}
    assert len(listed) == 2
    assert listed[ann] == {
        "person_id": ann,
        "emails": ["ann@example.com"],
        "name": "Ann",
        "company": None,
        "records": [
            {"crm": "salesforce", "object": "Contact", "id": CONTACT},
            {"crm": "hubspot", "object": "contacts", "id": "1"},
        ],
        "stage": "sql",
        "suppressed": None,
        "ambiguous": False,
        "score": {
            "total": 95.5,
            "fit": 25.0,
            "engagement": 70.5,
            "grade": "A1",
            "model": "b2b",
            "version": 1,
            "as_of": "1970-01-01T00:00:00Z",
        },
        "mql": {"entered_at": "1970-01-01T00:01:00Z", "entered_by": "threshold"},
    }
    (bob,) = (person for id_, person in listed.items() if id_ != ann)
    assert (bob["score"], bob["mql"], bob["name"]) == (None, None, None)


@pytest.mark.parametrize("owner", ["rep@acme.example", "77", "Rita Rep"])
def test_people_by_owner(here: Small, owner: str) -> None:
    assert [person["emails"] for person in found(here, owner=owner)] == [["ann@example.com"]]


def test_people_by_stage_by_id_and_by_model(here: Small) -> None:
    (ann,), (bob,) = ids(here, "ann@example.com"), ids(here, "bob@example.com")
    score(here, ann)
    assert [person["person_id"] for person in found(here, stage="sql")] == [ann]
    assert [person["person_id"] for person in found(here, person_ids=[bob])] == [bob]
    assert [person["score"] for person in found(here, person_ids=[ann], model="other")] == [None]
    assert found(here, person_ids=[ann], model="b2b")[0]["score"]["total"] == 95.5
    assert found(here, owner="nobody") == []


@pytest.mark.parametrize(
    "typed",
    [
        "ANN@example.com",
        CONTACT,
        CONTACT[:15],
        LEAD,
        LEAD[:15],
        "1",
        f"https://x.lightning.force.com/lightning/r/Lead/{LEAD}/view",
        "https://app.hubspot.com/contacts/5/record/0-1/1",
    ],
)
def test_a_person_is_found_by_all_its_names(here: Small, typed: str) -> None:
    assert ids(here, typed) == ids(here, "ann@example.com")


def test_earlier_ids_lead_to_the_person_of_today(here: Small) -> None:
    (ann,) = ids(here, "ann@example.com")
    with here.mirror.write() as conn:
        conn.execute(text("INSERT INTO person_alias VALUES ('p_aaaaaaaaaaaaaaaa', :ann)"), {"ann": ann})
    assert ids(here, "p_aaaaaaaaaaaaaaaa") == [ann]
    assert ids(here, ann) == [ann]
    assert ids(here, "p_bbbbbbbbbbbbbbbb") == []


def test_an_archived_contact_leads_to_its_person_while_there_is_one(here: Small) -> None:
    hs = here.connectors["hubspot"]
    hs.delete(RecordRef("hubspot", "contacts", "1"))
    here.sync()
    assert ids(here, "1") == ids(here, "ann@example.com")
    hs.delete(RecordRef("hubspot", "contacts", "2"))
    here.sync()
    assert ids(here, "2") == []


def test_records_of_people(here: Small) -> None:
    (ann,) = ids(here, "ann@example.com")
    with here.mirror.read() as conn:
        assert queries.records_of(conn, [ann]) == {
            ann: [RecordRef("salesforce", "Contact", CONTACT), RecordRef("hubspot", "contacts", "1")]
        }
