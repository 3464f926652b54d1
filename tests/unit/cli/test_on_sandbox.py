"""Every reporting command on two simulated CRMs: its JSON contract, its table, its exit code."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.sandbox import Sandbox
from sync.mirror.engine import Mirror
from sync.mirror.lease import Lease
from tests.databases import mirror_url
from tests.unit.cli.runner import Ran, run
from tests.unit.cli.test_clean import harmless
from tests.world import SimulatedWorld


class Site:
    """A set-up as a user has it: a folder, an environment, two CRMs."""

    def __init__(self, sandbox: Sandbox, world: SimulatedWorld, folder: Path) -> None:
        self.sandbox, self.world, self.folder = sandbox, world, folder
        salesforce, hubspot = sandbox.credentials["salesforce"], sandbox.credentials["hubspot"]
        self.environ = {
            "MQLSYNC_CONFIG_DIR": str(folder),
            "MQLSYNC_DATABASE_URL": mirror_url(folder),
            "MQLSYNC_SALESFORCE__LOGIN_URL": sandbox.salesforce_url,
            "MQLSYNC_SALESFORCE__CLIENT_ID": salesforce["client_id"],
            "MQLSYNC_SALESFORCE__CLIENT_SECRET": salesforce["client_secret"],
            "MQLSYNC_HUBSPOT__BASE_URL": sandbox.hubspot_url,
            "MQLSYNC_HUBSPOT__ACCESS_TOKEN": hubspot["access_token"],
        }
        assert self.run("init").code == 0

    def run(self, *argv: str, **environ: str) -> Ran:
        """One call; its secrets are in nothing it printed."""
        ran = run(*argv, environ={**self.environ, **environ}, world=self.world)
        for name in ("MQLSYNC_SALESFORCE__CLIENT_SECRET", "MQLSYNC_HUBSPOT__ACCESS_TOKEN"):
            assert self.environ.get(name, "\0") not in ran.out + ran.err
        assert "Traceback" not in ran.err
        return ran

    def json(self, *argv: str, code: int = 0) -> Any:
        """The answer of a call that ends with `code`."""
        ran = self.run(*argv, "--json")
        assert ran.code == code, ran.err
        answer = json.loads(ran.out)
        assert answer["schema_version"] == 1
        return answer

    def settings(self, more: str) -> None:
        """Add to mqlsync.toml."""
        with (self.folder / "mqlsync.toml").open("a", encoding="utf-8") as file:
            file.write(more)


def made(folder: Path, people: int) -> Iterator[Site]:
    world = SimulatedWorld()
    with Sandbox(clock=world.clock) as sandbox:
        sandbox.populate(seed=7, people=people, days=90)
        yield Site(sandbox, world, folder)
    assert sandbox.errors == []


@pytest.fixture
def site(tmp_path: Path, database: str) -> Iterator[Site]:
    """A fresh one for a test that changes it."""
    yield from made(tmp_path, people=20)


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Site]:
    """One that was synced and approved; tests only look at it."""
    for site in made(tmp_path_factory.mktemp("site"), people=200):
        assert site.run("sync").code == 6
        assert site.run("approve").code == 0
        yield site


@pytest.fixture(scope="module")
def mql(synced: Site) -> dict[str, Any]:
    """Somebody who is an MQL by their own behaviour."""
    people = synced.json("people", "--stage", "mql")["people"]
    return next(person for person in people if person["mql"]["entered_by"] != "crm" and person["emails"])


# --- looking ---------------------------------------------------------------------------------------


def test_people(synced: Site) -> None:
    people = synced.json("people")["people"]
    assert len(people) > 150
    keys = "person_id emails name company records stage suppressed ambiguous score mql"
    assert set(people[0]) == set(keys.split())
    assert set(people[0]["score"]) == {"total", "fit", "engagement", "grade", "model", "version", "as_of"}
    for person in people:
        score = person["score"]
        assert score["total"] == pytest.approx(score["fit"] + score["engagement"], abs=1e-9)
    lines = synced.run("people", "--jsonl").out.splitlines()
    assert [json.loads(line)["person_id"] for line in lines] == [person["person_id"] for person in people]


def test_people_of_a_stage_as_table_and_csv(synced: Site, mql: dict[str, Any]) -> None:
    table = synced.run("people", "--stage", "mql")
    assert mql["name"] in table.out
    assert table.err.endswith(" people\n")
    rows = list(csv.DictReader(io.StringIO(synced.run("people", "--stage", "mql", "--csv", "-").out)))
    assert {row["stage"] for row in rows} == {"mql"}
    assert mql["person_id"] in {row["person_id"] for row in rows}


def test_people_as_of_another_day_have_other_scores_and_todays_stages(synced: Site) -> None:
    today = {person["person_id"]: person for person in synced.json("people")["people"]}
    past = synced.json("people", "--as-of", "2026-09-01")["people"]
    assert {person["score"]["as_of"] for person in past if person["score"]} == {"2026-09-01T00:00:00Z"}
    assert [person["stage"] for person in past] == [today[person["person_id"]]["stage"] for person in past]
    changed = sum(person["score"]["total"] != today[person["person_id"]]["score"]["total"] for person in past)
    assert changed > len(past) // 4


def test_an_explanation_adds_up(synced: Site, mql: dict[str, Any]) -> None:
    by_email = synced.json("person", "explain", mql["emails"][0])
    assert by_email == synced.json("person", "explain", mql["person_id"])
    assert sum(hit["points"] for hit in by_email["hits"]) == pytest.approx(
        by_email["score"]["total"], abs=1e-9
    )
    assert by_email["stage"] == "mql"
    text = synced.run("person", "explain", mql["records"][0]["id"]).out
    assert by_email["summary"] in text
    assert all(hit["text"] in text for hit in by_email["hits"])


def test_one_person_with_records_and_writes(synced: Site, mql: dict[str, Any]) -> None:
    answer = synced.json("person", "show", mql["person_id"])
    assert {"crm", "object", "id", "status", "lifecycle", "owner"} == set(answer["records"][0])
    assert {write["state"] for write in answer["writes"]} == {"verified"}
    timeline = synced.json("person", "timeline", mql["person_id"], "--limit", "10")["timeline"]
    assert len(timeline) == 10
    assert [one["at"] for one in timeline] == sorted((one["at"] for one in timeline), reverse=True)
    assert {"engagement", "spell", "write"} >= {one["kind"] for one in timeline}
    assert "became an MQL" in synced.run("person", "timeline", mql["person_id"]).out
    assert mql["company"] in synced.run("person", "show", mql["person_id"]).out


def test_nobody_is_7(synced: Site) -> None:
    for command in ("show", "explain", "timeline"):
        ran = synced.run("person", command, "nobody@nowhere.example", "--json")
        assert (ran.code, ran.out) == (7, "")
        assert "mqlsync resync nobody@nowhere.example" in ran.err


def test_watching_ends_when_not_all_is_well(synced: Site) -> None:
    class Hasty(SimulatedWorld):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds * 20_000)

    world = Hasty(start=synced.world.now())
    ran = run("status", "--watch", "--check", "--json", environ=synced.environ, world=world)
    states = [json.loads(line)["state"] for line in ran.out.splitlines()]
    assert (ran.code, states) == (3, ["ok", "degraded"])


def test_status_runs_and_budget(synced: Site) -> None:
    status = synced.json("status")
    assert status["state"] == "ok"
    assert set(status["fresh_seconds"]) == {"salesforce", "hubspot"}
    assert all(0 <= seconds < 3600 for seconds in status["fresh_seconds"].values())
    assert status["budget"]["salesforce"]["limit"] > 0
    assert synced.run("status", "--check").code == 0
    runs = synced.json("runs")["runs"]
    assert [(one["kind"], one["state"]) for one in runs[-2:]] == [("approve", "ok"), ("sync", "blocked")]
    assert set(synced.json("budget")["budget"]) == {"salesforce", "hubspot"}
    for command in ("status", "runs", "budget"):
        assert synced.run(command).out


def test_a_plan_with_nothing_to_do(synced: Site) -> None:
    assert synced.json("plan")["changes"] == []
    assert synced.run("plan", "--detailed-exitcode").code == 0


def test_the_database_is_whole(synced: Site) -> None:
    assert synced.json("db", "verify")["damage"] == []
    assert synced.json("db", "stats")["rows"]["person"] > 150


def test_models(synced: Site) -> None:
    (model,) = synced.json("model", "lint")["models"]
    assert (model["name"], model["status"]) == ("b2b-default", "live")
    assert "15 of 256 combinations" in model["findings"][0]
    assert synced.json("model", "publish")["published"] is False  # the first pass published it
    assert synced.run("model", "publish", "b2b-defualt").code == 7


def test_what_another_model_would_change(synced: Site, tmp_path: Path) -> None:
    text = (synced.folder / "scoring.toml").read_text(encoding="utf-8")
    stricter = tmp_path / "next.toml"
    stricter.write_text(
        text.replace("version = 1", "version = 2").replace("fit = 15 }]", "fit = 25 }]"), encoding="utf-8"
    )
    found = synced.json("model", "diff", "b2b-default@1", str(stricter))
    assert (found["a"]["version"], found["b"]["version"]) == (1, 2)
    assert found["enters"] == []
    assert found["a"]["qualify"] - found["b"]["qualify"] == len(found["leaves"]) > 0
    assert sum(owner["a"] for owner in found["owners"]) == found["a"]["qualify"]
    said = synced.run("model", "diff", "b2b-default", str(stricter))
    assert f"{len(found['leaves'])} leaves" in said.out
    assert synced.run("model", "diff", "b2b-default", "b2b-default@9").code == 7


def test_doctor_finds_nothing_wrong(synced: Site) -> None:
    answer = synced.json("doctor")
    assert answer["ok"] is True
    levels = {(one["check"], one["crm"]): one["level"] for one in answer["checks"]}
    for crm in ("salesforce", "hubspot"):
        for check in ("sign_in", "clock", "quota", "feeds", "write_back"):
            assert levels[check, crm] == "ok"
    assert levels["routing", None] == "warning"  # the template names no members
    text = synced.run("doctor").out
    assert "ok       Salesforce: signed in at " in text
    assert text.endswith(" warnings\n")


# --- doing -----------------------------------------------------------------------------------------


def test_a_first_pass_waits_and_a_rejected_plan_is_dropped(site: Site) -> None:
    dry = site.json("sync", "--dry-run")
    assert dry["outcome"] == "ok"
    assert site.sandbox.ledger.entries(author="worker") == []
    blocked = site.run("sync")
    assert blocked.code == 6
    assert "mqlsync approve" in blocked.err
    assert site.run("status", "--check").code == 6
    plan = site.json("plan")
    assert plan["blocked_by"]
    size = len(plan["changes"])
    assert site.run("plan", "--detailed-exitcode").code == 8
    wrong = site.run("approve", "--confirm", str(size + 1))
    assert (wrong.code, f"has {size:,} changes" in wrong.err) == (2, True)
    assert site.json("reject", plan["digest"][:6]) == {
        "schema_version": 1, "digest": plan["digest"], "dropped": size,
    }  # fmt: skip
    assert site.run("reject").code == 7
    assert site.run("approve", plan["digest"]).code == 9
    assert site.sandbox.ledger.entries(author="worker") == []


def test_one_crm_alone_is_a_valid_set_up(site: Site) -> None:
    del site.environ["MQLSYNC_HUBSPOT__ACCESS_TOKEN"]
    answer = site.json("sync", "--dry-run")
    assert set(answer["pull"]) == {"salesforce"}
    notes = [one for one in site.json("doctor")["checks"] if one["crm"] == "hubspot"]
    assert [one["level"] for one in notes] == ["note"]


def test_only_some_stages(site: Site) -> None:
    answer = site.json("sync", "--only", "pull", "--crm", "salesforce")
    assert set(answer["pull"]) == {"salesforce"}
    assert answer["match"]["people"] == 0


def test_pausing_is_kept_until_resumed(site: Site) -> None:
    assert site.run("pause", "hubspot.contacts", "--reason", "a migration").code == 0
    assert site.json("status")["state"] == "paused"
    assert "hubspot.contacts is paused: a migration" in site.run("status").out
    assert site.run("status", "--check").code == 3
    assert site.run("resume").out == "all was not paused\n"
    assert site.run("resume", "hubspot.contacts").code == 0
    assert site.json("status")["state"] != "paused"


def test_failed_changes_are_listed_retried_and_skipped(site: Site) -> None:
    site.settings("\n[routing]\nunowned = []\n")
    site.run("sync")
    refusal = {"status": "error", "category": "VALIDATION_ERROR", "message": "not today"}
    faults = site.sandbox.faults
    faults.arm(
        "status",
        crm="hubspot",
        method="POST",
        path="contacts/batch/update$",
        count=None,
        status=400,
        body=refusal,
    )
    faults.arm(
        "status", crm="hubspot", method="PATCH", path=r"contacts/\d+$", count=None, status=400, body=refusal
    )
    approved = site.run("approve")
    failed = site.json("failed", "list")["failed"]
    if not failed:
        pytest.skip("this population has no HubSpot change")
    assert approved.code == 3
    assert {"cause", "crm", "object", "id", "field", "message", "remedy", "since", "attempts"} <= set(
        failed[0]
    )
    assert failed[0]["cause"] in site.run("failed", "list").out
    assert site.run("status", "--check").code == 3
    first = failed[0]["intent_id"]
    assert site.json("failed", "skip", first, "--reason", "gone to a partner")["changed"] == 1
    assert site.run("failed", "skip", first, "--reason", "again").code == 7
    faults.disarm()
    assert site.json("failed", "retry", "--all")["changed"] == len(failed) - 1
    assert site.run("sync").code == 0
    assert site.json("failed", "list")["failed"] == []


def test_resync_of_one_person_says_why_nothing_changed(synced: Site, mql: dict[str, Any]) -> None:
    answer = synced.json("resync", mql["emails"][0])
    assert answer["person"]["person_id"] == mql["person_id"]
    assert answer["run"]["outcome"] == "ok"
    assert len(answer["fields"]) >= 2
    assert all(one["why"] for one in answer["fields"])
    text = synced.run("resync", mql["records"][0]["id"]).out
    assert answer["person"]["summary"] in text
    assert "left alone" in text


def test_resync_of_an_object(synced: Site) -> None:
    ran = synced.json("resync", "--crm", "hubspot", "--object", "contacts", "--since", "2026-10-01")
    assert set(ran["pull"]) == {"hubspot"}
    wrong = synced.run("resync", "--crm", "hubspot", "--object", "contact")
    assert (wrong.code, "did you mean 'contacts'?" in wrong.err) == (2, True)


def test_resync_of_nobody_and_of_nothing_in_particular(synced: Site) -> None:
    assert synced.run("resync", "nobody@nowhere.example").code == 7
    for argv in ((), ("a@b.example", "--all"), ("a@b.example", "--object", "Lead")):
        assert synced.run("resync", *argv).code == 2


def test_a_mirror_that_nobody_refreshes_is_degraded(site: Site) -> None:
    assert "nothing has run yet" in site.run("status").out
    site.run("sync", "--dry-run")
    assert site.json("status")["state"] == "ok"
    site.world.advance(86_400 * 2)
    answer = site.json("status")
    assert answer["state"] == "degraded"
    assert answer["fresh_seconds"]["hubspot"] >= 86_400 * 2
    assert any("was last pulled" in reason for reason in answer["reasons"])


def test_a_run_whose_sign_in_failed_is_a_failed_state(site: Site) -> None:
    token = site.environ["MQLSYNC_HUBSPOT__ACCESS_TOKEN"]
    site.environ["MQLSYNC_HUBSPOT__ACCESS_TOKEN"] = "pat-na1-wrong"
    answer = site.json("sync", "--dry-run", code=4)
    assert answer["outcome"] == "failed"
    assert set(answer["pull"]) == {"salesforce"}  # the other one is served all the same
    assert {problem["crm"] for problem in answer["problems"]} == {"hubspot"}
    assert site.json("status")["state"] == "failed"
    assert site.run("status", "--check").code == 5
    site.environ["MQLSYNC_HUBSPOT__ACCESS_TOKEN"] = token
    assert site.json("sync", "--dry-run")["outcome"] == "ok"
    assert site.run("status", "--check").code == 0


def test_another_process_at_work_is_11(site: Site) -> None:
    mirror = Mirror(site.environ["MQLSYNC_DATABASE_URL"], site.world)
    mirror.migrate()
    with Lease(mirror, site.world, 600, "sync").held():
        ran = site.run("sync", "--no-wait")
        waited = site.run("sync")
    mirror.close()
    assert (ran.code, ran.out, waited.code) == (11, "", 11)
    assert "sync on " in ran.err
    assert sum(site.world.slept) >= 30  # daemon.lease_wait


def test_hostile_names_from_a_crm_are_harmless_in_every_list(site: Site) -> None:
    site.run("sync", "--dry-run")
    people = site.json("people")["people"]
    lead = next(one for person in people for one in person["records"] if one["object"] == "Lead")
    evil = "\x1b[2J\u202e=HYPERLINK(1)[bold]"
    fields = {"LastName": evil, "FirstName": "", "Company": "=cmd|'/c calc'!A1", "Title": evil}
    site.sandbox.edit("salesforce", "Lead", lead["id"], fields, author="person")
    site.world.advance(60)
    site.run("sync", "--dry-run")
    person = site.json("person", "show", lead["id"])
    assert person["name"].endswith("=HYPERLINK(1)[bold]")
    assert "\x1b[2J" in person["name"]  # JSON keeps it, escaped
    for argv in (
        ("people",),
        ("people", "--json"),
        ("people", "--jsonl"),
        ("people", "--csv", "-"),
        ("person", "show", lead["id"]),
        ("person", "explain", lead["id"]),
        ("person", "timeline", lead["id"]),
        ("person", "show", "\x1b[2J"),
    ):
        ran = site.run(*argv)
        assert harmless((ran.out + ran.err).replace("\n", "")), argv
    rows = csv.reader(io.StringIO(site.run("people", "--csv", "-").out))
    cells = [cell for row in rows for cell in row]
    assert any("HYPERLINK" in cell for cell in cells)
    assert not any(cell.startswith(("=", "@")) for cell in cells)
