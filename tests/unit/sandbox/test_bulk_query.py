"""Bulk API 2.0 query jobs, by raw requests and through simple-salesforce."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceOperationError

from tests.unit.sandbox.rest import LoopbackAdapter, Rest
from tests.world import SimulatedWorld

NASTY = (
    'a "quoted" word',
    "two\nlines",
    "carriage\rreturn",
    "NA",
    "  leading",
    "zero\x00byte",
    "comma, semi;",
)


def create(rest: Rest, query: str, operation: str = "query", **more: str) -> str:
    """A job's id."""
    answer = rest.post("/jobs/query", {"operation": operation, "query": query, "contentType": "CSV", **more})
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "UploadComplete"
    return str(answer.json()["id"])


def refusal(rest: Rest, query: str) -> tuple[int, str]:
    answer = rest.post("/jobs/query", {"operation": "query", "query": query})
    return answer.status_code, answer.json()[0]["errorCode"]


def job(rest: Rest, job_id: str) -> dict[str, Any]:
    return dict(rest.get(f"/jobs/query/{job_id}").json())


def rows(answer: requests.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


def library(rest: Rest) -> Any:
    """simple-salesforce's Bulk 2.0 face of Lead, signed in."""
    session = requests.Session()
    session.mount("https://", LoopbackAdapter(rest.sandbox.salesforce_url))
    token = str(rest.session.headers["Authorization"]).removeprefix("Bearer ")
    known = Salesforce(instance="sandbox.example.com", session_id=token, version="62.0", session=session)
    bulk: Any = known.bulk2
    return bulk.Lead


def test_results_come_in_parts(rest: Rest) -> None:
    ids = [rest.lead(LastName=f"Lead {n}") for n in range(25)]
    job_id = create(rest, "SELECT Id, LastName FROM Lead")
    done = job(rest, job_id)
    assert (done["state"], done["numberRecordsProcessed"], done["jobType"]) == ("JobComplete", 25, "V2Query")
    found, locator, counts = [], "", []
    while locator != "null":
        params = {"maxRecords": "10", **({"locator": locator} if locator else {})}
        answer = rest.get(f"/jobs/query/{job_id}/results", params=params)
        found += [row["Id"] for row in rows(answer)]
        counts.append(int(answer.headers["Sforce-NumberOfRecords"]))
        locator = answer.headers["Sforce-Locator"]
    assert found == ids
    assert counts == [10, 10, 5]
    whole = rest.get(f"/jobs/query/{job_id}/results")
    assert whole.headers["Sforce-Locator"] == "null"
    assert len(rows(whole)) == 25
    assert rest.get(f"/jobs/query/{job_id}/results", params={"locator": "x"}).status_code == 400


def test_an_empty_result_has_its_header(rest: Rest) -> None:
    answer = rest.get(f"/jobs/query/{create(rest, 'SELECT Id, Name FROM Lead')}/results")
    assert answer.content == b'"Id","Name"\n'
    assert (answer.headers["Sforce-NumberOfRecords"], answer.headers["Sforce-Locator"]) == ("0", "null")


def test_values_are_text_as_bulk_writes_them(rest: Rest) -> None:
    for name in NASTY:
        rest.lead(LastName=name, NumberOfEmployees=50, HasOptedOutOfEmail=True, MQL_Score__c=12.5)
    rest.lead(LastName="Empty")
    soql = (
        "SELECT LastName, FirstName, NumberOfEmployees, MQL_Score__c, HasOptedOutOfEmail, CreatedDate, "
        "owner.Name, RecordType.DeveloperName FROM Lead"
    )
    answer = rest.get(f"/jobs/query/{create(rest, soql)}/results")
    assert answer.headers["Content-Type"].startswith("text/csv")
    found = rows(answer)
    assert [row["LastName"] for row in found] == [*NASTY, "Empty"]
    assert list(found[0]) == [
        "LastName", "FirstName", "NumberOfEmployees", "MQL_Score__c", "HasOptedOutOfEmail", "CreatedDate",
        "Owner.Name", "RecordType.DeveloperName",
    ]  # fmt: skip
    first = found[0]
    assert (first["FirstName"], first["NumberOfEmployees"], first["MQL_Score__c"]) == ("", "50.0", "12.5")
    assert (first["HasOptedOutOfEmail"], found[-1]["HasOptedOutOfEmail"]) == ("true", "false")
    assert first["CreatedDate"] == "2026-11-02T09:00:00.000Z"
    assert first["Owner.Name"]
    crlf = rest.get(f"/jobs/query/{create(rest, 'SELECT Id FROM Lead', lineEnding='CRLF')}/results")
    assert crlf.content.count(b"\r\n") == len(NASTY) + 2
    tabs = create(rest, "SELECT Id, LastName FROM Lead", columnDelimiter="TAB")
    assert rest.get(f"/jobs/query/{tabs}/results").content.startswith(b'"Id"\t"LastName"\n')


def test_deleted_rows_come_by_query_all(rest: Rest) -> None:
    kept, gone, loser = rest.lead(), rest.lead(), rest.lead()
    rest.sandbox.delete("salesforce", "Lead", gone)
    rest.sandbox.merge("salesforce", "Lead", kept, loser)
    soql = "SELECT Id, IsDeleted, MasterRecordId FROM Lead"
    alive = rows(rest.get(f"/jobs/query/{create(rest, soql)}/results"))
    every = rows(rest.get(f"/jobs/query/{create(rest, soql, 'queryAll')}/results"))
    assert [row["Id"] for row in alive] == [kept]
    assert {row["Id"]: (row["IsDeleted"], row["MasterRecordId"]) for row in every} == {
        kept: ("false", ""),
        gone: ("true", ""),
        loser: ("true", kept),
    }


def test_a_job_takes_its_time_and_keeps_what_it_found(rest: Rest, world: SimulatedWorld) -> None:
    rest.sandbox.switches.sf_bulk_seconds = 100
    lead = rest.lead(LastName="Before")
    job_id = create(rest, "SELECT LastName FROM Lead")
    assert job(rest, job_id)["state"] == "UploadComplete"
    world.advance(50)
    assert job(rest, job_id)["state"] == "InProgress"
    early = rest.get(f"/jobs/query/{job_id}/results")
    assert (early.status_code, early.json()[0]["errorCode"]) == (400, "INVALIDJOBSTATE")
    world.advance(51)
    assert job(rest, job_id)["state"] == "JobComplete"
    rest.sandbox.edit("salesforce", "Lead", lead, {"LastName": "After"})
    assert rows(rest.get(f"/jobs/query/{job_id}/results")) == [{"LastName": "Before"}]


def test_jobs_are_aborted_deleted_and_forgotten(rest: Rest, world: SimulatedWorld) -> None:
    rest.sandbox.switches.sf_bulk_seconds = 100
    slow = create(rest, "SELECT Id FROM Lead")
    world.advance(50)
    assert rest.call("DELETE", f"/jobs/query/{slow}").status_code == 400
    assert rest.patch(f"/jobs/query/{slow}", {"state": "Aborted"}).json()["state"] == "Aborted"
    assert rest.patch(f"/jobs/query/{slow}", {"state": "Aborted"}).status_code == 400
    world.advance(100)
    assert job(rest, slow)["state"] == "Aborted"
    assert rest.call("DELETE", f"/jobs/query/{slow}").status_code == 204
    assert rest.get(f"/jobs/query/{slow}").status_code == 404
    rest.sandbox.switches.sf_bulk_seconds = 0
    old = create(rest, "SELECT Id FROM Lead")
    listed = rest.get("/jobs/query", params={"jobType": "V2Query"}).json()
    assert (listed["done"], [one["id"] for one in listed["records"]]) == (True, [old])
    world.advance(7 * 86_400 + 1)
    rest.sign_in()
    assert rest.get(f"/jobs/query/{old}/results").status_code == 404
    assert rest.get("/jobs/query").json()["records"] == []


@pytest.mark.parametrize("outcome", ["Failed", "Aborted"])
def test_jobs_that_come_to_nothing(rest: Rest, outcome: str) -> None:
    rest.sandbox.switches.sf_bulk_outcomes = [outcome]
    bad, good = create(rest, "SELECT Id FROM Lead"), create(rest, "SELECT Id FROM Lead")
    assert (job(rest, bad)["state"], job(rest, good)["state"]) == (outcome, "JobComplete")
    assert ("errorMessage" in job(rest, bad)) == (outcome == "Failed")
    assert rest.get(f"/jobs/query/{bad}/results").status_code == 400


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT COUNT() FROM Lead", "API_ERROR"),
        ("SELECT Status, COUNT(Id) FROM Lead GROUP BY Status", "API_ERROR"),
        ("SELECT MAX(CreatedDate) FROM Lead", "API_ERROR"),
        ("SELECT Id FROM Lead LIMIT 5 OFFSET 5", "API_ERROR"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "API_ERROR"),
        ("SELECT MailingAddress FROM Contact", "API_ERROR"),
        ("SELECT TYPEOF What WHEN Account THEN Phone END FROM Event", "MALFORMED_QUERY"),
        ("SELECT Nothing__c FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing__c", "INVALID_TYPE"),
        ("SELECT Id FROM Lead WHERE Nothing__c = 1", "INVALID_FIELD"),
        ("SELECT Id FROM", "MALFORMED_QUERY"),
        ("", "INVALIDJOB"),
    ],
)
def test_queries_that_bulk_refuses(rest: Rest, soql: str, code: str) -> None:
    assert refusal(rest, soql) == (400, code)


