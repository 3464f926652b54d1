from __future__ import annotations

from tests.unit.sandbox.rest import Rest
from tests.world import SimulatedWorld


def test_delete_takes_dependants_along_and_undelete_returns(rest: Rest, world: SimulatedWorld) -> None:
    salesforce, make = rest.sandbox.salesforce, rest.sandbox.salesforce.create
    lead = rest.lead()
    task = make("Task", {"WhoId": lead, "Subject": "Call"})
    campaign = make("Campaign", {"Name": "C"})
    make("CampaignMember", {"CampaignId": campaign, "LeadId": lead})
    world.advance(10)
    rest.sandbox.delete("salesforce", "Lead", lead)
    row = rest.query("SELECT Id, IsDeleted, MasterRecordId, SystemModstamp FROM Lead", "queryAll")["records"][
        0
    ]
    assert (row["IsDeleted"], row["MasterRecordId"]) == (True, None)
    assert row["SystemModstamp"] == "2026-11-02T09:00:10.000+0000"
    assert rest.query("SELECT IsDeleted FROM Task", "queryAll")["records"][0]["IsDeleted"] is True
    assert rest.query("SELECT Id FROM CampaignMember", "queryAll")["records"] == []
    salesforce.undelete("Lead", lead)
    salesforce.undelete("Task", task)
    assert rest.get(f"/sobjects/Lead/{lead}").status_code == 200
    salesforce.purge("Lead", lead)
    assert rest.query("SELECT Id FROM Lead", "queryAll")["records"] == []


def test_merge_moves_children_and_marks_the_loser(rest: Rest, world: SimulatedWorld) -> None:
    make = rest.sandbox.salesforce.create
    winner = make("Contact", {"LastName": "Win"})
    loser = make("Contact", {"LastName": "Lose", "Title": "CEO", "Email": "l@l.co"})
    both, one = make("Campaign", {"Name": "Both"}), make("Campaign", {"Name": "One"})
    for campaign, contact in ((both, winner), (both, loser), (one, loser)):
        make("CampaignMember", {"CampaignId": campaign, "ContactId": contact})
    task = make("Task", {"WhoId": loser, "Subject": "Call"})
    world.advance(100)
    assert rest.sandbox.merge("salesforce", "Contact", winner, loser) == winner
    gone = rest.query(f"SELECT IsDeleted, MasterRecordId FROM Contact WHERE Id = '{loser}'", "queryAll")[
        "records"
    ][0]
    assert (gone["IsDeleted"], gone["MasterRecordId"]) == (True, winner)
    kept = rest.get(f"/sobjects/Contact/{winner}").json()
    assert (kept["LastName"], kept["Title"]) == ("Win", "CEO")
    moved = rest.get(f"/sobjects/Task/{task}").json()
    assert (moved["WhoId"], moved["SystemModstamp"]) == (winner, "2026-11-02T09:01:40.000+0000")
    members = rest.query("SELECT ContactId, Campaign.Name FROM CampaignMember ORDER BY Campaign.Name")[
        "records"
    ]
    assert [(row["ContactId"], row["Campaign"]["Name"]) for row in members] == [
        (winner, "Both"),
        (winner, "One"),
    ]
    refused = rest.patch(f"/sobjects/Contact/{loser}", {"Title": "X"})
    assert refused.json()[0]["errorCode"] == "ENTITY_IS_DELETED"


