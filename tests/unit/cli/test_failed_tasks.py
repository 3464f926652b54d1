"""Tasks of hand-offs that a CRM refused: listed, tried again, given up; and the right to make them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.site import Site, made

pytestmark = pytest.mark.sqlite("about what a CRM refuses and the command shows")
REFUSED = [{"message": "insufficient access rights", "errorCode": "INSUFFICIENT_ACCESS", "fields": []}]
ASKED = '# [writeback.salesforce]\n# hand_off = "task"                   # one Task'


def pair(site: Site) -> None:
    site.pair("anna@acme.example")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site whose only task was refused by Salesforce."""
    for one in made(tmp_path, seed=pair):
        one.unasked()
        one.replace(ASKED, '[writeback.salesforce]\nhand_off = "task"                   # one Task')
        one.sandbox.faults.arm(
            "status", crm="salesforce", path="/sobjects/Task$", count=None, status=400, body=REFUSED
        )
        report = one.sync(code=3, after=3600)
        assert [problem["code"] for problem in report["problems"]] == ["TASK_REFUSED"]
        yield one


def failed(site: Site) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = site.json("failed", "list")["failed"]
    return rows


def made_tasks(site: Site) -> list[dict[str, Any]]:
    return [record.values for record in site.sandbox.store.table("salesforce", "Task").alive()]


def test_it_is_listed_and_status_counts_it(site: Site) -> None:
    (row,) = failed(site)
    assert (row["cause"], row["object"], row["field"]) == ("SF-TASK-INSUFFICIENT_ACCESS", "Lead", "hand_off")
    assert row["attempts"] == 1
    assert "right to make and see a task" in row["remedy"]
    assert row["intent_id"] in site.run("failed", "list").out
    status = site.json("status")
    assert status["state"] == "degraded"
    assert "1 failure (`mqlsync failed list`)" in status["reasons"]
    assert status["parked"] == 0, "the books are about values of fields"


@pytest.mark.parametrize("how", ["id", "cause", "all"])
def test_a_retry_makes_it_once_with_its_words(site: Site, how: str) -> None:
    (row,) = failed(site)
    site.sandbox.faults.disarm()
    which = {"id": [row["intent_id"][:6]], "cause": ["--cause", row["cause"]], "all": ["--all"]}[how]
    assert site.json("failed", "retry", *which, "--dry-run")["changed"] == 1
    assert len(failed(site)) == 1
    assert site.json("failed", "retry", *which)["changed"] == 1
    assert failed(site) == []
    assert site.json("audit")["audit"][0]["action"] == "retry"
    assert made_tasks(site) == []
    site.sync(after=300)
    (task,) = made_tasks(site)
    assert "MQL since" in task["Description"]
    assert row["intent_id"] in task["Subject"]
    site.sync(after=300)
    assert len(made_tasks(site)) == 1


def test_what_was_made_all_the_same_is_not_made_again(site: Site) -> None:
    """The CRM's answer was an error, and the task stood there."""
    (row,) = failed(site)
    site.sandbox.faults.disarm()
    lead = site.sandbox.store.table("salesforce", "Lead").alive()
    values = {"Subject": f"New MQL [mqlsync:{row['intent_id']}]", "WhoId": next(iter(lead)).id}
    site.sandbox.create("salesforce", "Task", values, author="worker")
    site.ok("failed", "retry", "--all")
    site.sync(after=300)
    assert len(made_tasks(site)) == 1
    assert failed(site) == []


def test_one_that_is_given_up_never_comes_back(site: Site) -> None:
    (row,) = failed(site)
    site.sandbox.faults.disarm()
    assert site.json("failed", "skip", row["intent_id"], "--reason", "too late")["changed"] == 1
    assert failed(site) == []
    site.sync(after=300)
    assert made_tasks(site) == []
    assert site.run("failed", "retry", row["intent_id"]).code == 7


# --- may we make them? --------------------------------------------------------------------------------


def told(site: Site, code: int = 0) -> list[tuple[str, str, str]]:
    report = site.json("doctor", code=code)
    return [
        (one["crm"], one["level"], one["message"]) for one in report["checks"] if one["check"] == "hand_off"
    ]


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Site]:
    for one in made(tmp_path, seed=pair):
        one.replace(ASKED, '[writeback.salesforce]\nhand_off = "task"                   # one Task')
        one.settings('\n[writeback.hubspot]\nhand_off = "note"\n')
        yield one


def test_doctor_says_nothing_of_tasks_that_nobody_wants(tmp_path: Path) -> None:
    for site in made(tmp_path):
        assert told(site) == []


def test_doctor_sees_that_tasks_may_be_made(asked: Site) -> None:
    assert told(asked) == [
        ("salesforce", "ok", "a task may be made for each hand-off"),
        ("hubspot", "ok", "a note may be made for each hand-off"),
    ]


def test_doctor_says_which_right_is_missing(asked: Site) -> None:
    asked.sandbox.switches.hs_missing_scopes.add("crm.objects.contacts.write")
    asked.sandbox.switches.sf_read_only.add("Task")
    assert told(asked, code=4) == [
        ("salesforce", "error", "no task can be made: our user has no right to create a Task"),
        (
            "hubspot",
            "error",
            "no note can be made: the token has no scope crm.objects.contacts.write, which a note needs",
        ),
    ]


def test_doctor_says_that_it_cannot_know(asked: Site) -> None:
    asked.sandbox.switches.hs_absent.add("/oauth/v2/private-apps")
    assert told(asked)[1] == (
        "hubspot",
        "note",
        "whether a note may be made for each hand-off, the CRM does not tell",
    )
