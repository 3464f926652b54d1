"""`conflicts`, `undo` and `audit` on two simulated CRMs: what a person decides, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.mirror.engine import Mirror
from tests.unit.cli.test_on_sandbox import Site, made


@pytest.fixture
def site(tmp_path: Path, database: str) -> Iterator[Site]:
    for site in made(tmp_path, people=40):
        first, second = [lead for lead in site.sandbox.store.table("salesforce", "Lead") if not lead.gone][:2]
        site.sandbox.edit("salesforce", "Lead", second.id, {"Email": first.values["Email"]})
        assert site.run("sync").code in (0, 6)
        yield site


def test_an_ambiguous_person_is_listed_decided_and_listed_no_more(site: Site) -> None:
    before = site.json("conflicts", "list")
    assert set(before) == {"schema_version", "ambiguous", "changes", "unrouted", "apart"}
    person = before["ambiguous"][0]
    assert person["person_id"] in site.run("conflicts", "list").out
    twins = [ref for ref in person["records"] if ref["crm"] == person["records"][0]["crm"]]
    assert site.run("conflicts", "resolve", person["person_id"]).code == 2
    assert site.run("conflicts", "resolve", person["person_id"], "--keep", "nobody").code == 7
    asked = (
        "conflicts",
        "resolve",
        person["person_id"],
        "--keep",
        twins[0]["id"],
        "--reason",
        "the older one",
    )
    answer = site.json(*asked)
    assert [ref["id"] for ref in answer["records"]] == [ref["id"] for ref in twins[1:]]
    site.run("sync")
    after = site.json("conflicts", "list")
    assert len(after["ambiguous"]) == len(before["ambiguous"]) - 1
    assert [(row["kept"], row["reason"]) for row in after["apart"]] == [
        (twins[0]["id"], "the older one") for _ in twins[1:]
    ]
    again = site.json("conflicts", "resolve", twins[0]["id"], "--together")
    assert {ref["id"] for ref in again["records"]} == {ref["id"] for ref in twins[1:]}
    site.run("sync")
    assert len(site.json("conflicts", "list")["ambiguous"]) == len(before["ambiguous"])


@pytest.fixture
def written(tmp_path: Path, database: str) -> Iterator[Site]:
    """A site whose first run was approved and carried out."""
    for site in made(tmp_path, people=120):
        assert site.run("sync").code == 6
        assert site.json("approve", code=0)["write"]["verified"] > 0
        yield site


def ours(site: Site) -> dict[tuple[str, str, str], list[str | None]]:
    """Per field that we wrote, its values by the CRMs' own ledger: before us, then every one of ours."""
    found: dict[tuple[str, str, str], list[str | None]] = {}
    for entry in site.sandbox.ledger.entries(author="worker"):
        key = (entry.crm, entry.id, entry.field)
        found.setdefault(key, [entry.before or None]).append(entry.after or None)
    return found


def test_undoing_a_run_puts_back_every_field_and_says_which_not(written: Site) -> None:
    run_id = written.json("runs")["runs"][0]["run_id"]
    site = written
    site.world.advance(600)
    plan = site.json("undo", run_id)
    assert plan["write"] is None
    assert plan["skipped"] == []
    assert site.json("reject", plan["digest"])["dropped"] == len(plan["changes"])
    answer = site.json("undo", run_id, "--yes")
    assert len(answer["changes"]) == len(plan["changes"]) == answer["write"]["verified"]
    for (_, _, field), values in ours(site).items():
        assert values[0] == values[-1], (field, values)
    assert "nothing to put back" in site.run("undo", run_id).out
    site.world.advance(600)
    assert site.json("sync")["write"]["decided"] == 0


def test_undoing_a_person_touches_nobody_else(written: Site) -> None:
    people = written.json("people", "--stage", "mql")["people"]
    person = next(one for one in people if one["mql"]["entered_by"] != "crm")
    written.world.advance(600)
    before = len(written.sandbox.ledger)
    assert written.json("undo", person["person_id"], "--yes")["write"]["verified"] > 0
    touched = {entry.id for entry in written.sandbox.ledger.entries(since=before, author="worker")}
    assert touched <= {record["id"] for record in person["records"]}
    assert written.run("undo", "nobody@example.com").code == 7


