"""Objects and fields that an org has of its own, formulas, archived activities, e-mails, missing rights."""

from __future__ import annotations

from connectors.sandbox.salesforce.schema import Field, kind, obj, ref, text
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox.rest import Rest

VISIT = obj("Visit__c", "a01", [text("Name", 80), ref("Person__c", "Contact"), kind("At__c", "datetime")])


def rows(rest: Rest, soql: str, resource: str = "query") -> list[dict[str, object]]:
    found: list[dict[str, object]] = rest.get(f"/{resource}", params={"q": soql}).json()["records"]
    return found


def test_an_object_of_ones_own_is_described_queried_and_found_by_its_prefix(rest: Rest) -> None:
    org = rest.sandbox.salesforce.org
    org.define(VISIT)
    contact = rest.sandbox.create("salesforce", "Contact", {"LastName": "Lovelace"})
    made = rest.sandbox.create("salesforce", "Visit__c", {"Name": "Stand 7", "Person__c": contact})
    assert made.startswith("a01")
    described = rest.get("/sobjects/Visit__c/describe").json()
    assert (described["name"], described["custom"], described["keyPrefix"]) == ("Visit__c", True, "a01")
    found = rows(rest, "SELECT Id, Person__r.LastName FROM Visit__c")
    assert [(row["Id"], row["Person__r"]["LastName"]) for row in found] == [(made, "Lovelace")]  # type: ignore[index]
    record = org.lookup(made)
    assert record is not None
    assert record.object == "Visit__c"


def test_a_formula_comes_to_another_result_without_a_stamp(rest: Rest) -> None:
    rest.sandbox.salesforce.org.add_fields(
        "Lead", Field("Fit__c", "double", writable=False, calculated=True, label="Fit")
    )
    lead = rest.lead()
    described = {one["name"]: one for one in rest.get("/sobjects/Lead/describe").json()["fields"]}
    assert (described["Fit__c"]["calculated"], described["Fit__c"]["updateable"]) == (True, False)
    before = rows(rest, "SELECT Fit__c, SystemModstamp, LastModifiedDate FROM Lead")[0]
    rest.sandbox.salesforce.recalculate("Lead", lead, {"Fit__c": 0.5})
    after = rows(rest, "SELECT Fit__c, SystemModstamp, LastModifiedDate FROM Lead")[0]
    assert (before.pop("Fit__c"), after.pop("Fit__c")) == (None, 0.5)
    assert before == after
    refused = rest.patch(f"/sobjects/Lead/{lead}", {"Fit__c": 1})
    assert refused.json()[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_own_fields_of_one_sandbox_are_not_another_ones(rest: Rest) -> None:
    rest.sandbox.salesforce.org.add_fields("Lead", text("Only_Here__c"))
    another = Sandbox(clock=rest.sandbox.clock)
    assert "Only_Here__c" not in another.salesforce.org.types["Lead"].fields


def test_archived_activities_show_in_query_all_alone(rest: Rest) -> None:
    task = rest.sandbox.create("salesforce", "Task", {"Subject": "Old call", "Status": "Completed"})
    rest.sandbox.salesforce.recalculate("Task", task, {"IsArchived": True})
    assert rows(rest, "SELECT Id FROM Task") == []
    assert [row["Id"] for row in rows(rest, "SELECT Id FROM Task", "queryAll")] == [task]


def test_emails_carry_their_sender_and_the_task_that_stands_for_them(rest: Rest) -> None:
    contact = rest.sandbox.create("salesforce", "Contact", {"LastName": "Lovelace"})
    task = rest.sandbox.create("salesforce", "Task", {"Subject": "Re: Hello", "WhoId": contact})
    values = {"Subject": "Re: Hello", "Incoming": True, "FromAddress": "ada@x.com", "ActivityId": task}
    message = rest.sandbox.create("salesforce", "EmailMessage", values)
    assert message.startswith("02s")
    found = rows(rest, "SELECT Activity.WhoId, Incoming FROM EmailMessage")[0]
    assert found["Activity"]["WhoId"] == contact  # type: ignore[index]


def test_query_all_can_be_refused_while_query_is_not(rest: Rest) -> None:
    rest.lead()
    rest.sandbox.switches.sf_query_all_refusal = (403, "INSUFFICIENT_ACCESS", "insufficient access")
    refused = rest.get("/queryAll", params={"q": "SELECT Id FROM Lead"})
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS")
    assert len(rows(rest, "SELECT Id FROM Lead")) == 1


def test_the_lead_process_of_a_record_type_may_not_be_told(rest: Rest) -> None:
    path = "/ui-api/object-info/Lead/picklist-values/012000000000000AAA"
    assert rest.get(f"{path}/Status").status_code == 200
    rest.sandbox.switches.sf_status_by_record_type = False
    assert rest.get(f"{path}/Status").status_code == 404
    assert rest.get(f"{path}/Industry").status_code == 200
