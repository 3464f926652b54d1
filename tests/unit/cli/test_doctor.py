"""What `doctor` finds wrong on two simulated CRMs, and the probe that writes for a moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_on_sandbox import Site, made


@pytest.fixture
def site(tmp_path: Path, database: str) -> Iterator[Site]:
    """A fresh one for each test."""
    yield from made(tmp_path, people=20)


# --- doctor's red lines ------------------------------------------------------------------------------


def red(site: Site, code: int) -> list[dict[str, Any]]:
    """The errors of doctor; each has a remedy."""
    answer = site.json("doctor", code=code)
    errors = [one for one in answer["checks"] if one["level"] == "error"]
    assert errors
    assert all(one["remedy"] for one in errors)
    return errors


def test_doctor_without_credentials(site: Site) -> None:
    for name in list(site.environ):
        if "__" in name:
            del site.environ[name]
    (error,) = red(site, 2)
    assert "MQLSYNC_HUBSPOT__ACCESS_TOKEN" in error["remedy"]


def test_doctor_with_a_wrong_token_looks_at_the_other_crm_all_the_same(site: Site) -> None:
    site.environ["MQLSYNC_HUBSPOT__ACCESS_TOKEN"] = "pat-na1-wrong"
    (error,) = red(site, 4)
    assert (error["check"], error["crm"]) == ("sign_in", "hubspot")
    checks = site.json("doctor", code=4)["checks"]
    assert ("write_back", "salesforce", "ok") in [(c["check"], c["crm"], c["level"]) for c in checks]


def test_doctor_names_the_nearest_value_and_field(site: Site) -> None:
    file = site.folder / "mqlsync.toml"
    text = file.read_text(encoding="utf-8")
    text = text.replace(
        'values = { mql = "MQL" }, from = ["", "New", "O', 'values = { mql = "MQLs" }, from = ["", "O'
    )
    text = text.replace('field = "lifecyclestage"', 'field = "lifecyclestag"')
    text = text.replace('policy = "ladder", values', 'policy = "machine", values')
    file.write_text(text, encoding="utf-8")
    messages = [f"{one['message']} {one['remedy']}" for one in red(site, 2)]
    assert any("'MQLs'" in message and "nearest: 'MQL'" in message for message in messages)
    assert any("contacts.lifecyclestag" in message for message in messages)


def test_doctor_knows_the_members_of_pools(site: Site) -> None:
    site.settings('\n[routing.pools.default]\nmembers = [{ email = "nobody@nowhere.example" }]\n')
    assert all("nobody@nowhere.example is unknown" in one["message"] for one in red(site, 2))


def test_doctor_lists_a_broken_configuration(site: Site) -> None:
    site.settings("\n[limitz]\n")
    (error,) = red(site, 2)
    assert "limitz" in error["message"]
    assert "did you mean 'limits'?" in error["message"]


def test_doctor_lists_a_broken_model(site: Site) -> None:
    (site.folder / "scoring.toml").write_text('name = "x"\nversoin = 1\n', encoding="utf-8")
    errors = red(site, 2)
    assert any("did you mean 'version'?" in error["message"] for error in errors)


def test_doctor_warns_of_unknown_variables_and_open_files(site: Site) -> None:
    (site.folder / "token").write_text(site.environ.pop("MQLSYNC_HUBSPOT__ACCESS_TOKEN"), encoding="utf-8")
    (site.folder / "token").chmod(0o644)
    (site.folder / "mqlsync.toml").chmod(0o666)
    ran = site.run(
        "doctor", "--json", MQLSYNC_HUBSPOT__ACCESS_TOKEN_FILE=f"{site.folder}/token", MQLSYNC_X="1"
    )
    assert ran.code == 0
    warnings = [one for one in json.loads(ran.out)["checks"] if one["level"] == "warning"]
    remedies = {one["remedy"] for one in warnings}
    assert f"chmod 600 {site.folder}/token" in remedies
    assert f"chmod go-w {site.folder}/mqlsync.toml" in remedies
    assert any(one["message"].startswith("MQLSYNC_X: ") for one in warnings)


def test_doctor_sees_a_clock_that_is_off(site: Site) -> None:
    site.sandbox.advance(120)
    clocks = [one for one in site.json("doctor")["checks"] if one["check"] == "clock"]
    assert {one["level"] for one in clocks} == {"warning"}
    site.sandbox.advance(1200)
    assert {one["check"] for one in red(site, 5)} == {"clock"}


def test_doctor_when_a_crm_cannot_be_reached(site: Site) -> None:
    site.environ["MQLSYNC_HUBSPOT__BASE_URL"] = "http://127.0.0.1:9"
    (error,) = red(site, 5)
    assert error["crm"] == "hubspot"
    assert "proxy, firewall" in error["remedy"]


def test_doctor_asks_for_every_feed(site: Site) -> None:
    body = {"status": "error", "category": "MISSING_SCOPES", "message": "This app lacks a scope."}
    arm = site.sandbox.faults.arm
    arm("status", crm="hubspot", path="/email/public/v1/events", count=None, status=403, body=body)
    arm("status", crm="hubspot", path="/events/v3/events", count=None, status=404, body="")
    feeds = {
        one["message"].split(" ")[0]: one["level"]
        for one in site.json("doctor")["checks"]
        if one["check"] == "feeds" and one["level"] != "ok"
    }
    assert feeds == {"hubspot.email_events": "warning", "hubspot.web_events": "note"}


def test_doctor_may_not_read_contacts(site: Site) -> None:
    body = {"status": "error", "category": "MISSING_SCOPES", "message": "This app lacks a scope."}
    site.sandbox.faults.arm(
        "status", crm="hubspot", path="/objects/contacts", count=None, status=403, body=body
    )
    errors = red(site, 4)
    (contacts,) = (one for one in errors if one["message"].startswith("hubspot.contacts cannot be read"))
    assert "give the key or app the scope crm.objects.contacts.read" in contacts["remedy"]


def test_doctor_where_owners_and_limits_are_not_offered(site: Site) -> None:
    arm = site.sandbox.faults.arm
    arm("status", crm="hubspot", path="/owners", count=None, status=404, body="")
    arm("status", crm="salesforce", path="/limits", count=None, status=404, body="[]")
    checks = site.json("doctor")["checks"]
    levels = {(one["check"], one["crm"]): one["level"] for one in checks}
    assert levels["owners", "hubspot"] == "warning"
    assert levels["write_back", "hubspot"] == "ok"


# --- doctor --probe ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("crm", "name", "proof"),
    [
        ("salesforce", "Lead", "a write on an older version is refused"),
        ("hubspot", "contacts", "the history tells our write from a person's"),
    ],
)
def test_a_probe_writes_proves_and_puts_back(site: Site, crm: str, name: str, proof: str) -> None:
    record = next(row for row in site.sandbox.store.table(crm, name).alive())
    before = dict(record.values)
    site.world.advance(3600)
    asked = ("doctor", "--probe", "--record", f"{crm}.{name}.{record.id}")
    unsaid = site.run(*asked)
    assert unsaid.code == 2
    assert "Say --yes" in unsaid.err
    assert "would set" in site.run(*asked, "-n").out
    assert site.sandbox.ledger.entries(author="worker") == []
    ran = site.run(*asked, "--yes")
    assert ran.code == 0, ran.out
    assert proof in ran.out
    assert "again" in ran.out.splitlines()[-2]
    fields = [entry.field for entry in site.sandbox.ledger.entries(author="worker")]
    assert len(fields) == 2
    assert len(set(fields)) == 1
    after = site.sandbox.store.get(crm, name, record.id)
    assert after is not None
    assert (after.values.get(fields[0]) or None) == (before.get(fields[0]) or None)
    assert "probe" in site.run("audit").out


def test_a_probe_needs_a_record_that_is_there(site: Site) -> None:
    assert site.run("doctor", "--probe").code == 2
    wrong = site.run("doctor", "--probe", "--record", "salesforce.Account.001", "--yes")
    assert wrong.code == 2
    assert "salesforce.Lead.ID" in wrong.err
    missing = site.run("doctor", "--probe", "--record", "hubspot.contacts.99999999", "--yes")
    assert missing.code == 2
    assert "there is no contacts 99999999" in missing.err
