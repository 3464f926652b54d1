"""Bulk API 2.0 ingest jobs, by raw requests and through simple-salesforce."""

from __future__ import annotations

import pytest
import requests

from tests.unit.sandbox.rest import Rest
from tests.unit.sandbox.test_bulk_query import library, rows


def ingest(rest: Rest, operation: str, data: str, object_name: str = "Lead", **more: str) -> str:
    """Create a job, upload, close; its id."""
    body = {"operation": operation, "object": object_name, "contentType": "CSV", **more}
    made = rest.post("/jobs/ingest", body).json()
    assert made["state"] == "Open"
    url = f"{rest.root}/{made['contentUrl']}"
    assert rest.call("PUT", url, data=data.encode(), headers={"Content-Type": "text/csv"}).status_code == 201
    closed = rest.patch(f"/jobs/ingest/{made['id']}", {"state": "UploadComplete"})
    assert closed.json()["state"] == "UploadComplete"
    return str(made["id"])


def state(rest: Rest, job_id: str) -> tuple[str, int, int]:
    job = rest.get(f"/jobs/ingest/{job_id}").json()
    return job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]


def result(rest: Rest, job_id: str, which: str) -> list[dict[str, str]]:
    return rows(rest.get(f"/jobs/ingest/{job_id}/{which}"))


def test_update_leaves_empty_cells_alone_and_clears_by_na(rest: Rest) -> None:
    lead = rest.lead(
        FirstName="Ada", Title="CTO", Status="New", OwnerId=rest.sandbox.salesforce.org.person_id
    )
    other = rest.lead(Title="CFO")
    rest.sandbox.switches.sf_locked = {other}
    data = f"Id,Status,FirstName,Title\n{lead},MQL,,#N/A\n{other},MQL,,\n00Q000000000001AAA,MQL,,\n"
    job_id = ingest(rest, "update", data)
    assert state(rest, job_id) == ("JobComplete", 3, 2)
    assert result(rest, job_id, "successfulResults") == [
        {
            "sf__Id": lead,
            "sf__Created": "false",
            "Id": lead,
            "Status": "MQL",
            "FirstName": "",
            "Title": "#N/A",
        }
    ]
    failed = result(rest, job_id, "failedResults")
    assert [row["sf__Id"] for row in failed] == [other, "00Q000000000001AAA"]
    assert failed[0]["sf__Error"].startswith("UNABLE_TO_LOCK_ROW:")
    assert failed[0]["sf__Error"].endswith("--")
    assert result(rest, job_id, "unprocessedrecords") == []
    record = rest.sandbox.salesforce.record("Lead", lead)
    assert (record.get("Status"), record.get("FirstName"), record.get("Title")) == ("MQL", "Ada", None)
    assert (
        record.get("OwnerId") == rest.sandbox.salesforce.org.person_id
    )  # no assignment rule named: none fires
    written = rest.sandbox.ledger.entries(author="worker")
    assert {(entry.id, entry.field) for entry in written} == {(lead, "Status"), (lead, "Title")}


def test_insert_upsert_and_delete(rest: Rest) -> None:
    job_id = ingest(rest, "insert", 'LastName,Company\n"Line\nbreak",Acme\n,Acme\n')
    assert state(rest, job_id) == ("JobComplete", 2, 1)
    made = result(rest, job_id, "successfulResults")[0]
    assert made["sf__Created"] == "true"
    assert rest.sandbox.salesforce.record("Lead", made["sf__Id"]).get("LastName") == "Line\nbreak"
    error = result(rest, job_id, "failedResults")[0]["sf__Error"]
    assert error.startswith("REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]")
    upsert = ingest(
        rest,
        "upsert",
        f"Id,LastName,Company\n{made['sf__Id']},New name,\n,Another,Acme\n",
        externalIdFieldName="Id",
    )
    assert [row["sf__Created"] for row in result(rest, upsert, "successfulResults")] == ["false", "true"]
    soft = ingest(rest, "delete", f"Id\n{made['sf__Id']}\n")
    assert state(rest, soft) == ("JobComplete", 1, 0)
    assert rest.sandbox.salesforce.record("Lead", made["sf__Id"]).gone == "deleted"
    lead = rest.lead()
    ingest(rest, "hardDelete", f"Id\n{lead}\n")
    rest.get("/limits")
    with pytest.raises(KeyError):
        rest.sandbox.salesforce.record("Lead", lead)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("Id,Nothing__c\n", "InvalidBatch : Field name not found : Nothing__c"),
        ("Status\nMQL\n", "InvalidBatch : Field name not found : Id"),
        ("Id,Status\r\n00Q000000000001AAA,MQL\r\n", "ClientInputError : LineEnding is invalid on user data"),
        ("Id,Status\n00Q000000000001AAA\n", "InvalidBatch : The number of columns"),
        ('Id,Status\n"00Q,MQL\n', "ClientInputError"),
        ("", "InvalidBatch"),
    ],
)
def test_uploads_that_fail_as_a_whole(rest: Rest, data: str, words: str) -> None:
    job_id = ingest(rest, "update", data)
    job = rest.get(f"/jobs/ingest/{job_id}").json()
    assert job["state"] == "Failed"
    assert job["errorMessage"].startswith(words)


