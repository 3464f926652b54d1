from __future__ import annotations

import pytest

from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox.rest import Rest
from tests.world import SimulatedWorld

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def leads(sandbox: Sandbox, world: SimulatedWorld) -> Rest:
    """Five leads; `now` is Monday 2026-11-02 09:00 UTC."""
    make, now = sandbox.salesforce.create, world.clock()
    owner = make("User", {"Username": "ann@x.co", "FirstName": "Ann", "LastName": "Rep", "Email": "ann@x.co"})
    rows = [
        ("Adams", {"Email": "adams@a.co", "Status": "New", "NumberOfEmployees": 10}, now - 400 * DAY),
        ("Baker", {"Email": "Baker@b.co", "Status": "MQL", "NumberOfEmployees": 200}, now - 40 * DAY),
        ("O'Hara", {"Status": "New", "Industry": "Media", "MQL_Date__c": "2026-10-15"}, now - 5 * DAY),
        ("100% Sure", {"Email": "sure@c.co", "HasOptedOutOfEmail": True, "NumberOfEmployees": 0}, now - DAY),
        ("Eve_1", {"Email": "eve@c.co", "Status": "MQL", "Title": "CEO \\ founder"}, now - HOUR),
    ]  # fmt: skip
    for last, values, at in rows:
        own = {"OwnerId": owner} if last in ("Adams", "Baker") else {}
        make("Lead", {"LastName": last, "Company": "Acme", **own, **values}, at=at)
    return Rest(sandbox)


