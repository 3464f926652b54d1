from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox.rest import Rest

ROOT = Path(__file__).parents[3]


class Control:
    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **params: Any) -> Any:
        answer = requests.get(self.url + path, params=params, headers=self.headers, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        answer = requests.post(self.url + path, json=body, headers=self.headers, timeout=10)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
def control(sandbox: Sandbox) -> Control:
    return Control(sandbox.control_url, sandbox.control_token)


def test_the_token_is_needed(sandbox: Sandbox) -> None:
    assert requests.get(f"{sandbox.control_url}/state", timeout=10).status_code == 401
    wrong = {"Authorization": "Bearer wrong"}
    assert requests.post(f"{sandbox.control_url}/edit", json={}, headers=wrong, timeout=10).status_code == 401


def test_edits_ledger_and_state(control: Control, rest: Rest) -> None:
    lead = control.post(
        "/edit",
        {
            "action": "create",
            "crm": "salesforce",
            "object": "Lead",
            "values": {"LastName": "Doe", "Company": "A"},
        },
    )["result"]
    control.post("/edit", {"crm": "salesforce", "object": "Lead", "id": lead, "fields": {"Status": "MQL"}})
    entries = control.get("/ledger", since=1)["entries"]
    assert [(entry["field"], entry["after"], entry["author"]) for entry in entries] == [
        ("Status", "MQL", "person")
    ]
    state = control.get("/state", crm="salesforce", object="Lead")
    assert state["counts"]["salesforce"]["Lead"] == 1
    assert state["records"][lead]["values"]["Status"] == "MQL"
    assert control.post("/edit", {"action": "convert", "lead_id": lead})["result"]["contact"].startswith(
        "003"
    )
    control.post("/edit", {"action": "delete", "crm": "salesforce", "object": "Lead", "id": lead})
    state = control.get("/state", crm="salesforce", object="Lead", id=lead)
    assert state["records"][lead]["gone"] == "deleted"
    control.post("/edit", {"action": "expire_tokens", "crm": "salesforce"})
    assert rest.get("/limits").status_code == 401
    assert [one["status"] for one in control.get("/requests", since=1)["requests"]] == [401]


def test_clock_faults_steps_and_switches(control: Control, rest: Rest, sandbox: Sandbox) -> None:
    before = sandbox.clock()
    assert control.post("/clock", {"advance": 90})["now"] == before + 90
    assert control.post("/clock", {"offset": 10})["now"] == before + 10
    lead = rest.lead()
    control.post("/faults", {"kind": "status", "status": 500, "path": "limits"})
    assert [rest.get("/limits").status_code for _ in range(2)] == [500, 200]
    control.post("/faults", {"rate_limit": "DAILY"})
    assert requests.get(f"{sandbox.hubspot_url}/crm/v3/owners", timeout=10).status_code == 429
    control.post("/faults", {"kind": "status", "status": 500, "count": None})
    control.post("/faults", {"disarm": True})
    edit = {"crm": "salesforce", "object": "Lead", "id": lead, "fields": {"Status": "New"}}
    control.post("/steps", {"when": "after", "match": {"path": "limits"}, "do": edit})
    rest.get("/limits")
    assert rest.get(f"/sobjects/Lead/{lead}").json()["Status"] == "New"
    control.post("/switches", {"sf_daily_limit": 7, "sf_absent": ["Task"]})
    assert sandbox.switches.sf_daily_limit == 7
    assert sandbox.switches.sf_absent == {"Task"}


def test_what_only_one_crm_can_do(control: Control, rest: Rest, sandbox: Sandbox) -> None:
    lead = {"object": "Lead", "id": rest.lead()}
    control.post(
        "/edit", {"action": "salesforce.edit_late", **lead, "fields": {"Status": "MQL"}, "seconds": 60}
    )
    assert control.post("/clock", {"advance": 61})["released"] == 1
    assert rest.get(f"/sobjects/Lead/{lead['id']}").json()["Status"] == "MQL"
    control.post("/edit", {"action": "salesforce.purge", **lead})
    assert rest.query("SELECT Id FROM Lead", "queryAll")["records"] == []
    control.post("/edit", {"action": "salesforce.spend_calls", "calls": 99_000})
    assert rest.get("/limits").json()["DailyApiRequests"]["Remaining"] < 1000
    control.post("/edit", {"action": "hubspot.purge", **lead}, 400)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/edit", {"action": "stop"}),
        ("/edit", {"crm": "salesforce", "object": "Lead", "id": "00Q5g00000zzzzzEAA", "fields": {}}),
        ("/edit", {"crm": "elsewhere", "object": "Lead", "id": "1", "fields": {}}),
        ("/faults", {"kind": "explode"}),
        ("/steps", {"when": "whenever", "do": {}}),
        ("/switches", {"no_such": 1}),
        ("/nowhere", {}),
    ],
)
def test_mistakes_are_told(control: Control, path: str, body: dict[str, Any]) -> None:
    assert "error" in control.post(path, body, 400)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    command = [
        sys.executable,
        "-m",
        "connectors.sandbox",
        "--json",
        "--people",
        "30",
        "--days",
        "30",
        "--offset",
        "3600",
    ]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        yield child
        if child.poll() is None:
            child.kill()


def test_as_a_process_it_tells_where_it_is_and_ends_with_its_stdin(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told.keys() == {"salesforce_url", "hubspot_url", "control_url", "control_token", "credentials"}
    assert told["credentials"]["salesforce"].keys() >= {
        "client_id",
        "client_secret",
        "username",
        "password",
        "security_token",
    }
    state = Control(told["control_url"], told["control_token"]).get("/state")
    assert state["counts"]["salesforce"]["Lead"] + state["counts"]["salesforce"]["Contact"] > 5
    assert state["counts"]["hubspot"]["contacts"] > 5
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    assert process.stdout.read() == ""
    with pytest.raises(requests.ConnectionError):
        requests.get(told["control_url"], timeout=2)