def test_the_audit_tells_every_write_and_notices_a_change(written: Site) -> None:
    runs = written.json("runs")["runs"]
    acts = written.json("audit", "--limit", "100000")["audit"]
    writes = [act for act in acts if act["action"] == "write"]
    fields = written.sandbox.ledger.entries(author="worker")
    told = {act["subject"] for act in writes}
    assert told == {f"{entry.crm}.{entry.object}.{entry.id}.{entry.field}" for entry in fields}
    assert {act["run_id"] for act in writes} == {runs[0]["run_id"]}
    assert written.json("audit", "--run", runs[0]["run_id"], "--limit", "1")["audit"] == acts[:1]
    person = next(
        p for p in written.json("people", "--stage", "mql")["people"] if p["mql"]["entered_by"] != "crm"
    )
    about = written.json("audit", person["person_id"])["audit"]
    ids = {record["id"] for record in person["records"]}
    assert about
    assert {act["subject"].split(".")[2] for act in about} <= ids
    whole = written.json("audit", "--verify")
    assert (whole["intact"], whole["acts"], whole["broken_at"]) == (True, len(acts), None)
    mirror = Mirror(written.environ["MQLSYNC_DATABASE_URL"], written.world)
    with mirror.write() as conn:
        conn.exec_driver_sql("UPDATE audit SET actor = 'somebody' WHERE n = 3")
    mirror.close()
    broken = written.json("audit", "--verify", code=12)
    assert (broken["intact"], broken["broken_at"]) == (False, 3)
    assert "act 3 does not follow" in written.run("audit", "--verify").out


def test_reconciling_compares_every_value_with_what_the_crms_hold(written: Site) -> None:
    answer = written.json("reconcile")
    assert sum(answer["classes"].values()) == answer["values"]
    assert len(answer["findings"]) == answer["values"] - answer["classes"]["equal"]
    assert answer["classes"]["equal"] > 0
    assert answer["classes"]["drift"] == 0
    (crm, record_id, field), *_ = [key for key in ours(written) if key[2] == "hs_lead_status"]
    written.world.advance(3600)
    written.sandbox.edit(crm, "contacts", record_id, {field: "IN_PROGRESS"})
    again = written.json("reconcile")
    assert again["classes"]["equal"] == answer["classes"]["equal"] - 1
    new = [one for one in again["findings"] if one not in answer["findings"]]
    assert [(one["id"], one["field"], one["class"], one["live"]) for one in new] == [
        (record_id, field, "human_held", "IN_PROGRESS")
    ]
    assert "human_held" in written.run("reconcile", "--sample", "5").out


def test_a_lifecycle_stage_goes_back_by_order_alone(written: Site) -> None:
    people = written.json("people", "--stage", "mql")["people"]
    written_on = [
        [ref["id"] for ref in one["records"] if ref["object"] == "contacts"]
        for one in people
        if one["mql"]["entered_by"] != "crm" and not one["ambiguous"]
    ]
    contact = next(ids[0] for ids in written_on if ids)
    order = ("person", "demote", contact, "--reason", "a student after all")
    assert written.run(*order, "--stage", "leed").code == 2
    written.world.advance(600)
    plan = written.json(*order, "--stage", "lead")
    assert [(one["before"], one["after"]) for one in plan["changes"]] == [("marketingqualifiedlead", "lead")]
    assert written.json("reject", plan["digest"])["dropped"] == 1
    before = len(written.sandbox.ledger)
    assert written.json(*order, "--stage", "lead", "--yes")["write"]["verified"] == 1
    entries = written.sandbox.ledger.entries(since=before, author="worker")
    assert [entry.after or None for entry in entries if entry.field == "lifecyclestage"] == [None, "lead"]
    assert "nothing to set back" in written.run(*order, "--stage", "lead").out
    assert "demote" in written.run("audit").out
    assert written.run("person", "demote", "nobody@example.com", "--stage", "lead", "--reason", "x").code == 7