ALL = ["Adams", "Baker", "O'Hara", "100% Sure", "Eve_1"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("Status = 'MQL'", ["Baker", "Eve_1"]),
        ("status = 'mql'", ["Baker", "Eve_1"]),
        ("Status != 'MQL'", ["Adams", "O'Hara", "100% Sure"]),
        ("Status <> 'MQL'", ["Adams", "O'Hara", "100% Sure"]),
        ("Email = 'baker@B.CO'", ["Baker"]),
        ("Email = null", ["O'Hara"]),
        ("Email != null", ["Adams", "Baker", "100% Sure", "Eve_1"]),
        ("Email != 'adams@a.co'", ["Baker", "O'Hara", "100% Sure", "Eve_1"]),
        ("Email = ''", ["O'Hara"]),
        ("LastName = 'O\\'Hara'", ["O'Hara"]),
        ("Title = 'CEO \\\\ founder'", ["Eve_1"]),
        ("LastName LIKE 'a%'", ["Adams"]),
        ("LastName LIKE '%a%' AND NumberOfEmployees > 5", ["Adams", "Baker"]),
        ("LastName LIKE '100\\% Sure'", ["100% Sure"]),
        ("LastName LIKE 'Eve\\_1'", ["Eve_1"]),
        ("LastName LIKE 'E_e_1'", ["Eve_1"]),
        ("Email LIKE '%@c.co'", ["100% Sure", "Eve_1"]),
        ("Email IN ('ADAMS@a.co', 'eve@c.co')", ["Adams", "Eve_1"]),
        ("Email NOT IN ('adams@a.co')", ["Baker", "O'Hara", "100% Sure", "Eve_1"]),
        ("NumberOfEmployees > 10", ["Baker"]),
        ("NumberOfEmployees >= 10.0", ["Adams", "Baker"]),
        ("NumberOfEmployees < 10", ["100% Sure"]),
        ("NumberOfEmployees = 0", ["100% Sure"]),
        ("NumberOfEmployees = null", ["O'Hara", "Eve_1"]),
        ("HasOptedOutOfEmail = true", ["100% Sure"]),
        ("HasOptedOutOfEmail = FALSE", ["Adams", "Baker", "O'Hara", "Eve_1"]),
        ("HasOptedOutOfEmail != true", ["Adams", "Baker", "O'Hara", "Eve_1"]),
        ("NOT Status = 'MQL'", ["Adams", "O'Hara", "100% Sure"]),
        ("NOT (Status = 'MQL' OR Email = null)", ["Adams", "100% Sure"]),
        ("(Status = 'MQL' OR Status = 'New') AND Email != null", ["Adams", "Baker", "Eve_1"]),
        ("Status = 'MQL' OR (Status = 'New' AND (Industry = 'Media' OR Title != null))",
         ["Baker", "O'Hara", "Eve_1"]),
        ("CreatedDate > 2026-10-01T00:00:00Z", ["O'Hara", "100% Sure", "Eve_1"]),
        ("CreatedDate > 2026-11-02T08:00:00.000Z", []),
        ("CreatedDate >= 2026-11-02T09:00:00+01:00", ["Eve_1"]),
        ("SystemModstamp <= 2026-11-02T08:00:00.000+0000 AND Status = 'MQL'", ["Baker", "Eve_1"]),
        ("CreatedDate = TODAY", ["Eve_1"]),
        ("CreatedDate = YESTERDAY", ["100% Sure"]),
        ("CreatedDate < TODAY", ["Adams", "Baker", "O'Hara", "100% Sure"]),
        ("CreatedDate >= LAST_N_DAYS:30", ["O'Hara", "100% Sure", "Eve_1"]),
        ("CreatedDate = LAST_N_DAYS:30", ["O'Hara", "100% Sure", "Eve_1"]),
        ("CreatedDate = LAST_MONTH", ["O'Hara"]),
        ("CreatedDate = THIS_MONTH", ["100% Sure", "Eve_1"]),
        ("CreatedDate = LAST_YEAR", ["Adams"]),
        ("CreatedDate = THIS_YEAR", ["Baker", "O'Hara", "100% Sure", "Eve_1"]),
        ("CreatedDate = N_DAYS_AGO:5", ["O'Hara"]),
        ("MQL_Date__c = 2026-10-15", ["O'Hara"]),
        ("MQL_Date__c < 2026-10-15", []),
        ("MQL_Date__c = LAST_MONTH", ["O'Hara"]),
        ("MQL_Date__c != null", ["O'Hara"]),
        ("Owner.Name = 'Ann Rep'", ["Adams", "Baker"]),
        ("Owner.Email LIKE 'ann@%'", ["Adams", "Baker"]),
        ("Owner.Type = 'User' AND Owner.Username = 'ann@x.co'", ["Adams", "Baker"]),
        ("Lead.Status = 'MQL'", ["Baker", "Eve_1"]),
        ("OwnerId IN (SELECT Id FROM User WHERE LastName = 'Rep')", ["Adams", "Baker"]),
        ("OwnerId NOT IN (SELECT Id FROM User WHERE LastName = 'Rep')", ["O'Hara", "100% Sure", "Eve_1"]),
        ("IsDeleted = false", ALL),
        ("IsConverted = true", []),
    ],
)  # fmt: skip
def test_where(leads: Rest, where: str, expected: list[str]) -> None:
    assert leads.names(f"SELECT LastName FROM Lead WHERE {where} ORDER BY CreatedDate") == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("LastName", ["100% Sure", "Adams", "Baker", "Eve_1", "O'Hara"]),
        ("LastName DESC", ["O'Hara", "Eve_1", "Baker", "Adams", "100% Sure"]),
        ("NumberOfEmployees, LastName", ["Eve_1", "O'Hara", "100% Sure", "Adams", "Baker"]),
        ("NumberOfEmployees NULLS LAST, LastName", ["100% Sure", "Adams", "Baker", "Eve_1", "O'Hara"]),
        ("NumberOfEmployees DESC NULLS LAST, Id", ["Baker", "Adams", "100% Sure", "O'Hara", "Eve_1"]),
        ("NumberOfEmployees DESC NULLS FIRST, Id DESC", ["Eve_1", "O'Hara", "Baker", "Adams", "100% Sure"]),
        ("Status ASC, CreatedDate DESC", ["Eve_1", "Baker", "O'Hara", "Adams", "100% Sure"]),
        ("LastName LIMIT 2", ["100% Sure", "Adams"]),
        ("LastName LIMIT 2 OFFSET 3", ["Eve_1", "O'Hara"]),
        ("SystemModstamp ASC, Id ASC", ALL),
    ],
)
def test_order_limit_offset(leads: Rest, order: str, expected: list[str]) -> None:
    assert leads.names(f"select LastName from Lead order by {order}") == expected


