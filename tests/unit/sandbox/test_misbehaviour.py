from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests

from connectors.sandbox.core import Request
from connectors.sandbox.faults import Match
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox.rest import Rest


def edits(rest: Rest) -> int:
    return len(rest.sandbox.ledger.entries(author="worker"))


def change(rest: Rest, lead: str, status: str = "MQL") -> requests.Response:
    return rest.patch(f"/sobjects/Lead/{lead}", {"Status": status}, Sforce_Auto_Assign="FALSE")


def test_status_html_empty_and_wrong_json_replace_the_effect(rest: Rest) -> None:
    lead, faults = rest.lead(), rest.sandbox.faults
    faults.salesforce_error(503, "SERVER_UNAVAILABLE", "busy", method="PATCH")
    assert change(rest, lead).json() == [{"message": "busy", "errorCode": "SERVER_UNAVAILABLE"}]
    faults.arm("html", status=431, path="/sobjects/Lead")
    page = change(rest, lead)
    assert (page.status_code, page.headers["Content-Type"]) == (431, "text/html;charset=utf-8")
    faults.arm("empty", status=200)
    assert change(rest, lead).content == b""
    faults.arm("wrong_json")
    assert change(rest, lead).json() == {"unexpected": [1, 2, 3]}
    assert edits(rest) == 0
    assert change(rest, lead).status_code == 204
    assert edits(rest) == 1


def test_faults_after_the_effect(rest: Rest) -> None:
    lead = rest.lead()
    rest.sandbox.faults.arm("status", status=500, after=True)
    assert change(rest, lead).status_code == 500
    assert edits(rest) == 1


@pytest.mark.parametrize(("kind", "effects"), [("drop_before", 0), ("drop_after", 1)])
def test_dropped_connections(rest: Rest, kind: str, effects: int) -> None:
    lead = rest.lead()
    rest.sandbox.faults.arm(kind, method="PATCH")
    with pytest.raises(requests.ConnectionError):
        change(rest, lead)
    assert edits(rest) == effects
    assert rest.sandbox.requests[-1].status == 0
    assert change(rest, lead).status_code == 204


def test_cut_bodies(rest: Rest) -> None:
    rest.lead()
    rest.sandbox.faults.arm("cut", path="query")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        rest.query("SELECT Id FROM Lead")


def test_slow_answers(rest: Rest) -> None:
    rest.sandbox.faults.arm("drip", seconds=0.2)
    begun = time.monotonic()
    assert rest.get("/limits").json()["DailyApiRequests"]["Max"] == 100_000
    assert time.monotonic() - begun > 0.15
    rest.sandbox.faults.arm("hang", seconds=30)
    with pytest.raises(requests.ReadTimeout):
        rest.session.get(f"{rest.base}/limits", timeout=0.1)
    rest.sandbox.faults.arm("delay", seconds=0.1)
    begun = time.monotonic()
    rest.get("/limits")
    assert time.monotonic() - begun > 0.09


def test_skip_and_count_pick_the_requests(rest: Rest) -> None:
    rest.sandbox.faults.arm("status", status=500, path="limits", skip=1, count=2)
    rest.get("/query", params={"q": "SELECT Id FROM Lead"})
    assert [rest.get("/limits").status_code for _ in range(4)] == [200, 500, 500, 200]
    rest.sandbox.faults.arm("status", status=500, count=None)
    assert [rest.get("/limits").status_code for _ in range(3)] == [500, 500, 500]
    rest.sandbox.faults.disarm()
    assert rest.get("/limits").status_code == 200


def test_faults_by_query_body_and_crm(rest: Rest) -> None:
    faults = rest.sandbox.faults
    faults.arm("status", status=500, query="FROM Contact")
    faults.arm("status", status=502, body_match='"Title"')
    faults.arm("status", status=503, crm="hubspot")
    assert rest.get("/query", params={"q": "SELECT Id FROM Lead"}).status_code == 200
    assert rest.get("/query", params={"q": "SELECT Id FROM Contact"}).status_code == 500
    lead = rest.lead()
    assert change(rest, lead).status_code == 204
    assert rest.patch(f"/sobjects/Lead/{lead}", {"Title": "CEO"}).status_code == 502
    assert requests.get(f"{rest.sandbox.hubspot_url}/crm/v3/owners", timeout=10).status_code == 503


@pytest.mark.parametrize("policy", ["TEN_SECONDLY_ROLLING", "SECONDLY", "DAILY"])
def test_rate_limit_bodies(rest: Rest, policy: str) -> None:
    rest.sandbox.faults.rate_limit(policy, retry_after=3)
    answer = requests.get(f"{rest.sandbox.hubspot_url}/crm/v3/owners", timeout=10)
    assert answer.status_code == 429
    assert (answer.json()["policyName"], answer.headers["Retry-After"]) == (policy, "3")
    assert answer.json()["message"] == f"You have reached your {policy.lower()} limit."


