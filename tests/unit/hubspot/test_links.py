"""Associations: every page of every record, types made one link, and the rotating refresh."""

from __future__ import annotations

import json
from typing import Any

import pytest
import responses

from connectors.errors import BrokenReply, NotOffered, RightMissing
from connectors.hubspot.associations import Associations
from connectors.records import LinkSet, Page
from connectors.sandbox.sandbox import Sandbox
from tests.unit.hubspot.made import API, account, feed_of, on_sandbox, pull
from tests.world import SimulatedWorld

BATCH = f"{API}/crm/v4/associations/contacts/companies/batch/read"


def sets_of(pages: list[Page], to: str = "companies") -> dict[str, LinkSet]:
    return {links.from_id: links for page in pages for links in page.links if links.to_object == to}


def contact(sandbox: Sandbox, number: int) -> str:
    return sandbox.create("hubspot", "contacts", {"email": f"l{number}@example.com"})


def company(sandbox: Sandbox, number: int) -> str:
    return sandbox.create("hubspot", "companies", {"name": f"C{number}"})


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("version", ["v3", "2026-03"])
def test_every_page_of_every_record_is_read(
    sandbox: Sandbox, world: SimulatedWorld, as_text: bool, version: str
) -> None:
    sandbox.switches.hs_association_page = 3
    sandbox.switches.hs_association_ids_as_text = as_text
    many, one, none = (contact(sandbox, number) for number in range(3))
    companies = [company(sandbox, number) for number in range(8)]
    for other in companies:
        sandbox.hubspot.associate("contacts", many, "companies", other)
    sandbox.hubspot.associate("contacts", one, "companies", companies[4])
    deal = sandbox.create("hubspot", "deals", {"dealname": "D"})
    sandbox.hubspot.associate("contacts", one, "deals", deal)
    pages, _ = pull(on_sandbox(sandbox, world, api_version=version), "associations")
    found = sets_of(pages)
    assert [link.to_id for link in found[many].links] == companies
    assert [link.is_primary for link in found[many].links] == [True] + [False] * 7
    assert {link.types for link in found[many].links} == {"1,279", "279"}
    assert [link.to_id for link in found[one].links] == [companies[4]]
    assert found[none].links == ()
    assert [link.to_id for link in sets_of(pages, "deals")[one].links] == [deal]


def test_a_first_pass_reads_a_thousand_at_once(sandbox: Sandbox, world: SimulatedWorld) -> None:
    ids = {contact(sandbox, number) for number in range(1150)}
    connector = on_sandbox(sandbox, world)
    pages, _ = pull(connector, "associations")
    assert set(sets_of(pages)) == ids
    assert connector.calls == 12 + 2 * 2 + 1  # one asks how many there are: too few for many readers
    rest, _ = pull(on_sandbox(sandbox, world), "associations", pages[0].cursor)
    assert set(sets_of(pages[:1])) | set(sets_of(rest)) == ids


def test_contacts_that_were_just_read_are_not_listed_again(sandbox: Sandbox, world: SimulatedWorld) -> None:
    ids = [contact(sandbox, number) for number in range(1150)]
    connector = on_sandbox(sandbox, world)
    pull(connector, "contacts")
    world.advance(60)
    late, other = contact(sandbox, 2000), company(sandbox, 1)
    sandbox.hubspot.associate("contacts", late, "companies", other)
    before = connector.calls
    pages, cursor = pull(connector, "associations")
    assert connector.calls - before == 2 * 2  # a thousand contacts a call, companies and deals
    assert set(sets_of(pages)) == set(sets_of(pages, "deals")) == set(ids)
    world.advance(60)
    again, _ = pull(connector, "associations", cursor)  # begins where the contacts' pass began
    assert [link.to_id for link in sets_of(again)[late].links] == [other]


def test_a_pass_over_known_contacts_that_broke_off_lists_them(
    sandbox: Sandbox, world: SimulatedWorld
) -> None:
    ids = {contact(sandbox, number) for number in range(1150)}
    connector = on_sandbox(sandbox, world)
    pull(connector, "contacts")
    pages = connector.changes(feed_of(connector, "associations"), None)
    first = next(iter(pages))
    pages.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(sets_of([first])) == 1000
    for one in (connector, on_sandbox(sandbox, world)):
        rest, cursor = pull(one, "associations", first.cursor)
        assert set(sets_of(rest)) == ids
        assert "known" not in (cursor.state or "")


def test_contacts_that_were_read_in_part_are_listed(sandbox: Sandbox, world: SimulatedWorld) -> None:
    ids = {contact(sandbox, number) for number in range(250)}
    connector = on_sandbox(sandbox, world)
    pages = connector.changes(feed_of(connector, "contacts"), None)
    cursor = next(iter(pages)).cursor
    pages.close()  # type: ignore[attr-defined]  # it is a generator
    pull(connector, "contacts", cursor)
    assert set(sets_of(pull(connector, "associations")[0])) == ids


