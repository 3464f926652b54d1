"""Batches over plain HTTP: what is refused as a whole, what in part, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox_hubspot.conftest import Api

BATCH = "/crm/v3/objects/contacts/batch"


def update(*pairs: tuple[str, dict[str, Any]], trace: bool = False) -> dict[str, Any]:
    inputs: list[dict[str, Any]] = [{"id": record_id, "properties": values} for record_id, values in pairs]
    if trace:
        for number, item in enumerate(inputs):
            item["objectWriteTraceId"] = f"trace-{number}"
    return {"inputs": inputs}


@pytest.mark.parametrize(("count", "history", "status"), [
    (100, False, 200), (101, False, 400), (50, True, 200), (51, True, 400),
])  # fmt: skip
def test_sizes(api: Api, half: HubSpot, count: int, history: bool, status: int) -> None:
    ids = [half.create("contacts", {"lastname": "x"}) for _ in range(count)]
    body: dict[str, Any] = {"inputs": [{"id": one} for one in ids], "properties": ["lastname"]}
    if history:
        body["propertiesWithHistory"] = ["lastname"]
    answer = api.post(f"{BATCH}/read", body)
    assert api.status == status
    if status == 200:
        assert [record["id"] for record in answer["results"]] == ids


@pytest.mark.parametrize(("switch", "status"), [("207", 207), ("200", 200)])
def test_unknown_ids_in_a_read(api: Api, half: HubSpot, sandbox: Sandbox, switch: str, status: int) -> None:
    sandbox.switches.hs_missing_in_batch = switch
    known = half.create("contacts", {})
    answer = api.post(f"{BATCH}/read", {"inputs": [{"id": "5"}, {"id": known}], "properties": []})
    assert (api.status, [record["id"] for record in answer["results"]]) == (status, [known])
    assert answer.get("numErrors", 0) == (1 if status == 207 else 0)


def test_read_by_email(api: Api, half: HubSpot) -> None:
    known = half.create("contacts", {"email": "a@x.com"})
    body = {"inputs": [{"id": "A@x.com"}], "idProperty": "email", "properties": ["email"]}
    assert api.post(f"{BATCH}/read", body)["results"][0]["id"] == known


def test_duplicate_ids_are_refused(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    known = half.create("contacts", {})
    answer = api.post(f"{BATCH}/update", update((known, {"city": "A"}), (known, {"city": "B"})))
    assert (api.status, answer["message"]) == (
        400,
        f"Duplicate IDs found in batch input: [{known}]. IDs must be unique",
    )
    assert sandbox.ledger.entries() == []


def test_one_invalid_value_refuses_the_whole_update(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    good, bad = half.create("contacts", {}), half.create("contacts", {})
    answer = api.post(f"{BATCH}/update", update((good, {"city": "A"}), (bad, {"hs_lead_status": "HOT"})))
    assert (api.status, answer["category"]) == (400, "VALIDATION_ERROR")
    assert "HOT was not one of the allowed options" in answer["message"]
    assert '"error": "INVALID_OPTION"' in answer["message"]
    assert sandbox.ledger.entries() == []


def test_or_that_input_alone(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    sandbox.switches.hs_batch_update_partial = True
    good, bad = half.create("contacts", {}), half.create("contacts", {})
    body = update((good, {"city": "A"}), (bad, {"hs_lead_status": "HOT"}), trace=True)
    answer = api.post(f"{BATCH}/update", body)
    assert (api.status, [record["id"] for record in answer["results"]]) == (207, [good])
    assert answer["results"][0]["objectWriteTraceId"] == "trace-0"
    assert answer["errors"][0]["context"] == {"objectWriteTraceId": ["trace-1"]}


def test_missing_ids_of_an_update_are_named(api: Api, half: HubSpot) -> None:
    known = half.create("contacts", {})
    answer = api.post(f"{BATCH}/update", update((known, {"city": "A"}), ("404404", {"city": "B"})))
    assert (api.status, answer["numErrors"], answer["errors"][0]["context"]) == (207, 1, {"ids": ["404404"]})
    assert answer["results"][0]["properties"]["city"] == "A"


def test_update_by_email_is_refused(api: Api, half: HubSpot) -> None:
    half.create("contacts", {"email": "a@x.com"})
    body = {"inputs": [{"id": "a@x.com", "idProperty": "email", "properties": {"city": "A"}}]}
    assert "non-unique 0-1 property" in api.post(f"{BATCH}/update", body)["message"]


def test_no_inputs_do_nothing(api: Api) -> None:
    answer = api.post(f"{BATCH}/update", {})
    assert (api.status, answer["results"]) == (200, [])


def test_create_with_and_without_trace_ids(api: Api, half: HubSpot) -> None:
    known = half.create("contacts", {"email": "a@x.com"})
    inputs: list[dict[str, Any]] = [
        {"properties": {"email": "new@x.com"}},
        {"properties": {"email": "A@x.com"}},
    ]
    answer = api.post(f"{BATCH}/create", {"inputs": inputs})
    assert (api.status, answer["message"]) == (409, f"Contact already exists. Existing ID: {known}")
    for number, item in enumerate(inputs):
        item["objectWriteTraceId"] = str(number)
    answer = api.post(f"{BATCH}/create", {"inputs": inputs})
    assert (api.status, len(answer["results"]), answer["numErrors"]) == (207, 1, 1)
    assert answer["errors"][0]["context"] == {"objectWriteTraceId": ["1"]}


def test_upsert_by_email(api: Api, half: HubSpot) -> None:
    known = half.create("contacts", {"email": "a@x.com"})
    inputs = [
        {"id": email, "idProperty": "email", "properties": {"city": "A"}} for email in ("a@x.com", "b@x.com")
    ]
    answer = api.post(f"{BATCH}/upsert", {"inputs": inputs})
    assert [(record["new"], record["id"] == known) for record in answer["results"]] == [
        (False, True),
        (True, False),
    ]


def test_archive(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    known = half.create("contacts", {})
    api.post(f"{BATCH}/archive", {"inputs": [{"id": known}, {"id": "1"}]})
    assert api.status == 204
    (entry,) = sandbox.ledger.entries()
    assert (entry.id, entry.field, entry.author) == (known, "#archived", "worker")


@pytest.mark.parametrize("body", ["[]", '{"inputs": 3}', '{"inputs": ["x"]}', "{"])
def test_bodies_that_are_no_batch(api: Api, body: str) -> None:
    answer = api.session.post(f"{api.base}{BATCH}/update", data=body, timeout=10)
    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")