def test_an_unknown_kind_is_a_mistake(rest: Rest) -> None:
    with pytest.raises(ValueError, match="expected one of status, html"):
        rest.sandbox.faults.arm("explode")


def test_a_person_edits_between_read_and_write(rest: Rest) -> None:
    lead, seen = rest.lead(), []

    def person(request: Request) -> None:
        seen.append(request.path)
        rest.sandbox.edit("salesforce", "Lead", lead, {"Status": "Working - Contacted"})

    rest.sandbox.steps.before(Match(method="PATCH", path="/sobjects/Lead/"), person)
    rest.sandbox.steps.after(Match(method="PATCH", skip=1), person)
    assert change(rest, lead).status_code == 204
    assert change(rest, lead, "Recycled").status_code == 204
    told = [(entry.after, entry.author) for entry in rest.sandbox.ledger.entries(field="Status")]
    assert told == [
        ("Working - Contacted", "person"),
        ("MQL", "worker"),
        ("Recycled", "worker"),
        ("Working - Contacted", "person"),
    ]
    assert len(seen) == 2
    numbers = [entry.request for entry in rest.sandbox.ledger.entries(field="Status")]
    log = {one.n: one for one in rest.sandbox.requests}
    assert numbers[0] == 0
    assert log[numbers[1]].method == "PATCH"


def test_a_step_that_fails_is_told(sandbox: Sandbox) -> None:
    rest = Rest(sandbox)

    def broken(_request: Request) -> None:
        raise RuntimeError("my test is wrong")

    sandbox.steps.before(Match(path="limits"), broken)
    assert rest.get("/limits").status_code == 500
    assert "my test is wrong" in sandbox.errors.pop()


def test_the_log_keeps_what_writes_said(rest: Rest) -> None:
    lead = rest.lead()
    change(rest, lead)
    rest.query("SELECT Id FROM Lead")
    patch, query = rest.sandbox.requests[-2:]
    assert json.loads(patch.body) == {"Status": "MQL"}
    assert (query.body, query.query) == ("", "q=SELECT Id FROM Lead")
    assert rest.sandbox.requests[0].body == ""  # credentials are not kept


def test_heads_that_are_too_long(rest: Rest) -> None:
    long = rest.session.get(f"{rest.base}/query?q={'x' * 17_000}", timeout=10)
    assert (long.status_code, long.headers["Content-Type"]) == (414, "text/html;charset=iso-8859-1")
    wide = rest.session.get(f"{rest.base}/limits", headers={"X-Wide": "x" * 16_300}, timeout=10)
    assert wide.status_code == 431


def test_one_connection_serves_many_requests(rest: Rest) -> None:
    parts = urlsplit(rest.root)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as raw:
        reader = raw.makefile("rb")
        for _ in range(3):
            raw.sendall(b"GET /services/data HTTP/1.1\r\nHost: x\r\n\r\n")
            assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
            length = 0
            while (line := reader.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            assert json.loads(reader.read(length))[0]["version"] == "50.0"
        raw.sendall(b"nonsense\r\n\r\n")
        assert reader.readline().startswith(b"HTTP/1.1 400")
        assert b"Bad Message" in reader.read()


def test_many_clients_at_once(rest: Rest) -> None:
    ids = [rest.lead() for _ in range(8)]

    def work(lead: str) -> int:
        own = Rest(rest.sandbox)
        for number in range(15):
            assert own.patch(f"/sobjects/Lead/{lead}", {"Title": f"T{number}"}).status_code == 204
            assert own.get(f"/sobjects/Lead/{lead}?fields=Title").json()["Title"] == f"T{number}"
        return 15

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, ids)) == 120
    assert len(rest.sandbox.ledger.entries(field="Title")) == 120
    assert [entry.n for entry in rest.sandbox.ledger.entries()] == list(
        range(1, len(rest.sandbox.ledger) + 1)
    )
    assert sorted(one.n for one in rest.sandbox.requests) == list(range(1, len(rest.sandbox.requests) + 1))


def test_http_1_0_ends_with_the_answer(rest: Rest) -> None:
    parts = urlsplit(rest.root)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as raw:
        raw.sendall(b"GET /services/data HTTP/1.0\r\n\r\n")
        assert raw.makefile("rb").read().endswith(b"]")


def test_chunked_requests(rest: Rest) -> None:
    body = json.dumps({"LastName": "Doe", "Company": "Acme"}).encode()
    pieces = (body[start : start + 7] for start in range(0, len(body), 7))
    assert rest.session.post(f"{rest.base}/sobjects/Lead", data=pieces, timeout=10).status_code == 201
