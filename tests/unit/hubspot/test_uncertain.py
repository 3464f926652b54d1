"""What HubSpot's documentation leaves open: the worker must end in the same place whichever way it is."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.records import RecordRef
from connectors.sandbox.sandbox import Sandbox
from tests.unit.hubspot.made import on_sandbox, pull
from tests.world import SimulatedWorld

EITHER = {
    "hs_associations_exempt": (True, False),
    "hs_missing_associations": ("207", "200"),
    "hs_search_filters": ((5, 6, 18), (3, 3, 9)),
    "hs_search_counts_daily": (True, False),
    "hs_longest_url": (16_300, 8_000),
    "hs_association_ids_as_text": (True, False),
    "hs_varying_fraction": (True, False),
    "hs_missing_in_batch": ("207", "200"),
    "hs_numeric_after": (True, False),
    "hs_retry_after": (True, False),
    "hs_merge_new_id": (True, False),
    "hs_search_per_second": (5, 4),
    "hs_per_ten_seconds": (190, 100),
}


def everything(sandbox: Sandbox, world: SimulatedWorld) -> tuple[Any, ...]:
    """What one pass and one that follows make of an account."""
    people = [sandbox.create("hubspot", "contacts", {"email": f"u{n}@example.com"}) for n in range(30)]
    firms = [sandbox.create("hubspot", "companies", {"name": f"C{n}"}) for n in range(3)]
    for number, one in enumerate(people[:20]):
        sandbox.hubspot.associate("contacts", one, "companies", firms[number % 3])
    connector = on_sandbox(sandbox, world)
    names = ("companies", "contacts", "associations")
    cursors = {name: pull(connector, name)[1] for name in names}
    world.advance(60)
    sandbox.edit("hubspot", "contacts", people[0], {"city": "Rome"})
    survivor = sandbox.merge("hubspot", "contacts", people[1], people[2])
    world.advance(3700)
    found = {name: pull(connector, name, cursor)[0] for name, cursor in cursors.items()}
    changed = {row.email: row.city for page in found["contacts"] for row in page.people}
    stones = {(stone.id, stone.to_id) for page in found["contacts"] for stone in page.tombstones}
    gone = {one for one in people[1:3] if one != survivor}
    assert stones >= {(one, survivor) for one in gone}
    lives = connector.read("contacts", [people[0], *sorted(gone)], ["city"])
    assert [live.values.get("city") for live in lives if live.exists] == ["Rome"]
    assert {live.moved_to for live in lives[1:]} == {RecordRef("hubspot", "contacts", survivor)}
    links = {
        links.from_id: len(links.links)
        for page in found["associations"]
        for links in page.links
        if links.to_object == "companies" and links.from_id not in (*gone, survivor)
    }
    return changed, links


@pytest.mark.parametrize("name", sorted(EITHER))
def test_either_way_it_comes_to_the_same(name: str) -> None:
    made = []
    for position in EITHER[name]:
        world = SimulatedWorld()
        with Sandbox(clock=world.clock) as sandbox:
            setattr(sandbox.switches, name, position)
            made.append(everything(sandbox, world))
            assert sandbox.errors == []
    assert made[0] == made[1]


def test_a_merged_record_whose_id_leads_nowhere_is_gone_and_its_survivor_tells(
    sandbox: Sandbox, world: SimulatedWorld
) -> None:
    """Whether GET by a merged record's id answers with the survivor is uncertain; its list of ids is not."""
    sandbox.switches.hs_merged_ids_resolve = False
    one, two = (sandbox.create("hubspot", "contacts", {"email": f"w{n}@example.com"}) for n in range(2))
    connector = on_sandbox(sandbox, world)
    _, cursor = pull(connector, "contacts")
    world.advance(60)
    survivor = sandbox.merge("hubspot", "contacts", one, two)
    world.advance(60)
    pages, _ = pull(connector, "contacts", cursor)
    stones = {(stone.id, stone.to_id) for page in pages for stone in page.tombstones}
    assert stones == {(one, survivor), (two, survivor)}
    assert all(not live.exists for live in connector.read("contacts", [one, two], ["city"]))
