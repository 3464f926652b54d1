"""Associations over plain HTTP: sizes, cursors, directions, labels, what survives archiving and merging."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox_hubspot.conftest import Api

READ = "/crm/v4/associations/contacts/companies/batch/read"


def inputs(*ids: str) -> dict[str, Any]:
    return {"inputs": [{"id": one} for one in ids]}


def test_a_thousand_inputs_and_no_more(api: Api) -> None:
    api.post(READ, inputs(*(str(number) for number in range(1000))))
    assert api.status == 207
    api.post(READ, inputs(*(str(number) for number in range(1001))))
    assert api.status == 400


@pytest.mark.parametrize("as_text", [True, False])
def test_ids_are_text_or_numbers(api: Api, half: HubSpot, sandbox: Sandbox, as_text: bool) -> None:
    sandbox.switches.hs_association_ids_as_text = as_text
    contact, company = half.create("contacts", {}), half.create("companies", {})
    half.associate("contacts", contact, "companies", company)
    (result,) = api.post(READ, inputs(contact))["results"]
    assert result["to"][0]["toObjectId"] == (company if as_text else int(company))
    assert api.status == 200


def test_every_page_of_every_result_is_followed(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    sandbox.switches.hs_association_page = 3
    people = [half.create("contacts", {}) for _ in range(2)]
    companies = [half.create("companies", {}) for _ in range(8)]
    for person in people:
        for company in companies:
            half.associate("contacts", person, "companies", company)
    seen: dict[str, list[str]] = {person: [] for person in people}
    wanted: list[dict[str, Any]] = [{"id": person} for person in people]
    while wanted:
        answer = api.post(READ, {"inputs": wanted})
        wanted = []
        for result in answer["results"]:
            seen[result["from"]["id"]] += [one["toObjectId"] for one in result["to"]]
            if "paging" in result:
                wanted.append({"id": result["from"]["id"], "after": result["paging"]["next"]["after"]})
    assert seen == dict.fromkeys(people, companies)


def test_the_older_batch_read_never_pages(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    sandbox.switches.hs_association_page = 1
    contact, companies = half.create("contacts", {}), [half.create("companies", {}) for _ in range(2)]
    for company in companies:
        half.associate("contacts", contact, "companies", company)
    path = "/crm/v3/associations/contacts/companies/batch/read"
    first = api.post(path, inputs(contact))["results"][0]
    again = api.post(path, {"inputs": [{"id": contact, "after": first["paging"]["next"]["after"]}]})[
        "results"
    ][0]
    assert [one["id"] for one in first["to"]] == [one["id"] for one in again["to"]] == companies[:1]


def test_both_directions_and_the_primary_company(api: Api, half: HubSpot) -> None:
    contact, companies = half.create("contacts", {}), [half.create("companies", {}) for _ in range(2)]
    for company in companies:
        half.associate("contacts", contact, "companies", company)

    def types(path: str, record_id: str) -> list[set[int]]:
        (result,) = api.post(path, inputs(record_id))["results"]
        return [{spec["typeId"] for spec in one["associationTypes"]} for one in result["to"]]

    assert types(READ, contact) == [{1, 279}, {279}]
    assert types("/crm/associations/2026-03/companies/contacts/batch/read", companies[0]) == [{2, 280}]


def test_archived_records_are_left_out_and_merges_carry_over(api: Api, half: HubSpot) -> None:
    one, two, three = (half.create("contacts", {}) for _ in range(3))
    first, second = (half.create("companies", {"name": name}) for name in "ab")
    for person, company in ((one, first), (two, second), (three, first)):
        half.associate("contacts", person, "companies", company)
    half.delete("contacts", three)
    survivor = half.merge("companies", first, second)
    (result,) = api.post("/crm/v4/associations/companies/contacts/batch/read", inputs(survivor))["results"]
    assert [entry["toObjectId"] for entry in result["to"]] == [one, two]
    (result,) = api.post(READ, inputs(two))["results"]
    assert [entry["toObjectId"] for entry in result["to"]] == [survivor]
    api.post("/crm/v4/associations/companies/contacts/batch/read", inputs(first))
    assert api.status == 200  # the id of a merged company leads to the survivor


def test_archive_and_create_in_batches(api: Api, half: HubSpot) -> None:
    contact, deal = half.create("contacts", {}), half.create("deals", {})
    base = "/crm/v4/associations/contacts/deals/batch"
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 4}
    pair = {"from": {"id": contact}, "to": {"id": deal}}
    api.post(f"{base}/create", {"inputs": [{**pair, "types": [spec]}]})
    assert api.status == 201
    assert api.get(f"/crm/v4/objects/deals/{deal}/associations/contacts")["results"]
    api.post(f"{base}/archive", {"inputs": [{"from": {"id": contact}, "to": [{"id": deal}]}]})
    assert (api.status, api.get(f"/crm/v4/objects/deals/{deal}/associations/contacts")["results"]) == (
        204,
        [],
    )
    api.post(f"{base}/associate/default", {"inputs": [pair]})
    assert api.get(f"/crm/v4/objects/contacts/{contact}/associations/deals")["results"]
    api.post(f"{base}/create", {"inputs": [{"from": {"id": "1"}, "to": {"id": deal}, "types": [spec]}]})
    assert api.status == 404


@pytest.mark.parametrize("path", ["/crm/v3/owners", "/crm/v3/owners/", "/crm/owners/2026-03"])
def test_owners_with_and_without_a_trailing_slash(api: Api, half: HubSpot, path: str) -> None:
    made = half.owners.add("a@x.com", "A", "B")
    assert [owner["id"] for owner in api.get(path)["results"]] == [made]
    assert api.get(path, archived="true")["results"] == []
    half.owners.set_active(made, False)
    assert [owner["userId"] for owner in api.get(path, archived="true")["results"]] == [None]