def test_a_job_that_stops_half_way(rest: Rest) -> None:
    ids = [rest.lead(Status="New") for _ in range(3)]
    rest.sandbox.switches.sf_bulk_unprocessed = 2
    job_id = ingest(rest, "update", "Id,Status\n" + "".join(f"{one},MQL\n" for one in ids))
    assert state(rest, job_id)[0] == "Failed"
    assert [row["Id"] for row in result(rest, job_id, "unprocessedrecords")] == ids[1:]
    assert [row["Id"] for row in result(rest, job_id, "successfulResults")] == ids[:1]


def test_the_order_of_a_jobs_life(rest: Rest) -> None:
    made = rest.post("/jobs/ingest", {"operation": "update", "object": "Lead"}).json()
    path = f"/jobs/ingest/{made['id']}"

    def put() -> requests.Response:
        return rest.call("PUT", f"{path}/batches", data=b"Id\n")

    assert rest.call("DELETE", path).status_code == 400
    assert rest.get(f"{path}/failedResults").status_code == 400
    assert put().status_code == 201
    assert put().json()[0]["errorCode"] == "INVALIDJOBSTATE"
    assert rest.patch(path, {"state": "Aborted"}).json()["state"] == "Aborted"
    assert rest.patch(path, {"state": "UploadComplete"}).status_code == 400
    assert rest.call("DELETE", path).status_code == 204
    assert rest.get(path).status_code == 404
    refused = rest.post("/jobs/ingest", {"operation": "update", "object": "Nothing__c"})
    assert refused.json()[0]["errorCode"] == "INVALIDENTITY"
    refused = rest.post(
        "/jobs/ingest", {"operation": "upsert", "object": "Lead", "externalIdFieldName": "Email"}
    )
    assert refused.json()[0]["errorCode"] == "INVALIDJOB"


def test_simple_salesforce_writes_by_it(rest: Rest) -> None:
    ids = [rest.lead(Status="New", Title="CTO") for _ in range(3)]
    bulk = library(rest)
    records = [{"Id": one, "Status": "MQL", "Title": "#N/A"} for one in ids]
    results = bulk.update(records=records, wait=0)
    assert results[0]["numberRecordsProcessed"] == 3
    assert results[0]["numberRecordsFailed"] == 0
    found = bulk.get_all_ingest_records(results[0]["job_id"])
    assert {row["sf__Id"] for row in found["successfulRecords"]} == set(ids)
    assert found["failedRecords"] == []
    assert rest.sandbox.salesforce.record("Lead", ids[0]).get("Title") is None


@pytest.mark.parametrize("in_order", [True, False])
def test_results_need_not_come_in_the_order_of_the_rows(rest: Rest, in_order: bool) -> None:
    rest.sandbox.switches.sf_bulk_in_order = in_order
    data = "LastName,Company\nAnn,Acme\nBob,Acme\nCid,Acme\n"
    job_id = ingest(rest, "insert", data)
    names = [row["LastName"] for row in result(rest, job_id, "successfulResults")]
    assert names == (["Ann", "Bob", "Cid"] if in_order else ["Cid", "Bob", "Ann"])