def test_conversion_makes_contact_account_and_opportunity(rest: Rest) -> None:
    make = rest.sandbox.salesforce.create
    lead = rest.lead(
        LastName="Doe", FirstName="Jo", Email="jo@acme.co", Title="CEO", Company="Acme", Country="DE"
    )
    make("Task", {"WhoId": lead, "Subject": "Call"})
    made = rest.sandbox.convert(lead)
    row = rest.get(f"/sobjects/Lead/{lead}").json()
    assert (row["IsConverted"], row["Status"], row["ConvertedDate"]) == (
        True,
        "Closed - Converted",
        "2026-11-02",
    )
    assert (row["ConvertedContactId"], row["ConvertedAccountId"], row["ConvertedOpportunityId"]) == (
        made["contact"],
        made["account"],
        made["opportunity"],
    )
    contact = rest.query(
        f"SELECT Name, Email, Title, MailingCountry, Account.Name FROM Contact WHERE Id = '{made['contact']}'"
    )["records"][0]
    assert (contact["Name"], contact["Email"], contact["MailingCountry"]) == ("Jo Doe", "jo@acme.co", "DE")
    assert contact["Account"]["Name"] == "Acme"
    role = rest.query("SELECT ContactId, Opportunity.StageName FROM OpportunityContactRole")["records"][0]
    assert (role["ContactId"], role["Opportunity"]["StageName"]) == (made["contact"], "Prospecting")
    assert rest.query("SELECT WhoId FROM Task")["records"][0]["WhoId"] == made["contact"]


def test_conversion_into_what_is_there(rest: Rest) -> None:
    make = rest.sandbox.salesforce.create
    account = make("Account", {"Name": "Acme"})
    contact = make("Contact", {"LastName": "Doe", "AccountId": account})
    made = rest.sandbox.convert(rest.lead(), account_id=account, contact_id=contact, opportunity=None)
    assert made == {"contact": contact, "account": account, "opportunity": ""}
    assert rest.query("SELECT COUNT() FROM Contact")["totalSize"] == 1
    assert rest.query("SELECT COUNT() FROM Opportunity")["totalSize"] == 0


def test_converted_leads_are_refused_unless_permitted(rest: Rest) -> None:
    lead = rest.lead()
    rest.sandbox.convert(lead)
    refused = rest.patch(f"/sobjects/Lead/{lead}", {"Title": "X"}, Sforce_Auto_Assign="FALSE")
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "CANNOT_UPDATE_CONVERTED_LEAD")
    rest.sandbox.switches.sf_edit_converted_leads = True
    assert rest.patch(f"/sobjects/Lead/{lead}", {"Title": "X"}, Sforce_Auto_Assign="FALSE").status_code == 204


def test_opportunity_stages_close_and_win(rest: Rest) -> None:
    made = rest.post(
        "/sobjects/Opportunity", {"Name": "O", "StageName": "Closed Won", "CloseDate": "2026-12-01"}
    ).json()
    row = rest.get(f"/sobjects/Opportunity/{made['id']}").json()
    assert (row["IsClosed"], row["IsWon"], row["Probability"]) == (True, True, 100)
    stages = rest.query("SELECT ApiName FROM OpportunityStage WHERE IsWon = true")["records"]
    assert [stage["ApiName"] for stage in stages] == ["Closed Won"]
    converted = rest.query("SELECT ApiName, IsConverted FROM LeadStatus WHERE IsConverted = true")["records"]
    assert [status["ApiName"] for status in converted] == ["Closed - Converted"]


def test_future_behaviour_is_released_as_the_clock_moves(rest: Rest, world: SimulatedWorld) -> None:
    lead, sandbox = rest.lead(), rest.sandbox
    sandbox.schedule(world.clock() + 60, lambda: sandbox.edit("salesforce", "Lead", lead, {"Status": "New"}))
    sandbox.schedule(world.clock() + 30, lambda: sandbox.edit("salesforce", "Lead", lead, {"Status": "MQL"}))
    assert rest.get(f"/sobjects/Lead/{lead}").json()["Status"] == "Open - Not Contacted"
    world.advance(45)
    assert rest.get(f"/sobjects/Lead/{lead}").json()["Status"] == "MQL"
    world.advance(45)
    assert sandbox.release_due() == 1
    assert [entry.after for entry in sandbox.ledger.entries(author="person")] == ["MQL", "New"]