def test_refusals_of_the_org(rest: Rest, world: SimulatedWorld) -> None:
    switches = rest.sandbox.switches
    switches.sf_bulk_daily_jobs = 1
    assert rest.get("/limits").json()["DailyBulkV2QueryJobs"] == {"Max": 1, "Remaining": 1}
    create(rest, "SELECT Id FROM Lead")
    assert rest.get("/limits").json()["DailyBulkV2QueryJobs"] == {"Max": 1, "Remaining": 0}
    assert refusal(rest, "SELECT Id FROM Lead") == (400, "LIMIT_EXCEEDED")
    world.advance(86_401)
    rest.sign_in()
    create(rest, "SELECT Id FROM Lead")
    switches.sf_bulk_daily_jobs = 10_000
    switches.sf_bulk_unsupported = {"Lead"}
    assert refusal(rest, "SELECT Id FROM Lead") == (400, "INVALIDENTITY")
    switches.sf_bulk_refusal = (403, "API_DISABLED_FOR_ORG", "the Bulk API is disabled")
    assert refusal(rest, "SELECT Id FROM Contact") == (403, "API_DISABLED_FOR_ORG")


def test_wrong_counts_and_early_ends(rest: Rest) -> None:
    for _ in range(6):
        rest.lead()
    switches = rest.sandbox.switches
    switches.sf_bulk_count_error = -1
    job_id = create(rest, "SELECT Id FROM Lead")
    assert job(rest, job_id)["numberRecordsProcessed"] == 5
    switches.sf_bulk_lost_rows = 1
    lost = rest.get(f"/jobs/query/{job_id}/results")
    assert (lost.headers["Sforce-NumberOfRecords"], len(rows(lost))) == ("6", 5)
    switches.sf_bulk_ends_early = True
    short = rest.get(f"/jobs/query/{job_id}/results", params={"maxRecords": "4"})
    assert short.headers["Sforce-Locator"] == "null"


def test_each_call_counts_and_needs_a_session(rest: Rest) -> None:
    before = rest.sandbox.salesforce.calls_used
    job_id = create(rest, "SELECT Id FROM Lead")
    job(rest, job_id)
    assert rest.sandbox.salesforce.calls_used == before + 2
    rest.sandbox.expire_tokens("salesforce")
    assert rest.get(f"/jobs/query/{job_id}/results").status_code == 401


def test_simple_salesforce_reads_it(rest: Rest) -> None:
    for number in range(7):
        rest.lead(LastName=f"Lead {number}", Description="one\ntwo")
    parts = list(library(rest).query("SELECT LastName, Description FROM Lead", max_records=3, wait=0))
    names = [row[0] for part in parts for row in list(csv.reader(io.StringIO(part, newline="")))[1:]]
    assert names == [f"Lead {number}" for number in range(7)]
    assert len(parts) == 3
    rest.sandbox.switches.sf_bulk_outcomes = ["Failed"]
    with pytest.raises(SalesforceOperationError):
        list(library(rest).query("SELECT Id FROM Lead", wait=0))
