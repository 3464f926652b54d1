from __future__ import annotations

import pytest

from connectors.sandbox.salesforce.ids import MASTER_RECORD_TYPE
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox.rest import Rest
from tests.world import SimulatedWorld


def walk(rest: Rest, soql: str, resource: str = "query", **headers: str) -> list[list[str]]:
    """Ids page by page."""
    answer = rest.get(f"/{resource}", params={"q": soql}, headers=headers).json()
    pages = [[row["Id"] for row in answer["records"]]]
    while not answer["done"]:
        answer = rest.get(answer["nextRecordsUrl"]).json()
        pages.append([row["Id"] for row in answer["records"]])
    assert "nextRecordsUrl" not in answer
    return pages


def test_pages_of_two_thousand(rest: Rest) -> None:
    ids = [rest.lead() for _ in range(4100)]
    pages = walk(rest, "SELECT Id FROM Lead ORDER BY Id")
    assert [len(page) for page in pages] == [2000, 2000, 100]
    assert [one for page in pages for one in page] == ids
    small = walk(rest, "SELECT Id FROM Lead LIMIT 500", **{"Sforce-Query-Options": "batchSize=200"})
    assert [len(page) for page in small] == [200, 200, 100]
    rest.sandbox.switches.sf_page_size = 300
    assert [len(page) for page in walk(rest, "SELECT Id FROM Lead LIMIT 700")] == [300, 300, 100]


def test_rows_edited_under_the_reader_are_neither_lost_nor_doubled(rest: Rest, world: SimulatedWorld) -> None:
    rest.sandbox.switches.sf_page_size = 2
    ids = [rest.lead() for _ in range(5)]
    first = rest.get("/query", params={"q": "SELECT Id, Status FROM Lead ORDER BY SystemModstamp, Id"}).json()
    world.advance(1)
    rest.sandbox.edit("salesforce", "Lead", ids[0], {"Status": "MQL"})
    rest.sandbox.edit("salesforce", "Lead", ids[3], {"Status": "MQL"})
    second = rest.get(first["nextRecordsUrl"]).json()
    again = rest.get(first["nextRecordsUrl"]).json()  # a lost answer can be asked for again
    assert second == again
    assert [row["Status"] for row in second["records"]] == ["Open - Not Contacted", "MQL"]
    third = rest.get(second["nextRecordsUrl"]).json()
    assert [row["Id"] for row in third["records"]] == ids[4:]
    assert rest.get(second["nextRecordsUrl"]).status_code == 200


def test_locators_expire(rest: Rest, world: SimulatedWorld) -> None:
    rest.sandbox.switches.sf_page_size = 1
    rest.lead(), rest.lead()
    following = rest.get("/query", params={"q": "SELECT Id FROM Lead"}).json()["nextRecordsUrl"]
    for _ in range(10):
        rest.get("/query", params={"q": "SELECT Id FROM Lead"})
    assert rest.get(following).json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"  # the eleventh pushed it out
    fresh = rest.get("/query", params={"q": "SELECT Id FROM Lead"}).json()["nextRecordsUrl"]
    world.advance(2 * 86_400 + 1)
    rest.sign_in()
    assert rest.get(fresh).json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_updated_and_deleted(rest: Rest, world: SimulatedWorld) -> None:
    early = rest.lead()
    world.advance(120)
    late, gone = rest.lead(), rest.lead()
    world.advance(60)
    rest.sandbox.delete("salesforce", "Lead", gone)
    world.advance(60)
    window = {"start": "2026-11-02T09:01:40Z", "end": "2026-11-02T09:04:30+00:00"}
    updated = rest.get("/sobjects/Lead/updated", params=window).json()
    assert updated == {"ids": [late], "latestDateCovered": "2026-11-02T09:04:00.000+0000"}
    assert early not in updated["ids"]
    deleted = rest.get("/sobjects/Lead/deleted/", params=window).json()
    assert deleted["deletedRecords"] == [{"id": gone, "deletedDate": "2026-11-02T09:03:00.000+0000"}]
    assert deleted["latestDateCovered"] == "2026-11-02T09:04:00.000+0000"
    assert deleted["earliestDateAvailable"] == "2026-10-18T00:00:00.000+0000"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-02T08:59:10Z", "2026-11-02T08:59:50Z"),
        ("2026-11-02T09:00:00Z", "2026-11-02T08:00:00Z"),
        ("2026-09-01T00:00:00Z", "2026-09-02T00:00:00Z"),
        ("yesterday", "2026-11-02T09:00:00Z"),
    ],
)
def test_windows_that_are_refused(rest: Rest, start: str, end: str) -> None:
    answer = rest.get("/sobjects/Lead/updated", params={"start": start, "end": end})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_REPLICATION_DATE")


