"""What becomes of an open spell when the records of its person move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from connectors.records import GoneReason, RecordRef
from sync.mirror import spells
from sync.mirror.catalog import SPELL
from tests.pipeline.small import Small, small


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Small]:
    made = small(tmp_path)
    yield made
    made.mirror.close()


def open_spell(here: Small, person_id: str, entered_at: int = 1) -> None:
    values = {"model": "m", "version": 1, "model_hash": "h", "entered_by": "threshold", "snapshot": "{}"}
    with here.mirror.write() as conn:
        conn.execute(
            insert(SPELL).values(id=f"s{entered_at}", person_id=person_id, entered_at=entered_at, **values)
        )


def settle(here: Small) -> int:
    """What scoring does first; how many spells it closed."""
    with here.mirror.write() as conn:
        return spells.adopt_merged(conn, 100) + spells.close_gone(conn, 100)


def test_a_spell_waits_for_a_survivor_that_was_not_pulled_yet(here: Small) -> None:
    """The lead was converted and pulled as gone; the pull of contacts failed and comes next time."""
    sf = here.connectors["salesforce"]
    lead = sf.put("Lead", "00Q1", email="a@x.com")
    here.sync()
    [(person,)] = here.select("SELECT person_id FROM person")
    open_spell(here, person)
    sf.merge(lead, RecordRef("salesforce", "Contact", "0031"), GoneReason.CONVERTED)
    here.sync()
    assert here.select("SELECT person_id FROM person") == []
    assert settle(here) == 0
    sf.put("Contact", "0031", email="a@x.com")
    here.sync()
    assert here.select("SELECT person_id FROM person") == [(person,)]
    assert settle(here) == 0
    assert here.select("SELECT person_id, left_at FROM spell") == [(person, None)]


def test_a_spell_ends_when_the_survivor_went_too(here: Small) -> None:
    sf = here.connectors["salesforce"]
    lead = sf.put("Lead", "00Q1", email="a@x.com")
    here.sync()
    [(person,)] = here.select("SELECT person_id FROM person")
    open_spell(here, person)
    contact = sf.put("Contact", "0031", email="a@x.com")
    sf.merge(lead, contact, GoneReason.CONVERTED)
    here.sync()
    assert settle(here) == 0
    sf.delete(contact)
    here.sync()
    assert settle(here) == 1
    assert here.select("SELECT left_at, left_why FROM spell") == [(100, "gone")]


def test_two_people_with_open_spells_who_become_one_keep_the_older(here: Small) -> None:
    hs = here.connectors["hubspot"]
    one, other = hs.put("contacts", "1", email="a@x.com"), hs.put("contacts", "2", email="b@x.com")
    here.sync()
    ids = dict(here.select("SELECT founding_id, person_id FROM person"))
    open_spell(here, ids["1"], entered_at=20)
    open_spell(here, ids["2"], entered_at=10)
    hs.merge(other, one)
    hs.edit(one, job_title="CEO")
    here.sync()
    [(person,)] = here.select("SELECT person_id FROM person")
    assert person == ids["2"], "the id with the older open spell"
    settle(here)
    assert here.select("SELECT id, person_id, left_why FROM spell ORDER BY entered_at") == [
        ("s10", person, None),
        ("s20", person, "merged"),
    ]