def test_without_contacts_there_are_no_links_to_ask_for(sandbox: Sandbox, world: SimulatedWorld) -> None:
    connector = on_sandbox(sandbox, world)
    pull(connector, "contacts")
    before = connector.calls
    pages, _ = pull(connector, "associations")
    assert (len(pages), connector.calls - before) == (1, 0)


def test_a_change_that_moves_no_time_is_found_in_turn(sandbox: Sandbox, world: SimulatedWorld) -> None:
    ids = [contact(sandbox, number) for number in range(3)]
    connector = on_sandbox(sandbox, world)
    _, cursor = pull(connector, "associations")
    other = company(sandbox, 1)
    sandbox.hubspot.associate("contacts", ids[1], "companies", other)
    seen: list[int] = []
    for _ in range(14):
        world.advance(600)
        before = connector.calls
        pages, cursor = pull(connector, "associations", cursor)
        seen.append(connector.calls - before)
        links = sets_of(pages).get(ids[1])
        if links is not None and links.links:
            break
    assert links is not None
    assert [link.to_id for link in links.links] == [other]
    assert seen.count(1) >= len(seen) - 2  # an idle pass is one call


def test_a_removed_association_is_removed(sandbox: Sandbox, world: SimulatedWorld) -> None:
    record, other = contact(sandbox, 1), company(sandbox, 1)
    sandbox.hubspot.associate("contacts", record, "companies", other)
    connector = on_sandbox(sandbox, world)
    pages, cursor = pull(connector, "associations")
    assert len(sets_of(pages)[record].links) == 1
    world.advance(60)
    sandbox.hubspot.portal.links.remove("contacts", record, "companies", other)
    sandbox.edit("hubspot", "contacts", record, {"city": "Here"})
    world.advance(60)
    assert sets_of(pull(connector, "associations", cursor)[0])[record].links == ()


def answer(*entries: dict[str, Any], errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"status": "COMPLETE", "results": list(entries), "errors": errors or []}


def entry(record: str, *others: str, after: str | None = None) -> dict[str, Any]:
    to = [{"toObjectId": int(other), "associationTypes": []} for other in others]
    made: dict[str, Any] = {"from": {"id": record}, "to": to}
    return made | ({"paging": {"next": {"after": after}}} if after else {})


@responses.activate
def test_a_record_that_never_ends_is_not_believed(world: SimulatedWorld) -> None:
    responses.post(BATCH, json=answer(entry("1", "5", after="x")))
    with pytest.raises(BrokenReply, match="circles"):
        Associations(account(world)).read("contacts", ["1"], "companies")


@responses.activate
def test_going_on_asks_only_for_those_that_have_more(world: SimulatedWorld) -> None:
    responses.post(BATCH, json=answer(entry("1", "5", after="x"), entry("2", "6")))
    responses.post(BATCH, json=answer(entry("1", "7")))
    found = Associations(account(world)).read("contacts", ["1", "2", "3"], "companies")
    assert {record: list(pairs) for record, pairs in found.items()} == {"1": ["5", "7"], "2": ["6"], "3": []}
    bodies = [json.loads(call.request.body or "{}")["inputs"] for call in responses.calls]
    assert bodies == [[{"id": "1"}, {"id": "2"}, {"id": "3"}], [{"id": "1", "after": "x"}]]


@responses.activate
def test_a_record_without_any_is_no_error_but_a_partial_answer_is(world: SimulatedWorld) -> None:
    none = {
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": "No company is associated with contact 1.",
    }
    responses.post(BATCH, json=answer(errors=[none]), status=207)
    made = Associations(account(world))
    assert made.read("contacts", ["1"], "companies") == {"1": {}}
    responses.replace("POST", BATCH, json=answer(errors=[{"category": "INTERNAL_ERROR"}]), status=207)
    with pytest.raises(BrokenReply):
        made.read("contacts", ["1"], "companies")
    responses.replace("POST", BATCH, json=answer(errors=[{"category": "MISSING_SCOPES"}]), status=207)
    with pytest.raises(RightMissing):
        made.read("contacts", ["1"], "companies")


def test_an_account_without_deals_still_has_companies(sandbox: Sandbox, world: SimulatedWorld) -> None:
    record, other = contact(sandbox, 1), company(sandbox, 1)
    sandbox.hubspot.associate("contacts", record, "companies", other)
    sandbox.faults.arm(crm="hubspot", path="contacts/deals", count=9, kind="status", status=403)
    pages, _ = pull(on_sandbox(sandbox, world), "associations")
    assert len(sets_of(pages)[record].links) == 1
    assert sets_of(pages, "deals") == {}


def test_an_account_without_associations_says_so(sandbox: Sandbox, world: SimulatedWorld) -> None:
    contact(sandbox, 1)
    sandbox.faults.arm(crm="hubspot", path="associations", count=9, kind="status", status=404)
    with pytest.raises(NotOffered):
        pull(on_sandbox(sandbox, world), "associations")