def test_a_long_transaction_holds_latest_date_covered_back(rest: Rest, world: SimulatedWorld) -> None:
    lead = rest.lead()
    world.advance(3600)
    rest.sandbox.salesforce.edit_late("Lead", lead, {"Status": "MQL"}, seconds=300)
    world.advance(240)
    window = {"start": "2026-11-02T09:30:00Z", "end": "2026-11-02T10:04:00Z"}
    assert rest.get("/sobjects/Lead/updated", params=window).json() == {
        "ids": [],
        "latestDateCovered": "2026-11-02T10:00:00.000+0000",
    }
    assert rest.get(f"/sobjects/Lead/{lead}").json()["Status"] == "Open - Not Contacted"
    world.advance(60)
    row = rest.get(f"/sobjects/Lead/{lead}").json()
    assert (row["Status"], row["SystemModstamp"]) == ("MQL", "2026-11-02T10:00:00.000+0000")
    assert rest.get("/sobjects/Lead/updated", params=window).json()["ids"] == [lead]


@pytest.mark.parametrize("covered", [True, False])
def test_junction_rows_leave_for_good(rest: Rest, world: SimulatedWorld, covered: bool) -> None:
    rest.sandbox.switches.sf_junction_in_get_deleted = covered
    make = rest.sandbox.salesforce.create
    member = make("CampaignMember", {"CampaignId": make("Campaign", {"Name": "C"}), "LeadId": rest.lead()})
    rest.sandbox.delete("salesforce", "CampaignMember", member)
    world.advance(60)
    assert rest.query("SELECT Id FROM CampaignMember", "queryAll")["records"] == []
    window = {"start": "2026-11-02T08:00:00Z", "end": "2026-11-02T10:00:00Z"}
    rows = rest.get("/sobjects/CampaignMember/deleted", params=window).json()["deletedRecords"]
    assert [row["id"] for row in rows] == ([member] if covered else [])


def test_describe(rest: Rest, sandbox: Sandbox) -> None:
    sandbox.switches.sf_missing_fields.add("Lead.MQL_Grade__c")
    names = {one["name"] for one in rest.get("/sobjects").json()["sobjects"]}
    assert names >= {
        "Lead",
        "Contact",
        "Account",
        "User",
        "Group",
        "Campaign",
        "CampaignMember",
        "Organization",
    }
    lead = rest.get("/sobjects/Lead/describe").json()
    assert (lead["keyPrefix"], lead["mergeable"], lead["updateable"]) == ("00Q", True, True)
    fields = {one["name"]: one for one in lead["fields"]}
    assert "MQL_Grade__c" not in fields
    assert fields["Status"]["restrictedPicklist"] is True
    assert "MQL" in [one["value"] for one in fields["Status"]["picklistValues"]]
    assert [one["value"] for one in fields["Status"]["picklistValues"] if one["defaultValue"]] == [
        "Open - Not Contacted"
    ]
    assert (fields["LastName"]["nillable"], fields["LastName"]["compoundFieldName"]) == (False, "Name")
    assert (fields["City"]["compoundFieldName"], fields["Address"]["type"]) == ("Address", "address")
    assert (fields["OwnerId"]["referenceTo"], fields["OwnerId"]["relationshipName"]) == (
        ["Group", "User"],
        "Owner",
    )
    assert (fields["IsConverted"]["updateable"], fields["SystemModstamp"]["updateable"]) == (False, False)
    assert rest.get("/sobjects/Nope/describe").status_code == 404
    assert rest.get("/sobjects/Lead").json()["objectDescribe"]["name"] == "Lead"


def test_system_fields_are_those_the_object_really_has(rest: Rest) -> None:
    def fields(name: str) -> set[str]:
        return {one["name"] for one in rest.get(f"/sobjects/{name}/describe").json()["fields"]}

    assert not {"LastModifiedDate", "SystemModstamp"} & fields("LeadHistory")
    for name in ("User", "Group", "RecordType", "LeadStatus", "OpportunityStage", "Organization"):
        assert "IsDeleted" not in fields(name)
    assert fields("CampaignMember") >= {"Id", "IsDeleted", "SystemModstamp"}


def test_picklists_by_record_type(rest: Rest, sandbox: Sandbox) -> None:
    values = {"Name": "Partner", "DeveloperName": "Partner", "SobjectType": "Lead"}
    partner = sandbox.salesforce.create("RecordType", values)
    sandbox.switches.sf_record_type_values["Lead.Partner.Status"] = ("New", "Recycled")
    base = "/ui-api/object-info/Lead/picklist-values"
    limited = rest.get(f"{base}/{partner}/Status").json()
    assert [one["value"] for one in limited["values"]] == ["New", "Recycled"]
    master = rest.get(f"{base}/{MASTER_RECORD_TYPE}/Status").json()
    assert master["defaultValue"]["value"] == "Open - Not Contacted"
    assert "MQL" in [one["value"] for one in master["values"]]
    assert "Rating" in rest.get(f"{base}/{partner}").json()["picklistFieldValues"]
    assert rest.get("/ui-api/object-info/Lead").json()["recordTypeInfos"].keys() == {
        partner,
        MASTER_RECORD_TYPE,
    }
    lead = rest.lead(RecordTypeId=partner)
    refused = rest.patch(f"/sobjects/Lead/{lead}", {"Status": "MQL"})
    assert refused.json()[0]["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert rest.patch(f"/sobjects/Lead/{lead}", {"Status": "Recycled"}).status_code == 204