@pytest.mark.parametrize(
    ("soql", "code", "part"),
    [
        ("SELECT Nope__c FROM Lead", "INVALID_FIELD", "No such column 'Nope__c' on entity 'Lead'"),
        ("SELECT Id FROM Lead WHERE Nope = 1", "INVALID_FIELD", "No such column 'Nope'"),
        ("SELECT Id FROM Lead ORDER BY Nope", "INVALID_FIELD", "No such column 'Nope'"),
        ("SELECT Boss.Name FROM Lead", "INVALID_FIELD", "Didn't understand relationship 'Boss'"),
        ("SELECT Id FROM Leads", "INVALID_TYPE", "sObject type 'Leads' is not supported"),
        ("SELECT FROM Lead", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY", "unexpected"),
        ("SELECT Id FROM Lead LIMIT x", "MALFORMED_QUERY", "unexpected token: 'x'"),
        ("SELECT Id FROM Lead WHERE Email = 'a' AND Email = 'b' OR Email = 'c'", "MALFORMED_QUERY", "'OR'"),
        ("SELECT Id FROM Lead WHERE Email = 'a", "MALFORMED_QUERY", "unexpected"),
        ("SELECT Id FROM Lead; DELETE", "MALFORMED_QUERY", "unexpected"),
        ("SELECT Id FROM Lead WHERE CreatedDate > '2026-01-01'", "INVALID_FIELD", "must be of type dateTime"),
        ("SELECT Id FROM Lead WHERE CreatedDate > 2026-01-01", "INVALID_FIELD", "must be of type dateTime"),
        ("SELECT Id FROM Lead WHERE MQL_Date__c = TODAY_ISH", "MALFORMED_QUERY", "TODAY_ISH"),
        ("SELECT Id FROM Lead WHERE NumberOfEmployees = '5'", "INVALID_FIELD", "must be of type double"),
        ("SELECT Id FROM Lead WHERE Status = 5", "INVALID_FIELD", "should be enclosed in quotes"),
        ("SELECT Id FROM Lead WHERE OwnerId = 'me'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: me"),
        ("SELECT Id FROM Lead WHERE Description = 'x'", "INVALID_FIELD", "can not be filtered"),
        ("SELECT Id FROM Lead OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
    ],
)
def test_typed_errors(leads: Rest, soql: str, code: str, part: str) -> None:
    error = leads.refused(soql)
    assert error["errorCode"] == code
    assert part in error["message"]


def test_counts_and_groups(leads: Rest) -> None:
    assert leads.query("SELECT COUNT() FROM Lead WHERE Status = 'New'") == {
        "totalSize": 2,
        "done": True,
        "records": [],
    }
    groups = leads.query("SELECT Status, COUNT(Id) n, MAX(NumberOfEmployees) FROM Lead GROUP BY Status")[
        "records"
    ]
    by_status = {row["Status"]: (row["n"], row["expr0"]) for row in groups}
    assert by_status == {"New": (2, 10), "MQL": (2, 200), "Open - Not Contacted": (1, 0)}


def test_rows_carry_attributes_and_parents(leads: Rest) -> None:
    row = leads.query("SELECT Id, Owner.Name, Owner.IsActive, RecordType.DeveloperName FROM Lead LIMIT 1")[
        "records"
    ][0]
    assert row["attributes"] == {"type": "Lead", "url": f"/services/data/v62.0/sobjects/Lead/{row['Id']}"}
    assert row["Owner"]["attributes"]["type"] == "Name"
    assert "/sobjects/User/005" in row["Owner"]["attributes"]["url"]
    assert (row["Owner"]["Name"], row["Owner"]["IsActive"]) == ("Ann Rep", True)
    assert row["RecordType"] is None


def test_polymorphic_who(leads: Rest) -> None:
    make = leads.sandbox.salesforce.create
    contact = make("Contact", {"LastName": "Contact", "Email": "c@c.co"})
    for who in (contact, leads.lead()):
        make("Task", {"Subject": "Call", "WhoId": who, "Status": "Completed"})
    rows = leads.query(
        "SELECT Who.Type, Who.Name, Who.Email, IsClosed, CompletedDateTime FROM Task ORDER BY Id"
    )["records"]
    assert [(row["Who"]["Type"], row["Who"]["Email"]) for row in rows] == [
        ("Contact", "c@c.co"),
        ("Lead", None),
    ]
    assert rows[0]["IsClosed"] is True
    assert rows[0]["CompletedDateTime"] == "2026-11-02T09:00:00.000+0000"
    assert leads.query("SELECT COUNT() FROM Task WHERE Who.Type = 'Lead'")["totalSize"] == 1


def test_campaign_members_with_their_campaign(leads: Rest) -> None:
    make = leads.sandbox.salesforce.create
    campaign = make("Campaign", {"Name": "Webinar May", "Type": "Webinar"})
    lead = leads.lead()
    make("CampaignMember", {"CampaignId": campaign, "LeadId": lead, "Status": "Attended"})
    row = leads.query(
        "SELECT Id, LeadId, ContactId, Status, HasResponded, FirstRespondedDate, Campaign.Type, "
        "Campaign.Name FROM CampaignMember WHERE Campaign.Type = 'Webinar'"
    )["records"][0]
    assert row["Campaign"]["Name"] == "Webinar May"
    assert (row["LeadId"], row["ContactId"], row["HasResponded"]) == (lead, None, True)
    assert row["FirstRespondedDate"] == "2026-11-02"


def test_child_subquery(leads: Rest) -> None:
    make = leads.sandbox.salesforce.create
    account = make("Account", {"Name": "Acme"})
    make("Contact", {"LastName": "One", "AccountId": account})
    make("Account", {"Name": "Lonely"})
    rows = leads.query("SELECT Name, (SELECT LastName FROM Contacts) FROM Account ORDER BY Name")["records"]
    assert [row["LastName"] for row in rows[0]["Contacts"]["records"]] == ["One"]
    assert rows[1]["Contacts"] is None


def test_deleted_rows_show_in_query_all_alone(leads: Rest) -> None:
    doomed = leads.lead(LastName="Doomed")
    leads.sandbox.delete("salesforce", "Lead", doomed)
    soql = "SELECT Id, IsDeleted FROM Lead WHERE LastName = 'Doomed'"
    assert leads.query(soql)["records"] == []
    assert leads.query(soql, "queryAll")["records"][0]["IsDeleted"] is True
    assert leads.query(soql + " ALL ROWS")["totalSize"] == 1


def test_a_field_or_object_this_org_lacks(leads: Rest) -> None:
    leads.sandbox.switches.sf_missing_fields.add("Lead.MQL_Score__c")
    leads.sandbox.switches.sf_absent.add("Task")
    assert leads.refused("SELECT MQL_Score__c FROM Lead")["errorCode"] == "INVALID_FIELD"
    assert leads.refused("SELECT Id FROM Task")["errorCode"] == "INVALID_TYPE"
    assert leads.query("SELECT FIELDS(ALL) FROM Lead LIMIT 1")["records"][0]["LastName"] == "Adams"


def test_ids_of_15_characters_find_records(leads: Rest) -> None:
    lead = leads.lead(LastName="Short")
    assert leads.names(f"SELECT LastName FROM Lead WHERE Id = '{lead[:15]}'") == ["Short"]
    assert leads.names(f"SELECT LastName FROM Lead WHERE Id IN ('{lead}', '{lead[:15]}')") == ["Short"]
