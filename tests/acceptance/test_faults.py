"""What goes wrong on the way: a pass recovers or ends honestly, the next completes, nothing is doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.sandbox.faults import Match
from connectors.sandbox.switches import Switches
from tests.acceptance.schema import SYNC, check, check_books
from tests.acceptance.site import Pair, Site, held, made, mirrored

NAMES = ("anna", "ben", "carla", "dora", "emil")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Five MQLs in both CRMs, pages of two rows, writes without approval, OAuth in HubSpot."""
    for site in made(tmp_path, switches=Switches(sf_page_size=2)):
        account = site.sandbox.credentials["hubspot"]
        del site.environ["MQLSYNC_HUBSPOT__ACCESS_TOKEN"]
        for name in ("client_id", "client_secret", "refresh_token"):
            site.environ[f"MQLSYNC_HUBSPOT__{name.upper()}"] = account[name]
        site.unasked()
        yield site


def everybody(site: Site) -> list[Pair]:
    return [site.pair(f"{name}@acme.example") for name in NAMES]


def settled(site: Site, pairs: list[Pair]) -> None:
    """A pass without trouble completes what is left; the one after it has nothing to do."""
    site.sandbox.faults.disarm()
    site.sandbox.steps.clear()
    check_books(site.sync(after=300))
    assert [site.of_lead(pair.lead)[0] for pair in pairs] == ["MQL"] * len(pairs)
    assert [site.of_contact(pair.contact)[0] for pair in pairs] == ["OPEN"] * len(pairs)
    assert mirrored(site) == held(site)
    site.nothing_is_written()
    for pair in pairs:
        lead, contact = sorted(
            site.json("person", "show", pair.email)["records"], key=lambda one: one["object"]
        )
        assert (lead["status"], site.users[lead["owner"]]) == site.of_lead(pair.lead)
        assert contact["status"] == site.of_contact(pair.contact)[0]
    writes = Counter((entry.crm, entry.id, entry.field) for entry in site.written())
    assert set(writes.values()) == {1}
    assert len(writes) == 5 * len(pairs)
    status = site.json("status")
    assert (status["state"], status["unsure"], status["waiting"], status["parked"]) == ("ok", 0, 0, 0)


def expiring(site: Site) -> None:
    """Every token is good for one page of records and one write."""
    for crm, path in (("salesforce", "/query"), ("hubspot", "/objects/"), ("salesforce", "/composite")):
        match = Match(crm, path=path, count=None)
        site.sandbox.steps.after(match, lambda _, crm=crm: site.sandbox.expire_tokens(crm))


def bursts(retry_after: int | None) -> Callable[[Site], None]:
    """HubSpot says slow down, wherever; Salesforce's server is busy."""

    def arm(site: Site) -> None:
        faults = site.sandbox.faults
        faults.rate_limit("TEN_SECONDLY_ROLLING", path="/objects/contacts", count=2, retry_after=retry_after)
        faults.rate_limit("SECONDLY", path="/search", count=2, retry_after=retry_after)
        faults.rate_limit("TEN_SECONDLY_ROLLING", path="/batch/update", count=2, retry_after=retry_after)
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        for path in ("/query", "/composite"):
            faults.arm("status", crm="salesforce", path=path, status=503, count=2, skip=1, headers=headers)

    return arm


def everywhere(kind: str, skip: int, **more: int) -> Callable[[Site], None]:
    """That fault at one read and one write of each CRM."""

    def arm(site: Site) -> None:
        arm_one = site.sandbox.faults.arm
        arm_one(kind, crm="salesforce", path="/query", skip=skip, **more)  # type: ignore[arg-type]
        arm_one(kind, crm="salesforce", path="/composite", body_match="PATCH", skip=0, **more)  # type: ignore[arg-type]
        arm_one(kind, crm="hubspot", path="/objects/contacts$", **more)  # type: ignore[arg-type]
        arm_one(kind, crm="hubspot", path="/submissions/", **more)  # type: ignore[arg-type]
        arm_one(kind, crm="hubspot", path="/batch/update", **more)  # type: ignore[arg-type]

    return arm


TROUBLES: dict[str, Callable[[Site], None]] = {
    "tokens-expire": expiring,
    "bursts-with-retry-after": bursts(3),
    "bursts-without": bursts(None),
    "unavailable": everywhere("status", 2, status=503),
    "bad-gateway-page": everywhere("html", 3, status=502),
    "html-200": everywhere("html", 2, status=200),
    "cut": everywhere("cut", 3),
    "wrong-json": everywhere("wrong_json", 4),
    "empty": everywhere("empty", 2, status=200),
    "dropped-before": everywhere("drop_before", 3),
    "dropped-after": everywhere("drop_after", 3),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_pass_recovers_or_ends_honestly_and_the_next_one_completes(site: Site, trouble: str) -> None:
    pairs = everybody(site)
    TROUBLES[trouble](site)
    site.world.advance(3600)
    ran = site.run("sync", "--json")
    assert ran.code in (0, 3, 5), ran.err
    report = check(site.last(ran), SYNC)
    check_books(report)
    assert (report["outcome"] == "ok") == (ran.code == 0)
    settled(site, pairs)


@pytest.mark.parametrize(
    ("crm", "path"),
    [
        ("salesforce", "/query"),
        ("salesforce", "/(composite|sobjects/Lead/0)"),
        ("hubspot", "/objects/contacts"),
        ("hubspot", "/batch/"),
    ],
)
def test_a_crm_that_stays_down_is_said_to_be_and_the_other_is_served(site: Site, crm: str, path: str) -> None:
    pairs = everybody(site)
    site.sandbox.faults.arm("status", crm=crm, path=path, status=503, count=None)
    report = check(site.sync(code=5, after=3600), SYNC)
    check_books(report)
    assert {problem["crm"] for problem in report["problems"]} == {crm}
    assert all(problem["remedy"] for problem in report["problems"])
    (other,) = {"salesforce", "hubspot"} - {crm}
    if (crm, path) != ("hubspot", "/objects/contacts"):
        assert {entry.crm for entry in site.written()} <= {other}
    settled(site, pairs)


def test_a_token_revoked_for_good_is_4_and_heals_with_a_new_one(site: Site) -> None:
    pairs = everybody(site)
    right = site.environ["MQLSYNC_HUBSPOT__REFRESH_TOKEN"]
    site.environ["MQLSYNC_HUBSPOT__REFRESH_TOKEN"] = "revoked-for-good"
    report = site.sync(code=4, after=3600)
    assert {problem["crm"] for problem in report["problems"]} == {"hubspot"}
    site.environ["MQLSYNC_HUBSPOT__REFRESH_TOKEN"] = right
    site.sync()
    settled(site, pairs)


def test_a_row_that_cannot_be_read_is_parked_and_the_rest_is_served(site: Site) -> None:
    pairs = everybody(site)
    body = '{"totalSize": 1, "done": true, "records": [{"Id": 7, "SystemModstamp": {"no": "time"}}]}'
    site.sandbox.faults.arm(
        "status", crm="salesforce", path="/query", query="FROM Task", status=200, body=body
    )
    report = site.sync(code=3, after=3600)
    assert report["pull"]["salesforce"]["Task"]["parked"] == 1
    assert report["outcome"] == "partial"
    (row,) = site.json("failed", "list")["failed"]
    assert (row["crm"], row["object"]) == ("salesforce", "Task")
    assert [site.of_lead(pair.lead)[0] for pair in pairs] == ["MQL"] * len(pairs)
