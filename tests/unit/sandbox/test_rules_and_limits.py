"""Duplicate rules, too many long calls at once, and results of a Bulk job that are read in parallel."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox.rest import Rest
from tests.world import SimulatedWorld

ALLOW = {"Sforce-Duplicate-Rule-Header": "allowSave=true; includeRecordDetails=false; runAsCurrentUser=true"}


def lead(sandbox: Sandbox, number: int = 1, **values: Any) -> str:
    known = {"LastName": f"L{number}", "Company": "Acme", "Email": "ann@example.com"}
    return sandbox.create("salesforce", "Lead", {**known, **values})


# Duplicate rules


@pytest.mark.parametrize("action", ["block", "alert"])
def test_a_duplicate_is_refused_and_named(rest: Rest, sandbox: Sandbox, action: str) -> None:
    known = lead(sandbox)
    sandbox.switches.sf_duplicate_rules["Lead"] = ("Email", action)
    new = {"LastName": "New", "Company": "Acme", "Email": "ANN@example.com"}
    answer = rest.post("/sobjects/Lead", new)
    assert answer.status_code == 400
    (error,) = answer.json()
    assert error["errorCode"] == "DUPLICATES_DETECTED"
    result = error["duplicateResult"]
    assert result["allowSave"] is (action == "alert")
    (match,) = result["matchResults"]
    assert (match["size"], match["success"], match["entityType"]) == (1, True, "Lead")
    (found,) = match["matchRecords"]
    assert found["record"]["Id"] == known
    assert "LastName" not in found["record"]
    assert rest.query("SELECT COUNT() FROM Lead")["totalSize"] == 1


def test_an_alert_can_be_acknowledged_and_a_block_cannot(rest: Rest, sandbox: Sandbox) -> None:
    lead(sandbox)
    new = {"LastName": "New", "Company": "Acme", "Email": "ann@example.com"}
    sandbox.switches.sf_duplicate_rules["Lead"] = ("Email", "block")
    assert rest.post("/sobjects/Lead", new, headers=ALLOW).status_code == 400
    sandbox.switches.sf_duplicate_rules["Lead"] = ("Email", "alert")
    older = rest.call("POST", f"{rest.root}/services/data/v51.0/sobjects/Lead", json=new, headers=ALLOW)
    assert older.status_code == 400
    assert rest.post("/sobjects/Lead", new, headers=ALLOW).status_code == 201


def test_an_edit_may_meet_the_rule_as_well(rest: Rest, sandbox: Sandbox) -> None:
    first, second, other = lead(sandbox), lead(sandbox, 2), lead(sandbox, 3, Email="bob@example.com")
    sandbox.switches.sf_duplicate_rules["Lead"] = ("Email", "block")
    refused = rest.patch(f"/sobjects/Lead/{first}", {"Status": "MQL"})
    assert [one["errorCode"] for one in refused.json()] == ["DUPLICATES_DETECTED"]
    assert rest.patch(f"/sobjects/Lead/{other}", {"Status": "MQL"}).status_code == 204
    records = [{"attributes": {"type": "Lead"}, "id": one, "Status": "MQL"} for one in (first, second, other)]
    rows = rest.call("PATCH", "/composite/sobjects", json={"records": records}).json()
    assert [row["success"] for row in rows] == [False, False, True]
    assert rows[0]["errors"][0]["statusCode"] == "DUPLICATES_DETECTED"
    details = {"Sforce-Duplicate-Rule-Header": "includeRecordDetails=true"}
    shown = rest.call("PATCH", f"/sobjects/Lead/{first}", json={"Status": "MQL"}, headers=details).json()
    match = shown[0]["duplicateResult"]["matchResults"][0]["matchRecords"][0]
    assert match["record"]["LastName"] == "L2"
    sandbox.edit("salesforce", "Lead", first, {"Title": "VP"})  # people's own edits are no matter here


# Long calls


def test_too_many_long_calls_at_once(rest: Rest, sandbox: Sandbox, world: SimulatedWorld) -> None:
    sandbox.salesforce.occupy(24, 60)
    sandbox.salesforce.occupy(1, 30)
    assert rest.get("/limits").status_code == 200  # none has lasted twenty seconds yet
    world.advance(21)
    refused = rest.get("/limits")
    assert refused.status_code == 403
    assert refused.json() == [
        {
            "errorCode": "REQUEST_LIMIT_EXCEEDED",
            "message": "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
        }
    ]
    world.advance(10)  # one has ended
    assert rest.get("/limits").status_code == 200
    sandbox.switches.sf_concurrent_limit = 5
    assert rest.get("/limits").status_code == 403


# Parallel results


def done(rest: Rest, soql: str, version: str = "v62.0") -> str:
    body = {"operation": "query", "query": soql}
    made = rest.call("POST", f"{rest.root}/services/data/{version}/jobs/query", json=body)
    return str(made.json()["id"])


def test_results_that_are_read_in_parallel(rest: Rest, sandbox: Sandbox) -> None:
    leads = {lead(sandbox, number) for number in range(70)}
    sandbox.switches.sf_bulk_whole = 10
    job = done(rest, "SELECT Id FROM Lead")
    path, seen, pages = f"/jobs/query/{job}/resultPages", list[str](), list[int]()
    while path:
        answer = rest.get(path).json()
        pages.append(len(answer["resultPages"]))
        for page in answer["resultPages"]:
            result = rest.get(page["resultUrl"])
            assert result.headers["Sforce-NumberOfRecords"] == "10"
            seen += [row["Id"] for row in csv.DictReader(io.StringIO(result.text))]
        assert answer["done"] is (answer["nextRecordsUrl"] is None)
        path = answer["nextRecordsUrl"]
    assert pages == [5, 2]
    assert (len(seen), set(seen)) == (70, leads)


def test_parallel_results_have_a_version_and_a_state(rest: Rest, sandbox: Sandbox) -> None:
    job = done(rest, "SELECT Id FROM Lead")
    (page,) = rest.get(f"/jobs/query/{job}/resultPages").json()["resultPages"]
    assert rest.get(page["resultUrl"]).text.strip() == '"Id"'
    for resource in ("resultPages", "results"):
        other = rest.get(f"{rest.root}/services/data/v63.0/jobs/query/{job}/{resource}")
        assert other.status_code == 409
    old = done(rest, "SELECT Id FROM Lead", "v57.0")
    base = f"{rest.root}/services/data/v57.0/jobs/query/{old}"
    assert rest.get(f"{base}/resultPages").status_code == 404
    assert rest.get(f"{base}/results").status_code == 200
    sandbox.switches.sf_bulk_seconds = 60
    slow = done(rest, "SELECT Id FROM Lead")
    assert rest.get(f"/jobs/query/{slow}/resultPages").status_code == 400
