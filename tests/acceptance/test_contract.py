"""The whole loop by the command line alone: JSON contracts, sums and exit codes, from an empty folder on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.faults import Match
from tests.acceptance import schema
from tests.acceptance.schema import check, check_books
from tests.acceptance.site import Site, made
from tests.unit.cli.runner import run
from tests.world import SimulatedWorld


def seeded(site: Site) -> None:
    """Three who are MQLs, a student, one who only looks, one without an address."""
    for name in ("anna", "ben", "carla"):
        site.pair(f"{name}@acme.example")
    site.lead("stan@mit.edu", Title="Student")
    site.contact("dora@other.example", jobtitle="Intern", hs_lead_status=None, lifecyclestage="subscriber")
    site.contact(None, firstname="No", lastname="Address")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from made(tmp_path, seed=seeded)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[tuple[Site, dict[str, Any]]]:
    """The loop of a first day, with every answer it gave; tests only look."""
    for site in made(tmp_path_factory.mktemp("loop"), people=40, seed=seeded):
        answers: dict[str, Any] = {"doctor": site.json("doctor")}
        site.world.advance(3600)
        answers["first"] = site.json("sync", code=6)
        answers["blocked"] = site.json("status")
        answers["plan"] = site.json("plan")
        answers["approve"] = site.json("approve", "--yes")
        answers["second"] = site.sync()
        yield site, answers


def test_the_first_pass_waits_for_approval_and_the_second_is_done(served: Any) -> None:
    site, answers = served
    for name, outcome in (("first", "blocked"), ("second", "ok")):
        report = check(answers[name], schema.SYNC)
        check_books(report)
        assert report["outcome"] == outcome
    first, approved, second = answers["first"], answers["approve"], answers["second"]
    assert first["write"]["waiting"] == first["write"]["decided"] > 0
    assert set(first["pull"]) == {"salesforce", "hubspot"}
    assert {"Lead", "Contact", "Account"} <= set(first["pull"]["salesforce"])
    assert {"contacts", "companies", "form_submissions"} <= set(first["pull"]["hubspot"])
    assert first["match"]["people"] == first["score"]["people"] == first["score"]["recomputed"] > 0
    assert check(approved["write"], schema.WRITE)["verified"] == approved["write"]["decided"]
    assert approved["write"]["decided"] == first["write"]["decided"] == len(answers["plan"]["changes"])
    assert second["write"]["decided"] == 0
    assert site.written()


def test_doctor_is_content(served: Any) -> None:
    assert served[1]["doctor"]["ok"] is True


def test_the_plan_is_what_was_written_and_no_more(served: Any) -> None:
    site, answers = served
    plan = check(answers["plan"], schema.PLAN)
    assert plan["blocked_by"]
    planned = {(one["crm"], one["object"], one["id"], one["field"], one["after"]) for one in plan["changes"]}
    assert len(planned) == len(plan["changes"])
    wrote = {(one.crm, one.object, one.id, one.field, str(one.after)) for one in site.written()}
    assert wrote == planned
    targets = {"Status", "OwnerId", "hs_lead_status", "lifecyclestage", "hubspot_owner_id"}
    assert {one[3] for one in planned} <= targets
    assert check(answers["blocked"], schema.STATUS)["state"] == "blocked"


def test_people(served: Any) -> None:
    site, answers = served
    people = check(site.json("people"), schema.PEOPLE)["people"]
    assert len(people) == answers["second"]["match"]["people"]
    assert len({person["person_id"] for person in people}) == len(people)
    held = [(one["crm"], one["object"], one["id"]) for person in people for one in person["records"]]
    assert len(set(held)) == len(held)
    anna = site.person("anna@acme.example")
    assert (anna["stage"], anna["mql"]["entered_by"]) == ("mql", "fast_track:demo")
    assert {(one["crm"], one["object"]) for one in anna["records"]} == {
        ("salesforce", "Lead"), ("hubspot", "contacts"),
    }  # fmt: skip
    assert (anna["score"]["fit"], anna["score"]["model"], anna["score"]["version"]) == (
        25.0,
        "b2b-default",
        1,
    )
    assert site.person("stan@mit.edu")["suppressed"] == "student"
    assert site.person("dora@other.example")["stage"] == "subscriber"
    lines = [json.loads(line) for line in site.ok("people", "--jsonl").out.splitlines()]
    assert [problem for line in lines for problem in schema.problems(line, schema.PERSON)] == []
    assert [line["person_id"] for line in lines] == [person["person_id"] for person in people]


def test_everybodys_hits_sum_to_the_total(served: Any) -> None:
    site, _ = served
    people = [person for person in site.json("people")["people"] if person["score"]["engagement"]]
    assert len(people) > 5
    for person in people[:15]:
        explained = check(site.json("person", "explain", person["person_id"]), schema.EXPLAIN)
        for axis, total in (("fit", "fit"), ("engagement", "engagement")):
            points = sum(hit["points"] for hit in explained["hits"] if hit["axis"] == axis)
            assert round(points, 3) == explained["score"][total]
        assert round(sum(hit["points"] for hit in explained["hits"]), 3) == explained["score"]["total"]
        assert explained["score"]["total"] == person["score"]["total"]


def test_explain_by_any_name_and_as_of_another_day(served: Any) -> None:
    site, _ = served
    anna = site.person("anna@acme.example")
    by_email = site.json("person", "explain", "ANNA@acme.example")
    assert by_email["person_id"] == anna["person_id"]
    for record in anna["records"]:
        assert site.json("person", "explain", record["id"])["person_id"] == anna["person_id"]
    before = check(
        site.json("person", "explain", "anna@acme.example", "--as-of", "2026-11-01T00:00:00Z"), schema.EXPLAIN
    )
    assert (before["score"]["engagement"], before["score"]["as_of"]) == (0.0, "2026-11-01T00:00:00Z")


def test_status_and_failed(served: Any) -> None:
    site, _ = served
    status = check(site.json("status"), schema.STATUS)
    assert (status["state"], status["waiting"], status["parked"], status["unsure"]) == ("ok", 0, 0, 0)
    assert set(status["fresh_seconds"]) == set(status["budget"]) == {"salesforce", "hubspot"}
    assert status["budget"]["salesforce"]["limit"] == 100_000
    assert status["budget"]["salesforce"]["ours"] > 0
    assert check(site.json("failed", "list"), schema.FAILED)["failed"] == []


def test_resync_says_why_nothing_changes(served: Any) -> None:
    site, _ = served
    before = len(site.sandbox.ledger)
    answer = site.json("resync", "ben@acme.example")
    check(answer["run"], schema.SYNC)
    check_books(answer["run"])
    assert {one["field"] for one in answer["fields"]} >= {"Status", "OwnerId", "hs_lead_status"}
    assert all(one["why"] for one in answer["fields"])
    assert site.written(before) == []


def test_global_options_stand_anywhere(served: Any) -> None:
    site, _ = served
    assert json.loads(site.ok("--json", "status").out) == site.json("status")


# --- exit codes ---------------------------------------------------------------------------------------


def test_10_without_a_configuration(tmp_path: Path) -> None:
    world = SimulatedWorld()
    for command in (["sync"], ["status"], ["people"], ["plan"]):
        ran = run(
            "--config-dir", str(tmp_path / "none"), *command, environ={"HOME": str(tmp_path)}, world=world
        )
        assert (ran.code, ran.out) == (10, "")
        assert "mqlsync init" in ran.err


def test_2_for_a_broken_configuration_all_at_once_with_lines(site: Site) -> None:
    site.settings("\n[limits]\n")
    assert "mqlsync.toml:" in site.ok("sync", code=2).err
    site.replace("\n[limits]\n# first", "\n[limitz]\nrecords = 3\n# first")
    site.settings('records_per_run = "many"\n')
    ran = site.ok("sync", "--json", code=2)
    assert ran.out == ""
    for piece in ("limitz", "did you mean 'limits'", "records_per_run", "mqlsync.toml:"):
        assert piece in ran.err


def test_2_for_a_secret_in_the_file_which_is_not_printed(site: Site) -> None:
    site.replace("\n[hubspot]\n", '\n[hubspot]\naccess_token = "pat-na1-canary"\n')
    ran = site.ok("status", code=2)
    assert "MQLSYNC_HUBSPOT__ACCESS_TOKEN" in ran.err
    assert "canary" not in ran.err + ran.out


@pytest.mark.parametrize(
    "argv", [["snyc"], ["sync", "--only", "pul"], ["people", "--stage", "mqll"], ["sync", "--x"]]
)
def test_2_for_a_command_line_that_cannot_be_understood(site: Site, argv: list[str]) -> None:
    ran = site.ok(*argv, code=2)
    assert ran.out == ""
    assert "Try " in ran.err or "mean" in ran.err


def test_2_for_a_value_not_offered_stops_that_object_alone(site: Site) -> None:
    site.replace(
        'values = { mql = "MQL" }, from = ["", "New", "O', 'values = { mql = "MQLs" }, from = ["", "New", "O'
    )
    site.unasked()
    report = check(site.sync(code=2), schema.SYNC)
    check_books(report)
    assert report["outcome"] == "failed"
    (problem,) = report["problems"]
    assert "MQLs" in problem["message"]
    assert "'MQL'" in problem["message"] + problem["remedy"]
    assert (report["match"]["people"], report["score"]["mql_entered"]) == (6, 3)
    assert {entry.crm for entry in site.written()} == {"hubspot"}
    assert {entry.field for entry in site.written()} >= {"hs_lead_status", "lifecyclestage"}


def test_2_for_a_field_that_is_not_there(site: Site) -> None:
    site.unasked()
    site.replace('status = { field = "hs_lead_status"', 'status = { field = "hs_leed_status"')
    report = site.sync(code=2)
    assert "hs_leed_status" in report["problems"][0]["message"]
    assert report["score"]["mql_entered"] == 3
    assert {entry.crm for entry in site.written()} == {"salesforce"}


def test_3_for_a_refused_record_which_is_listed_and_retried(site: Site) -> None:
    site.sandbox.switches.sf_refused["Lead"] = ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Budget first")
    site.sync(code=6)
    report = site.json("approve", "--yes", code=3)
    assert report["write"]["parked"] == 6
    failed = check(site.json("failed", "list"), schema.FAILED)["failed"]
    assert {(one["crm"], one["object"], one["message"]) for one in failed} == {
        ("salesforce", "Lead", "Budget first")
    }
    assert {one["cause"] for one in failed} == {"SF-FIELD_CUSTOM_VALIDATION_EXCEPTION"}
    assert check(site.json("status"), schema.STATUS)["parked"] == 6
    site.sandbox.switches.sf_refused.clear()
    site.ok("failed", "retry", "--all", "--yes")
    assert site.sync()["write"]["verified"] == 6
    assert site.json("failed", "list")["failed"] == []


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_4_for_a_wrong_secret_and_the_other_crm_is_still_served(site: Site, crm: str) -> None:
    wrong = {"salesforce": "MQLSYNC_SALESFORCE__CLIENT_SECRET", "hubspot": "MQLSYNC_HUBSPOT__ACCESS_TOKEN"}[
        crm
    ]
    right = site.environ[wrong]
    site.environ[wrong] = "not-the-secret"
    report = check(site.sync(code=4), schema.SYNC)
    check_books(report)
    assert [problem["crm"] for problem in report["problems"] if problem["crm"]] == [crm]
    (other,) = {"salesforce", "hubspot"} - {crm}
    assert list(report["pull"]) == [other]
    assert report["match"]["people"] > 0
    assert site.ok("status", "--check", code=5).out
    site.environ[wrong] = right
    assert site.sync(code=6)["match"]["people"] == 6


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_5_for_a_server_that_is_down_and_the_other_is_still_served(site: Site, crm: str) -> None:
    name = {"salesforce": "MQLSYNC_SALESFORCE__LOGIN_URL", "hubspot": "MQLSYNC_HUBSPOT__BASE_URL"}[crm]
    url = site.environ[name]
    site.environ[name] = "http://127.0.0.1:9"
    site.unasked()
    report = check(site.sync(code=5), schema.SYNC)
    check_books(report)
    assert report["outcome"] == "deferred"
    assert len(report["pull"]) == 1
    site.environ[name] = url
    assert site.sync()["match"]["people"] == 6
    assert site.nothing_is_written()["outcome"] == "ok"


def test_5_for_a_spent_quota(site: Site) -> None:
    site.unasked()
    site.sandbox.faults.salesforce_error(
        403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", path="/query", count=None
    )
    report = site.sync(code=5)
    assert report["outcome"] == "deferred"
    assert "form_submissions" in report["pull"]["hubspot"]
    site.sandbox.faults.disarm()
    assert site.sync(after=86_400)["match"]["people"] == 6


def test_5_for_a_spent_day_of_hubspot(site: Site) -> None:
    site.unasked()
    site.sandbox.faults.rate_limit("DAILY", path="/crm/v3/objects/contacts", count=None)
    report = site.sync(code=5)
    assert report["outcome"] == "deferred"
    assert report["pull"]["salesforce"]["Lead"]["stored"] == 4
    site.sandbox.faults.disarm()
    assert site.sync(after=86_400)["match"]["people"] == 6


def test_7_for_an_unknown_person(site: Site) -> None:
    site.sync(code=6)
    for argv in (("person", "explain", "who@nowhere.example"), ("resync", "who@nowhere.example")):
        ran = site.ok(*argv, "--json", code=7)
        assert ran.out == ""
        assert "who@nowhere.example" in ran.err


def test_8_for_pending_changes(site: Site) -> None:
    site.sync(code=6)
    plan = check(site.json("plan", "--detailed-exitcode", code=8), schema.PLAN)
    assert len(plan["changes"]) == 15
    site.ok("approve", "--yes")
    site.ok("plan", "--detailed-exitcode")


def test_9_for_a_plan_that_is_stale(site: Site) -> None:
    site.sync(code=6)
    digest = site.json("plan")["digest"]
    lead = next(iter(site.sandbox.store.table("salesforce", "Lead").alive()))
    site.world.advance(10)
    site.edit_lead(lead.id, Status="Working - Contacted", OwnerId=site.users["rep"])
    site.world.advance(10)
    report = site.json("apply", digest, "--yes", code=9)
    assert report["write"]["superseded"] >= 2
    assert site.of_lead(lead.id) == ("Working - Contacted", site.users["rep"])
    assert site.ok("apply", digest, "--yes", code=9).err


def test_11_while_another_holds_the_lease(site: Site) -> None:
    site.replace("[daemon]\n", '[daemon]\nlease_wait = "2s"\n')
    inner: list[int] = []
    query = Match("salesforce", path="/query")
    site.sandbox.steps.before(query, lambda _: inner.append(site.run("sync").code))
    site.sync(code=6)
    assert inner == [11]


@pytest.mark.sqlite("a damaged file")
def test_12_for_a_file_that_is_no_database(site: Site) -> None:
    site.sync(code=6)
    for end in ("", "-wal", "-shm"):
        (site.folder / f"mirror.db{end}").unlink(missing_ok=True)
    (site.folder / "mirror.db").write_bytes(b"This was a database once. " * 400)
    for command in ("status", "sync", "people"):
        ran = site.ok(command, code=12)
        assert ran.out == ""
        assert "mirror.db" in ran.err
    assert site.written() == []


@pytest.mark.sqlite("the mode of its file")
def test_files_are_for_their_owner_only_and_init_keeps_them(site: Site) -> None:
    site.sync(code=6)
    for name in ("mqlsync.toml", "scoring.toml", "mirror.db"):
        assert (site.folder / name).stat().st_mode & 0o077 == 0, name
    before = (site.folder / "mqlsync.toml").read_bytes()
    answer = site.json("init")
    assert (answer["written"], len(answer["kept"])) == ([], 2)
    assert (site.folder / "mqlsync.toml").read_bytes() == before


def test_a_dry_run_ends_with_0_and_writes_nothing(site: Site) -> None:
    report = check(site.nothing_is_written("--dry-run"), schema.SYNC)
    assert report["score"]["mql_entered"] == 3
