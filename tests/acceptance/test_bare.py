"""Accounts that offer little, other versions of the APIs, other ways to sign in: the loop works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.switches import Switches
from tests.acceptance.schema import SYNC, check, check_books
from tests.acceptance.site import Pair, Site, made

SF_OFF: Mapping[str, str | None] = {
    "MQLSYNC_SALESFORCE__LOGIN_URL": None,
    "MQLSYNC_SALESFORCE__CLIENT_ID": None,
    "MQLSYNC_SALESFORCE__CLIENT_SECRET": None,
}
HS_OFF: Mapping[str, str | None] = {"MQLSYNC_HUBSPOT__BASE_URL": None, "MQLSYNC_HUBSPOT__ACCESS_TOKEN": None}


def loop(site: Site, pair: Pair) -> tuple[Any, Any]:
    """First pass, approval, second pass; the person has arrived in both CRMs and nothing is written twice."""
    first = check(site.sync(code=6, after=3600), SYNC)
    check_books(first)
    check_books(site.json("approve", "--yes"))
    assert (site.of_lead(pair.lead)[0], site.of_contact(pair.contact)[0]) == ("MQL", "OPEN")
    second = site.nothing_is_written()
    check_books(second)
    assert second["problems"] == []
    return first, second


# --- one CRM alone -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("only", ["salesforce", "hubspot"])
def test_one_crm_alone_is_a_whole_set_up(tmp_path: Path, only: str) -> None:
    for site in made(tmp_path, environ=HS_OFF if only == "salesforce" else SF_OFF):
        lead, contact = site.lead("anna@acme.example"), site.contact("anna@acme.example")
        site.demo("anna@acme.example")
        campaign(site, lead)
        assert site.json("doctor")["ok"] is True
        report = check(site.sync(code=6, after=3600), SYNC)
        assert list(report["pull"]) == [only]
        check_books(site.json("approve", "--yes"))
        assert {entry.crm for entry in site.written()} == {only}
        got = (site.of_lead(lead)[0], site.of_contact(contact)[0])
        assert got == {"salesforce": ("MQL", "NEW"), "hubspot": ("New", "OPEN")}[only]
        assert list(site.json("status")["fresh_seconds"]) == [only]
        (person,) = site.json("people")["people"]
        assert {one["crm"] for one in person["records"]} == {only}
        site.nothing_is_written()
        assert {request.crm for request in site.sandbox.requests} == {only}
        assert site.run("sync", "--crm", "hubspot" if only == "salesforce" else "salesforce").code == 2


def campaign(site: Site, lead: str) -> None:
    """A Lead asks for a demo by answering a campaign."""
    values = {"Name": "Demo request", "Type": "Webinar", "IsActive": True}
    member = {
        "CampaignId": site.sandbox.create("salesforce", "Campaign", values, author="seed"),
        "LeadId": lead,
    }
    site.sandbox.create("salesforce", "CampaignMember", {**member, "Status": "Responded"}, author="seed")


# --- little offered ----------------------------------------------------------------------------------------


@dataclass
class Bare:
    """An account that lacks things. `skipped`: words that doctor must say about it."""

    name: str
    switches: Switches = field(default_factory=Switches)
    refuse: Callable[[Site], None] = lambda _: None
    skipped: tuple[str, ...] = ()


def sf_refuses(path: str, status: int = 404, code: str = "NOT_FOUND") -> Callable[[Site], None]:
    def arm(site: Site) -> None:
        site.sandbox.faults.salesforce_error(status, code, "not here", path=path, count=None)

    return arm


def hs_refuses(path: str, status: int = 404, category: str = "OBJECT_NOT_FOUND") -> Callable[[Site], None]:
    def arm(site: Site) -> None:
        body = {"status": "error", "message": "not for you", "category": category, "correlationId": "1"}
        site.sandbox.faults.arm("status", crm="hubspot", path=path, status=status, body=body, count=None)

    return arm


def hs_plain(path: str) -> Callable[[Site], None]:
    """A 404 as any web server words it."""

    def arm(site: Site) -> None:
        site.sandbox.faults.arm("status", crm="hubspot", path=path, status=404, body="Not Found", count=None)

    return arm


def every(*acts: Callable[[Site], None]) -> Callable[[Site], None]:
    """All of these."""

    def arm(site: Site) -> None:
        for act in acts:
            act(site)

    return arm


HS_FEEDS = ("/email/public", "/events/v3", "/account-info")
HS_OBJECTS = tuple(
    f"/crm/v3/objects/{name}" for name in ("calls", "emails", "meetings", "communications", "deals")
)
ACCOUNTS = [
    Bare(
        "feeds-404-and-objects-absent",
        Switches(
            hs_absent={*HS_FEEDS, *HS_OBJECTS},
            sf_absent={
                "Opportunity", "OpportunityContactRole", "CampaignMember", "Campaign", "Task", "Event",
                "LeadHistory", "ContactHistory", "Group", "Account",
            },
        ),
        skipped=(
            "web_events", "email_events", "calls", "emails", "meetings", "communications", "deals",
            "Account", "Opportunity", "CampaignMember", "Task", "Event",
        ),
    ),
    Bare(
        "feeds-403-and-no-replication",
        Switches(
            hs_missing_scopes={
                "content", "business-intelligence", "crm.objects.companies.read", "crm.objects.deals.read",
                "sales-email-read",
            }
        ),
        every(sf_refuses("/updated"), sf_refuses("/deleted")),
        ("web_events", "email_events", "companies", "deals", "emails"),
    ),
    Bare(
        "no-companies-no-associations-no-composite",
        Switches(
            hs_absent={
                "/crm/v3/objects/companies", "/crm/v3/properties/companies", "/crm/v4/associations",
            }
        ),
        sf_refuses("/composite"),
    ),
    Bare(
        "plain-404-and-an-ignored-condition",
        Switches(sf_composite_conditional=False),
        every(*map(hs_plain, (*HS_FEEDS, *HS_OBJECTS, "/oauth/"))),
    ),
    Bare(
        "no-word-about-us",
        refuse=every(hs_refuses("/oauth/"), sf_refuses("/limits$"), sf_refuses("/userinfo")),
    ),
    Bare(
        "fields-missing",
        Switches(
            sf_missing_fields={
                "Lead.MQL_Score__c", "Contact.Lead_Status__c", "Lead.HasOptedOutOfEmail",
                "Lead.LeadSource", "Contact.HasOptedOutOfEmail", "Lead.Industry", "Account.NumberOfEmployees",
            },
            hs_missing_properties={
                "contacts.mql_score", "contacts.hs_email_optout", "contacts.salesforceleadid",
                "contacts.salesforcecontactid", "contacts.numemployees", "contacts.hs_additional_emails",
                "companies.numberofemployees", "contacts.hs_merged_object_ids",
                "contacts.hs_calculated_merged_vids", "contacts.country", "contacts.hs_analytics_source",
            },
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("bare", ACCOUNTS, ids=lambda bare: bare.name)
def test_what_is_not_offered_is_skipped_and_listed(tmp_path: Path, bare: Bare) -> None:
    for site in made(tmp_path, switches=bare.switches):
        pair = site.pair("anna@acme.example")
        bare.refuse(site)
        loop(site, pair)
        if not bare.skipped:
            continue
        doctor = site.json("doctor")
        assert doctor["ok"] is True
        said = " ".join(
            f"{one['message']} {one['remedy']}" for one in doctor["checks"] if one["level"] != "ok"
        )
        assert [word for word in bare.skipped if word not in said] == []


def test_without_forms_nobody_qualifies_and_all_is_well(tmp_path: Path) -> None:
    switches = Switches(hs_missing_scopes={"forms"}, hs_absent={"/marketing/v3/forms", "/form-integrations"})
    for site in made(tmp_path, switches=switches):
        site.pair("anna@acme.example")
        report = site.sync()
        assert (report["outcome"], report["score"]["mql_entered"]) == ("ok", 0)
        doctor = site.json("doctor")
        assert "form_submissions" in " ".join(one["message"] for one in doctor["checks"])


# --- other shapes of the same APIs --------------------------------------------------------------------------

SHAPES = {
    "as-sometimes-seen": Switches(
        hs_numeric_after=False, hs_association_ids_as_text=False, hs_missing_in_batch="200",
        hs_varying_fraction=False,
    ),
    "as-some-documents-say": Switches(
        hs_same_value_version=True, hs_write_source="API", sf_page_size=3, hs_association_page=1,
        sf_limit_per_app=True, sf_conditional_field="SystemModstamp",
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_other_shapes_of_the_documented_answers(tmp_path: Path, shape: str) -> None:
    for site in made(tmp_path, switches=SHAPES[shape]):
        pair = site.pair("anna@acme.example")
        company = site.sandbox.create("hubspot", "companies", {"name": "Acme", "domain": "acme.example"})
        site.sandbox.hubspot.associate("contacts", pair.contact, "companies", company)
        for number in range(4):
            site.lead(f"lead{number}@other.example")
        _, second = loop(site, pair)
        assert second["match"]["people"] == 5


def password(site: Site) -> dict[str, str | None]:
    account = site.sandbox.credentials["salesforce"]
    return {
        "CLIENT_ID": None, "CLIENT_SECRET": None, "API_VERSION": "64.0", "USERNAME": account["username"],
        "PASSWORD": account["password"], "SECURITY_TOKEN": account["security_token"],
    }  # fmt: skip


def token(site: Site) -> dict[str, str | None]:
    half = site.sandbox.salesforce
    return {
        "CLIENT_ID": None, "CLIENT_SECRET": None, "LOGIN_URL": None,
        "INSTANCE_URL": site.sandbox.salesforce_url, "ACCESS_TOKEN": half.token(half.org.worker_id),
    }  # fmt: skip


def oauth(site: Site) -> dict[str, str | None]:
    account = site.sandbox.credentials["hubspot"]
    return {
        "ACCESS_TOKEN": None, "CLIENT_ID": account["client_id"], "CLIENT_SECRET": account["client_secret"],
        "REFRESH_TOKEN": account["refresh_token"],
    }  # fmt: skip


def password_grant(site: Site) -> dict[str, str | None]:
    account = site.sandbox.credentials["salesforce"]
    return {
        "USERNAME": account["username"], "PASSWORD": account["password"],
        "SECURITY_TOKEN": account["security_token"],
    }  # fmt: skip


def from_a_file(site: Site) -> dict[str, str | None]:
    file = site.folder / "token"
    file.write_text(site.sandbox.credentials["hubspot"]["access_token"] + "\n", encoding="utf-8")
    file.chmod(0o600)
    url = site.sandbox.hubspot_url.replace("127.0.0.1", "localhost") + "/"
    return {"ACCESS_TOKEN": None, "ACCESS_TOKEN_FILE": str(file), "BASE_URL": url}


def slash(site: Site) -> dict[str, str | None]:
    return {"LOGIN_URL": site.sandbox.salesforce_url + "/"}


def version(number: str) -> Callable[[Site], dict[str, str | None]]:
    return lambda _: {"API_VERSION": number}


WAYS: dict[str, dict[str, Callable[[Site], dict[str, str | None]]]] = {
    "v58-and-2026-03": {"SALESFORCE": version("v58.0"), "HUBSPOT": version("2026-03")},
    "66-and-oauth": {"SALESFORCE": version("66.0"), "HUBSPOT": oauth},
    "token": {"SALESFORCE": token},
    "password": {"SALESFORCE": password},
    "password-grant-and-file": {"SALESFORCE": password_grant, "HUBSPOT": from_a_file},
    "slash": {"SALESFORCE": slash},
}


@pytest.mark.parametrize("way", WAYS)
def test_versions_and_ways_to_sign_in(tmp_path: Path, way: str) -> None:
    for site in made(tmp_path):
        for crm, settings in WAYS[way].items():
            for name, value in settings(site).items():
                site.environ.pop(f"MQLSYNC_{crm}__{name}", None)
                if value is not None:
                    site.environ[f"MQLSYNC_{crm}__{name}"] = value
        assert site.json("doctor")["ok"] is True
        loop(site, site.pair("anna@acme.example"))
        paths = " ".join(request.path for request in site.sandbox.requests)
        for way_of, path in (
            ("2026-03", "/crm/objects/2026-03/contacts"),
            ("v58", "/data/v58.0/"),
            ("66", "/data/v66.0/"),
        ):
            assert (path in paths) == (way_of in way)
