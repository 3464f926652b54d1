from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest

from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox.rest import Rest
from tests.world import SimulatedWorld

OFF = {"Sforce-Auto-Assign": "FALSE"}


def http_date(seconds: float) -> str:
    return formatdate(seconds, usegmt=True)


def error(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()[0]["errorCode"]


def test_life_of_a_row(rest: Rest, world: SimulatedWorld) -> None:
    made = rest.post(
        "/sobjects/Lead", {"LastName": "Doe", "FirstName": "Jo", "Company": "Acme", "Email": "a@b.co"}
    )
    assert made.status_code == 201
    assert made.json() == {"id": made.json()["id"], "success": True, "errors": []}
    lead = made.json()["id"]
    assert len(lead) == 18
    assert lead.startswith("00Q")
    world.advance(61)
    changed = rest.patch(f"/sobjects/Lead/{lead}", {"Status": "mql"}, Sforce_Auto_Assign="FALSE")
    assert (changed.status_code, changed.content) == (204, b"")
    row = rest.get(f"/sobjects/Lead/{lead[:15]}").json()
    assert (row["Id"], row["Name"], row["Status"]) == (lead, "Jo Doe", "MQL")
    assert row["CreatedDate"] == "2026-11-02T09:00:00.000+0000"
    assert row["LastModifiedDate"] == row["SystemModstamp"] == "2026-11-02T09:01:01.000+0000"
    assert rest.get(f"/sobjects/Lead/{lead}?fields=Status,Email").json().keys() == {
        "attributes",
        "Status",
        "Email",
        "Id",
    }
    assert rest.call("DELETE", f"/sobjects/Lead/{lead}").status_code == 204
    assert error(rest.get(f"/sobjects/Lead/{lead}")) == (404, "NOT_FOUND")
    assert error(rest.patch(f"/sobjects/Lead/{lead}", {"Status": "New"})) == (404, "ENTITY_IS_DELETED")
    assert error(rest.get("/sobjects/Lead/00Q5g00000zzzzzEAA")) == (404, "NOT_FOUND")
    assert error(rest.get("/sobjects/Martian/00Q5g00000zzzzzEAA")) == (404, "NOT_FOUND")


def test_condition_holds_within_the_second(rest: Rest, world: SimulatedWorld) -> None:
    lead = rest.lead()
    stamp = http_date(world.clock())
    world.advance(0.6)
    first = rest.patch(
        f"/sobjects/Lead/{lead}", {"Status": "New"}, If_Unmodified_Since=stamp, Sforce_Auto_Assign="FALSE"
    )
    assert first.status_code == 204  # the same second: the documented hole
    world.advance(1)
    again = rest.patch(
        f"/sobjects/Lead/{lead}", {"Status": "MQL"}, If_Unmodified_Since=stamp, Sforce_Auto_Assign="FALSE"
    )
    assert (again.status_code, again.content) == (204, b"")  # still modified in that very second
    world.advance(1)
    late = rest.patch(
        f"/sobjects/Lead/{lead}", {"Status": "New"}, If_Unmodified_Since=stamp, Sforce_Auto_Assign="FALSE"
    )
    assert late.status_code == 412
    assert rest.sandbox.salesforce.record("Lead", lead).get("Status") == "MQL"


def test_condition_must_be_a_date(rest: Rest) -> None:
    lead = rest.lead()
    answer = rest.patch(
        f"/sobjects/Lead/{lead}", {"Status": "New"}, If_Unmodified_Since="2026-11-02T09:00:00Z"
    )
    assert answer.status_code == 400
    assert rest.sandbox.salesforce.record("Lead", lead).get("Status") == "Open - Not Contacted"


@pytest.mark.parametrize(("field", "status"), [("LastModifiedDate", 204), ("SystemModstamp", 412)])
def test_what_the_condition_is_compared_with(
    rest: Rest, world: SimulatedWorld, field: str, status: int
) -> None:
    rest.sandbox.switches.sf_conditional_field = field
    lead = rest.lead()
    stamp = http_date(world.clock())
    world.advance(5)
    rest.sandbox.salesforce.touch("Lead", lead)
    answer = rest.patch(f"/sobjects/Lead/{lead}", {"Status": "New"}, If_Unmodified_Since=stamp)
    assert answer.status_code == status


def test_conditional_reads(rest: Rest, world: SimulatedWorld) -> None:
    lead, now = rest.lead(), world.clock()
    path = f"/sobjects/Lead/{lead}"
    assert rest.get(path, headers={"If-Modified-Since": http_date(now)}).status_code == 304
    assert rest.get(path, headers={"If-Modified-Since": http_date(now - 1)}).status_code == 200
    assert rest.get(path, headers={"If-Unmodified-Since": http_date(now - 1)}).status_code == 412
    assert rest.get(path, headers={"If-Unmodified-Since": http_date(now)}).status_code == 200


def test_auto_assign_takes_the_owner_away(rest: Rest) -> None:
    org = rest.sandbox.salesforce.org
    lead = rest.lead(OwnerId=org.person_id)
    record = rest.sandbox.salesforce.record("Lead", lead)
    assert (
        rest.patch(
            f"/sobjects/Lead/{lead}", {"OwnerId": org.worker_id}, Sforce_Auto_Assign="false"
        ).status_code
        == 204
    )
    assert record.get("OwnerId") == org.worker_id
    assert rest.patch(f"/sobjects/Lead/{lead}", {"OwnerId": org.person_id}).status_code == 204  # "success"
    assert record.get("OwnerId") == org.inbound_queue
    authors = [(entry.after, entry.author) for entry in rest.sandbox.ledger.entries(field="OwnerId")]
    assert authors[-2:] == [(org.person_id, "worker"), (org.inbound_queue, "automation")]


@pytest.mark.parametrize(
    ("values", "code", "fields"),
    [
        ({"Status": "Nope"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Status"]),
        ({"Status": None}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Status"]),
        ({"Status": "Closed - Converted"}, "INVALID_STATUS", ["Status"]),
        ({"LastName": ""}, "REQUIRED_FIELD_MISSING", ["LastName"]),
        ({"LastName": "x" * 81}, "STRING_TOO_LONG", ["LastName"]),
        ({"Email": "not an address"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
        ({"Nope__c": 1}, "INVALID_FIELD", []),
        ({"IsConverted": True}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["IsConverted"]),
        ({"CreatedDate": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["CreatedDate"]),
        ({"MQL_Score__c": "many"}, "JSON_PARSER_ERROR", ["MQL_Score__c"]),
        ({"MQL_Score__c": True}, "JSON_PARSER_ERROR", ["MQL_Score__c"]),
        ({"HasOptedOutOfEmail": "perhaps"}, "JSON_PARSER_ERROR", ["HasOptedOutOfEmail"]),
        ({"MQL_Date__c": "yesterday"}, "JSON_PARSER_ERROR", ["MQL_Date__c"]),
        ({"OwnerId": "me"}, "MALFORMED_ID", ["OwnerId"]),
        ({"OwnerId": "0035g0000010001AAA"}, "FIELD_INTEGRITY_EXCEPTION", ["OwnerId"]),
        ({"OwnerId": "0055g00000zzzzzAAA"}, "INVALID_CROSS_REFERENCE_KEY", ["OwnerId"]),
    ],
)  # fmt: skip
def test_refused_values_leave_the_row_alone(
    rest: Rest, values: dict[str, Any], code: str, fields: list[str]
) -> None:
    lead = rest.lead()
    before = dict(rest.sandbox.salesforce.record("Lead", lead).values)
    answer = rest.call("PATCH", f"/sobjects/Lead/{lead}", json=values, headers=OFF)
    assert answer.status_code == 400
    assert (answer.json()[0]["errorCode"], answer.json()[0].get("fields", [])) == (code, fields)
    assert rest.sandbox.salesforce.record("Lead", lead).values == before
    assert rest.sandbox.ledger.entries(author="worker") == []


def test_values_become_canonical(rest: Rest) -> None:
    lead = rest.lead()
    body = {
        "MQL_Score__c": "95.5",
        "NumberOfEmployees": 12.0,
        "MQL_Date__c": "2026-11-01",
        "Rating": "hot",
        "Title": " CEO ",
    }
    assert rest.call("PATCH", f"/sobjects/Lead/{lead}", json=body, headers=OFF).status_code == 204
    row = rest.get(f"/sobjects/Lead/{lead}").json()
    assert (row["MQL_Score__c"], row["NumberOfEmployees"], row["MQL_Date__c"]) == (95.5, 12, "2026-11-01")
    assert (row["Rating"], row["Title"]) == ("Hot", "CEO")
    assert rest.call("PATCH", f"/sobjects/Lead/{lead}", json={"Title": None}, headers=OFF).status_code == 204
    assert rest.get(f"/sobjects/Lead/{lead}").json()["Title"] is None


def test_rules_locks_and_flows(rest: Rest) -> None:
    lead, switches = rest.lead(), rest.sandbox.switches
    path = f"/sobjects/Lead/{lead}"
    switches.sf_validation_rules["Lead"] = ("Industry", "Industry comes first")
    answer = rest.call("PATCH", path, json={"Status": "MQL"}, headers=OFF)
    assert error(answer) == (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert answer.json()[0]["message"] == "Industry comes first"
    switches.sf_validation_rules.clear()
    switches.sf_locked.add(lead)
    assert error(rest.call("PATCH", path, json={"Status": "MQL"}, headers=OFF)) == (400, "UNABLE_TO_LOCK_ROW")
    switches.sf_locked.clear()
    switches.sf_flow["Lead"] = ("Status", "MQL", "New")
    assert rest.call("PATCH", path, json={"Status": "MQL"}, headers=OFF).status_code == 204
    assert rest.get(path).json()["Status"] == "New"
    history = [(entry.after, entry.author) for entry in rest.sandbox.ledger.entries(field="Status")]
    assert history == [("MQL", "worker"), ("New", "automation")]


def test_owners_that_cannot_own(rest: Rest) -> None:
    make, org = rest.sandbox.salesforce.create, rest.sandbox.salesforce.org
    gone = make("User", {"Username": "g@x.co", "LastName": "Gone", "Email": "g@x.co", "IsActive": False})
    guest = make("User", {"Username": "h@x.co", "LastName": "Guest", "Email": "h@x.co", "UserType": "Guest"})
    contact = make("Contact", {"LastName": "C", "OwnerId": gone})
    path = f"/sobjects/Contact/{contact}"
    untouched = rest.patch(path, {"Title": "CEO"})
    assert error(untouched) == (400, "INACTIVE_OWNER_OR_USER")  # although the owner is not in the request
    assert rest.patch(path, {"OwnerId": org.person_id}).status_code == 204
    assert error(rest.patch(path, {"OwnerId": org.inbound_queue})) == (400, "FIELD_INTEGRITY_EXCEPTION")
    assert error(rest.patch(path, {"OwnerId": guest})) == (400, "OP_WITH_INVALID_USER_TYPE_EXCEPTION")
    assert error(rest.patch(path, {"OwnerId": gone})) == (400, "INACTIVE_OWNER_OR_USER")
    rest.sandbox.switches.sf_update_with_inactive_owner = True
    assert rest.patch(path, {"OwnerId": gone}).status_code == 204


def test_field_history_of_tracked_fields(rest: Rest) -> None:
    org = rest.sandbox.salesforce.org
    lead = rest.lead(OwnerId=org.person_id)
    rest.sandbox.edit("salesforce", "Lead", lead, {"Status": "MQL", "Title": "CEO"}, author="person")
    rest.call("PATCH", f"/sobjects/Lead/{lead}", json={"OwnerId": org.worker_id}, headers=OFF)
    rows = rest.query(
        "SELECT Field, OldValue, NewValue, CreatedById, CreatedDate FROM LeadHistory "
        f"WHERE LeadId = '{lead}' ORDER BY Id"
    )["records"]
    assert [(row["Field"], row["OldValue"], row["NewValue"]) for row in rows] == [
        ("Status", "Open - Not Contacted", "MQL"),
        ("Owner", org.person_id, org.worker_id),
        ("Owner", "Ada Admin", "MQL Integration"),
    ]
    assert [row["CreatedById"] for row in rows] == [org.person_id, org.worker_id, org.worker_id]


def test_external_ids(rest: Rest) -> None:
    path = "/sobjects/Contact/External_Id__c/X-1"
    assert error(rest.get(path)) == (404, "NOT_FOUND")
    made = rest.patch(path, {"LastName": "Ext"})
    assert (made.status_code, made.json()["created"]) == (201, True)
    again = rest.patch(path, {"Title": "CEO"})
    assert (again.status_code, again.json()) == (
        200,
        {"id": made.json()["id"], "success": True, "errors": [], "created": False},
    )
    assert rest.get(path).json()["Title"] == "CEO"
    rest.sandbox.salesforce.create("Contact", {"LastName": "Twin", "External_Id__c": "X-1"})
    several = rest.get(path)
    assert several.status_code == 300
    assert len(several.json()) == 2


def test_refusals_of_an_admins_making(rest: Rest) -> None:
    lead, other, switches = rest.lead(), rest.lead(), rest.sandbox.switches
    nested = "UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record or 1 records: 00Q"
    switches.sf_refused[lead] = ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"Trigger: {nested}")
    answer = rest.call("PATCH", f"/sobjects/Lead/{lead}", json={"Status": "MQL"}, headers=OFF)
    assert error(answer) == (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")
    assert nested in answer.json()[0]["message"]
    assert (
        rest.call("PATCH", f"/sobjects/Lead/{other}", json={"Status": "MQL"}, headers=OFF).status_code == 204
    )
    switches.sf_refused["Lead"] = ("DUPLICATES_DETECTED", "Use one of these records?")
    assert error(rest.post("/sobjects/Lead", {"LastName": "L", "Company": "C"})) == (
        400,
        "DUPLICATES_DETECTED",
    )


def test_rights_that_are_missing(rest: Rest) -> None:
    lead = rest.lead()
    rest.sandbox.switches.sf_read_only |= {"Lead.Status", "Contact"}
    path = f"/sobjects/Lead/{lead}"
    refused = rest.call("PATCH", path, json={"Status": "MQL"}, headers=OFF)
    assert error(refused) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    assert rest.call("PATCH", path, json={"Title": "CEO"}, headers=OFF).status_code == 204
    fields = {one["name"]: one["updateable"] for one in rest.get("/sobjects/Lead/describe").json()["fields"]}
    assert (fields["Status"], fields["Title"]) == (False, True)
    made = rest.post("/sobjects/Contact", {"LastName": "C"})
    assert error(made) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert rest.get("/sobjects/Contact/describe").json()["updateable"] is False


def test_only_accounts_have_etags(rest: Rest) -> None:
    account = f"/sobjects/Account/{rest.sandbox.salesforce.create('Account', {'Name': 'Acme'})}"
    etag = rest.get(account).headers["ETag"]
    assert rest.get(account, headers={"If-None-Match": etag}).status_code == 304
    assert rest.patch(account, {"Website": "a.co"}, If_Match=etag).status_code == 204
    assert rest.patch(account, {"Website": "b.co"}, If_Match=etag).status_code == 412
    assert rest.get(account).json()["Website"] == "a.co"
    lead = f"/sobjects/Lead/{rest.lead()}"
    assert "ETag" not in rest.get(lead).headers
    assert rest.patch(lead, {"Title": "CEO"}, If_Match='"other"').status_code == 204  # ignored


def test_seeded_text_may_be_anything(rest: Rest) -> None:
    odd = {
        "LastName": "  NULL\t",
        "Company": "NA",
        "Email": "no address",
        "City": "Zürich 🚀\n\x00",
        "Title": "x" * 500,
    }
    row = rest.get(f"/sobjects/Lead/{rest.lead(**odd)}").json()
    assert {name: row[name] for name in odd} == odd


def test_another_users_session_writes_as_that_person(rest: Rest) -> None:
    lead, person = rest.lead(), rest.sandbox.salesforce.org.person_id
    other = Rest(rest.sandbox)
    other.session.headers["Authorization"] = f"Bearer {rest.sandbox.salesforce.token(person)}"
    assert (
        other.call("PATCH", f"/sobjects/Lead/{lead}", json={"Status": "New"}, headers=OFF).status_code == 204
    )
    entry = rest.sandbox.ledger.entries(field="Status")[-1]
    assert (entry.author, entry.actor) == ("person", person)
    assert rest.get(f"/sobjects/Lead/{lead}").json()["LastModifiedById"] == person
    assert other.get("/services/oauth2/userinfo").json()["user_id"] == person


@pytest.mark.parametrize("body", [b"", b"[]", b"{"])
def test_bodies_that_are_no_object(rest: Rest, sandbox: Sandbox, body: bytes) -> None:
    answer = rest.call("PATCH", f"/sobjects/Lead/{rest.lead()}", data=body)
    assert error(answer) == (400, "JSON_PARSER_ERROR")
