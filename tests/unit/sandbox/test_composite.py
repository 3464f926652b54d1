from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest

from tests.unit.sandbox.rest import VERSION, Rest
from tests.world import SimulatedWorld

URL = f"/services/data/{VERSION}"


def patch(lead: str, reference: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    return {
        "method": "PATCH",
        "url": f"{URL}/sobjects/Lead/{lead}",
        "referenceId": reference,
        "body": body,
        "httpHeaders": {"Sforce-Auto-Assign": "FALSE", **headers},
    }


def composite(rest: Rest, parts: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    answer = rest.post("/composite", {"compositeRequest": parts, **more})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["compositeResponse"])


def test_each_part_has_its_own_condition(rest: Rest, world: SimulatedWorld) -> None:
    quiet, edited = rest.lead(), rest.lead()
    stamp = formatdate(world.clock(), usegmt=True)
    world.advance(5)
    rest.sandbox.edit("salesforce", "Lead", edited, {"Status": "New"})
    used = rest.sandbox.salesforce.calls_used
    results = composite(
        rest,
        [
            patch(quiet, "a", {"Status": "MQL"}, **{"If-Unmodified-Since": stamp}),
            patch(edited, "b", {"Status": "MQL"}, **{"If-Unmodified-Since": stamp}),
            patch("00Q5g00000zzzzzEAA", "c", {"Status": "MQL"}),
        ],
    )
    assert [(part["referenceId"], part["httpStatusCode"], part["body"]) for part in results[:2]] == [
        ("a", 204, None),
        ("b", 412, None),
    ]
    assert (results[2]["httpStatusCode"], results[2]["body"][0]["errorCode"]) == (404, "NOT_FOUND")
    assert rest.sandbox.salesforce.record("Lead", edited).get("Status") == "New"
    assert rest.sandbox.salesforce.calls_used == used + 1


def test_an_org_where_composite_drops_the_condition(rest: Rest, world: SimulatedWorld) -> None:
    rest.sandbox.switches.sf_composite_conditional = False
    lead = rest.lead()
    world.advance(5)
    old = formatdate(world.clock() - 3600, usegmt=True)
    assert (
        composite(rest, [patch(lead, "a", {"Status": "MQL"}, **{"If-Unmodified-Since": old})])[0][
            "httpStatusCode"
        ]
        == 204
    )


def test_outer_headers_are_not_inherited(rest: Rest) -> None:
    org = rest.sandbox.salesforce.org
    lead = rest.lead(OwnerId=org.person_id)
    part = patch(lead, "a", {"Status": "MQL"})
    del part["httpHeaders"]
    answer = rest.post("/composite", {"compositeRequest": [part]}, headers={"Sforce-Auto-Assign": "FALSE"})
    assert answer.json()["compositeResponse"][0]["httpStatusCode"] == 204
    assert rest.sandbox.salesforce.record("Lead", lead).get("OwnerId") == org.inbound_queue


def test_results_feed_later_parts(rest: Rest) -> None:
    results = composite(
        rest,
        [
            {
                "method": "POST",
                "url": f"{URL}/sobjects/Account",
                "referenceId": "acc",
                "body": {"Name": "Acme"},
            },
            {
                "method": "POST",
                "url": f"{URL}/sobjects/Contact",
                "referenceId": "con",
                "body": {"LastName": "Doe", "AccountId": "@{acc.id}"},
            },
            {
                "method": "GET",
                "url": f"{URL}/query?q=SELECT+Name+FROM+Account+WHERE+Id='@{{acc.id}}'",
                "referenceId": "q",
            },
            {"method": "GET", "url": f"{URL}/sobjects/Lead/@{{q.records[7].Id}}", "referenceId": "bad"},
        ],
    )
    assert [part["httpStatusCode"] for part in results] == [201, 201, 200, 400]
    assert results[2]["body"]["records"][0]["Name"] == "Acme"
    contact = rest.sandbox.salesforce.record("Contact", results[1]["body"]["id"])
    assert contact.get("AccountId") == results[0]["body"]["id"]
    assert results[3]["body"][0]["errorCode"] == "PROCESSING_HALTED"


def test_all_or_none_takes_everything_back(rest: Rest) -> None:
    lead = rest.lead()
    entries = len(rest.sandbox.ledger)
    parts = [patch(lead, "a", {"Status": "MQL"}), patch(lead, "b", {"Status": "Nope"})]
    results = composite(rest, parts, allOrNone=True)
    assert [part["body"][0]["errorCode"] for part in results] == [
        "PROCESSING_HALTED",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    ]
    assert rest.sandbox.salesforce.record("Lead", lead).get("Status") == "Open - Not Contacted"
    assert len(rest.sandbox.ledger) == entries
    assert [part["httpStatusCode"] for part in composite(rest, parts)] == [204, 400]
    assert rest.sandbox.salesforce.record("Lead", lead).get("Status") == "MQL"


@pytest.mark.parametrize(
    "parts",
    [
        [{"method": "GET", "url": f"{URL}/limits", "referenceId": str(n)} for n in range(26)],
        [
            {"method": "GET", "url": f"{URL}/query?q=SELECT+Id+FROM+Lead", "referenceId": str(n)}
            for n in range(6)
        ],
        [],
    ],
)
def test_limits_of_a_composite(rest: Rest, parts: list[dict[str, Any]]) -> None:
    assert rest.post("/composite", {"compositeRequest": parts}).status_code == 400


def test_batch_counts_every_part(rest: Rest) -> None:
    lead = rest.lead()
    used = rest.sandbox.salesforce.calls_used
    answer = rest.post(
        "/composite/batch",
        {
            "batchRequests": [
                {"method": "GET", "url": f"{VERSION}/sobjects/Lead/{lead}?fields=Status"},
                {"method": "GET", "url": f"{VERSION}/sobjects/Lead/00Q5g00000zzzzzEAA"},
                {"method": "GET", "url": f"{VERSION}/limits"},
            ]
        },
    ).json()
    assert answer["hasErrors"] is True
    assert [part["statusCode"] for part in answer["results"]] == [200, 404, 200]
    assert answer["results"][0]["result"]["Status"] == "Open - Not Contacted"
    assert rest.sandbox.salesforce.calls_used == used + 3


def record(object_name: str, record_id: str = "", **fields: Any) -> dict[str, Any]:
    own = {"id": record_id} if record_id else {}
    return {"attributes": {"type": object_name}, **own, **fields}


def test_collections_answer_in_order_and_200(rest: Rest) -> None:
    lead, contact = rest.lead(), rest.sandbox.salesforce.create("Contact", {"LastName": "C"})
    records = [
        record("Lead", lead, Status="MQL"),
        record("Lead", "00Q5g00000zzzzzEAA", Status="MQL"),
        record("Contact", contact, Lead_Status__c="Nope"),
        record("Contact", contact, Title="CEO"),
    ]
    answer = rest.patch("/composite/sobjects", {"records": records}, Sforce_Auto_Assign="FALSE")
    assert answer.status_code == 200
    assert [item["success"] for item in answer.json()] == [True, False, False, False]
    assert answer.json()[0] == {"id": lead, "success": True, "errors": []}
    assert "id" not in answer.json()[2]
    assert [item["errors"][0]["statusCode"] for item in answer.json()[1:]] == [
        "INVALID_CROSS_REFERENCE_KEY",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "DUPLICATE_VALUE",
    ]


def test_collections_all_or_none(rest: Rest) -> None:
    lead, other = rest.lead(), rest.lead()
    body = {
        "allOrNone": True,
        "records": [record("Lead", lead, Status="MQL"), record("Lead", other, Status="Nope")],
    }
    codes = [item["errors"][0]["statusCode"] for item in rest.patch("/composite/sobjects", body).json()]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"]
    assert rest.sandbox.salesforce.record("Lead", lead).get("Status") == "Open - Not Contacted"


def test_collections_create_upsert_delete_retrieve(rest: Rest) -> None:
    made = rest.post(
        "/composite/sobjects", {"records": [record("Contact", LastName=name) for name in "AB"]}
    ).json()
    ids = [item["id"] for item in made]
    read = rest.post(
        "/composite/sobjects/Contact", {"ids": [ids[1], "0035g00000zzzzzAAA", ids[0]], "fields": ["LastName"]}
    )
    assert [row and row["LastName"] for row in read.json()] == ["B", None, "A"]
    got = rest.get("/composite/sobjects/Contact", params={"ids": ",".join(ids), "fields": "LastName"}).json()
    assert [row["LastName"] for row in got] == ["A", "B"]
    upserted = rest.patch(
        "/composite/sobjects/Contact/External_Id__c",
        {
            "records": [
                record("Contact", LastName="E", External_Id__c="7"),
                record("Contact", Title="T", External_Id__c="7"),
            ]
        },
    ).json()
    assert [item["created"] for item in upserted] == [True, False]
    gone = rest.call(
        "DELETE", "/composite/sobjects", params={"ids": ",".join([*ids, "0035g00000zzzzzAAA"])}
    ).json()
    assert [item["success"] for item in gone] == [True, True, False]


def test_limits_of_collections(rest: Rest) -> None:
    many = [record("Lead", LastName="L", Company="C")] * 201
    answer = rest.post("/composite/sobjects", {"records": many})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")
    mixed = [record(name, LastName="L", Company="C") for name in ["Lead", "Contact"] * 6]
    assert rest.post("/composite/sobjects", {"records": mixed}).status_code == 400
    ids = {"ids": ["00Q5g00000zzzzzEAA"] * 2001, "fields": ["Id"]}
    assert rest.post("/composite/sobjects/Lead", ids).status_code == 400
