"""Owners: one turn per person, the same human in both CRMs, nobody's choice undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.records import Author, Owner
from tests.pipeline.write_bench import POOLS, TABLES, Bench, both
from tests.world import SimulatedWorld

ANN, BOB, REP, QUEUE = "005000000000001AAA", "005000000000002AAA", "005000000000009AAA", "00G000000000001AAA"


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world, routing=POOLS)
    yield made
    made.mirror.close()


def turns(bench: Bench) -> list[tuple[str, str]]:
    table = TABLES["turn"]
    with bench.mirror.read() as conn:
        rows = conn.execute(table.select().order_by(table.c.at, table.c.id)).all()
    return [(row.member, row.state) for row in rows]


def test_people_take_turns_and_both_crms_get_the_same_human(bench: Bench) -> None:
    pairs = [both(bench, f"p{number}", str(number)) for number in range(4)]
    bench.sync()
    chosen = [
        (bench.value(lead, "OwnerId"), bench.value(contact, "hubspot_owner_id")) for lead, contact in pairs
    ]
    assert chosen == [(ANN, "11"), (BOB, "12"), (ANN, "11"), (BOB, "12")]
    assert (
        turns(bench)
        == [
            ("ann@example.com", "consumed"),
            ("bob@example.com", "consumed"),
        ]
        * 2
    )


def test_turns_go_on_from_run_to_run(bench: Bench) -> None:
    for number in range(5):
        lead, _ = both(bench, f"p{number}", str(number))
        bench.sync()
        assert bench.value(lead, "OwnerId") == (ANN, BOB)[number % 2]


def test_a_chosen_owner_is_carried_over_without_a_turn(bench: Bench) -> None:
    lead, contact = bench.lead(owner_id=REP), bench.contact()
    bench.person("p1", lead, contact)
    bench.sync()
    assert (bench.value(lead, "OwnerId"), bench.value(contact, "hubspot_owner_id")) == (REP, "19")
    assert turns(bench) == []


@pytest.mark.parametrize("owner", [QUEUE, "005000000000404AAA"])
def test_queues_and_inactive_owners_are_claimed(bench: Bench, owner: str) -> None:
    gone = Owner("salesforce", "005000000000404AAA", "gone@example.com", "Gone", "person", False)
    bench.sf.add_owner(gone)
    bench.add("owner", **gone._asdict())
    lead = bench.lead(owner_id=owner)
    bench.person("p1", lead)
    bench.sync()
    assert bench.value(lead, "OwnerId") == ANN


def test_two_different_chosen_owners_are_left(bench: Bench) -> None:
    lead, contact = bench.lead(owner_id=REP), bench.contact(owner_id="11")
    bench.person("p1", lead, contact)
    bench.sync()
    assert (bench.value(lead, "OwnerId"), bench.value(contact, "hubspot_owner_id")) == (REP, "11")


def test_somebody_takes_the_lead_before_we_do(bench: Bench) -> None:
    lead, contact = both(bench)
    bench.decide()
    bench.sf.edit(lead, OwnerId=REP)
    bench.world.advance(600)
    bench.write()
    assert bench.value(lead, "OwnerId") == REP
    assert bench.value(contact, "hubspot_owner_id") is None  # not another human there
    assert turns(bench) == [("ann@example.com", "returned")]
    bench.mirror_record(lead)
    bench.sync()
    assert bench.value(contact, "hubspot_owner_id") == "19"  # the one who took it
    other, _ = both(bench, "p2", "2")
    bench.sync()
    assert bench.value(other, "OwnerId") == ANN  # the turn that was given back


def test_planning_twice_takes_no_turn(bench: Bench) -> None:
    both(bench)
    bench.decide()
    bench.ctx = bench.next_context()
    bench.decide()
    assert turns(bench) == [("ann@example.com", "reserved")]


def test_an_owner_whom_a_person_removed_is_not_set_again(bench: Bench) -> None:
    lead, contact = both(bench)
    bench.sync()
    bench.world.advance(3600)
    bench.sf.edit(lead, OwnerId=QUEUE)
    bench.mirror_record(lead)
    bench.mirror_record(contact)
    assert bench.sync().decided == 0
    assert bench.value(lead, "OwnerId") == QUEUE


def test_the_queue_is_the_fall_back_where_it_may_own(tmp_path: Path, world: SimulatedWorld) -> None:
    pools: dict[str, Any] = {
        "default": {"members": [{"email": "nobody@example.com"}], "fallback": "queue:MQL"}
    }
    bench = Bench(tmp_path, world, routing={"pools": pools})
    lead, contact = both(bench)
    bench.sync()
    assert bench.value(lead, "OwnerId") == QUEUE
    assert bench.value(contact, "hubspot_owner_id") is None
    # HubSpot has neither the member nor the queue: that object's writes stop, and it is said
    assert [(problem.code, problem.crm) for problem in bench.problems] == [("OWNER_NOT_OFFERED", "hubspot")]
    assert bench.value(contact, "hs_lead_status") == "NEW"
    bench.mirror.close()


def test_rules_choose_the_pool(tmp_path: Path, world: SimulatedWorld) -> None:
    routing: dict[str, Any] = {
        "pools": {
            "default": {"members": [{"email": "ann@example.com"}]},
            "dach": {"members": [{"email": "bob@example.com"}]},
        },
        "rules": [{"when": {"country": {"in": ["DE", "AT", "CH"]}}, "pool": "dach"}],
    }
    bench = Bench(tmp_path, world, routing=routing)
    german, _ = both(bench, "p1", "1", country="de")
    french, _ = both(bench, "p2", "2", country="FR")
    bench.sync()
    assert (bench.value(german, "OwnerId"), bench.value(french, "OwnerId")) == (BOB, ANN)
    bench.mirror.close()


def test_an_owner_edit_in_the_gap_stands_in_both_crms(bench: Bench) -> None:
    lead, contact = both(bench)

    def take(_: Any) -> None:
        bench.sf.before_write = bench.hs.before_write = None
        bench.world.advance(2)
        bench.sf.edit(lead, OwnerId=REP)
        bench.hs.edit(contact, hubspot_owner_id="19")

    bench.sf.before_write = bench.hs.before_write = take
    bench.sync()
    assert (bench.value(lead, "OwnerId"), bench.value(contact, "hubspot_owner_id")) == (REP, "19")


def test_without_pools_owners_are_not_decided(tmp_path: Path, world: SimulatedWorld) -> None:
    bench = Bench(tmp_path, world)
    both(bench)
    bench.sync()
    assert {row.purpose for row in bench.intents()} == {"status", "stage"}
    assert bench.problems == []
    bench.mirror.close()


def test_our_own_user_owns_for_nobody(bench: Bench) -> None:
    us = Owner("salesforce", "005000000000777AAA", "api@example.com", "API", "person", True)
    bench.sf.add_owner(us)
    bench.add("owner", **us._asdict())
    bench.add("meta", key="salesforce.user_id", value=us.id)
    lead = bench.lead(owner_id=us.id)
    bench.person("p1", lead)
    bench.sync()
    assert bench.value(lead, "OwnerId") == ANN


def test_an_automation_that_hands_out_leads_is_left_alone(bench: Bench) -> None:
    lead, _ = both(bench)
    bench.decide()
    bench.sf.edit(lead, Author.AUTOMATION, OwnerId=REP)
    bench.world.advance(600)
    bench.write()
    assert bench.value(lead, "OwnerId") == REP


def test_the_turn_of_a_spell_that_ended_is_given_back(tmp_path: Path, world: SimulatedWorld) -> None:
    bench = Bench(tmp_path, world, routing=POOLS, limits={})
    both(bench)
    bench.sync()
    assert turns(bench) == [("ann@example.com", "reserved")]
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE spell SET left_at = 1, left_why = 'customer'")
    bench.sync()
    assert turns(bench) == [("ann@example.com", "returned")]
    bench.mirror.close()
