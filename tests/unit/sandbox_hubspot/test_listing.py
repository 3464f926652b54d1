"""Listing and reading over plain HTTP: limits, cursors, names of types, dated paths, archived records."""

from __future__ import annotations

import pytest

from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox_hubspot.conftest import Api

CONTACTS = "/crm/v3/objects/contacts"


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v3/objects/contacts",
        "/crm/v3/objects/contact",
        "/crm/v3/objects/0-1",
        "/crm/objects/2026-03/contacts",
        "/crm/objects/2026-03/0-1",
    ],
)
def test_every_name_of_a_type_leads_to_the_same_records(api: Api, half: HubSpot, path: str) -> None:
    made = half.create("contacts", {"email": "Ada@X.com "})
    (record,) = api.get(path)["results"]
    assert (record["id"], record["properties"]["email"]) == (made, "ada@x.com")
    assert ("url" in record) is ("2026" in path)


def test_an_unknown_type_is_refused(api: Api) -> None:
    assert api.get("/crm/v3/objects/unicorns")["category"] == "VALIDATION_ERROR"
    assert api.status == 400


@pytest.mark.parametrize(("numeric", "expected"), [(True, True), (False, False)])
def test_pages_follow_each_other_by_cursor_and_by_link(
    api: Api, half: HubSpot, sandbox: Sandbox, numeric: bool, expected: bool
) -> None:
    sandbox.switches.hs_numeric_after = numeric
    made = [half.create("contacts", {"lastname": str(number)}) for number in range(5)]
    page = api.get(CONTACTS, limit=2, properties="lastname")
    following = page["paging"]["next"]
    assert following["after"].isdigit() is expected
    assert following["link"].startswith(sandbox.hubspot_url)
    seen = [record["id"] for record in page["results"]]
    while "paging" in page:
        page = api.get(page["paging"]["next"]["link"])
        assert "lastname" in page["results"][0]["properties"]
        seen += [record["id"] for record in page["results"]]
    assert seen == made


def test_a_numeric_cursor_starts_anywhere(api: Api, half: HubSpot) -> None:
    made = [half.create("contacts", {}) for _ in range(5)]
    assert [record["id"] for record in api.get(CONTACTS, after=made[2])["results"]] == made[3:]


@pytest.mark.parametrize(("params", "status"), [
    ({"limit": 100}, 200),
    ({"limit": 101}, 400),
    ({"limit": 0}, 400),
    ({"limit": "x"}, 400),
    ({"limit": 50, "propertiesWithHistory": "email"}, 200),
    ({"limit": 51, "propertiesWithHistory": "email"}, 400),
    ({"after": "nonsense!"}, 400),
])  # fmt: skip
def test_page_sizes(api: Api, params: dict[str, str], status: int) -> None:
    api.get(CONTACTS, **params)
    assert api.status == status


def test_values_are_text_or_null(api: Api, half: HubSpot) -> None:
    made = half.create("contacts", {"mql_score": 42, "hs_email_optout": True})
    asked = "mql_score,hs_email_optout,jobtitle,no_such_property"
    shown = api.get(f"{CONTACTS}/{made}", properties=asked)["properties"]
    assert (shown["mql_score"], shown["hs_email_optout"], shown["jobtitle"]) == ("42", "true", None)
    assert "no_such_property" not in shown


@pytest.mark.parametrize(("seconds", "expected"), [
    (0.0, "2026-11-02T09:00:00Z"), (0.1, "2026-11-02T09:00:00.1Z"), (0.123, "2026-11-02T09:00:00.123Z"),
])  # fmt: skip
def test_times_have_a_varying_fraction(
    api: Api, half: HubSpot, sandbox: Sandbox, seconds: float, expected: str
) -> None:
    sandbox.advance(seconds)
    made = half.create("contacts", {"recent_conversion_date": sandbox.clock() * 1000})
    shown = api.get(f"{CONTACTS}/{made}", properties="recent_conversion_date")
    assert shown["createdAt"] == shown["properties"]["createdate"] == expected
    assert shown["properties"]["recent_conversion_date"] == expected
    sandbox.switches.hs_varying_fraction = False
    assert len(api.get(f"{CONTACTS}/{made}")["createdAt"]) == len("2026-11-02T09:00:00.123Z")


def test_contacts_and_the_others_name_their_stamp_differently(api: Api, half: HubSpot) -> None:
    contact, company = half.create("contacts", {}), half.create("companies", {})
    contact_shown = api.get(f"{CONTACTS}/{contact}", properties="email")["properties"]
    assert contact_shown["lastmodifieddate"]
    assert "hs_lastmodifieddate" not in contact_shown
    company_shown = api.get(f"/crm/v3/objects/companies/{company}", properties="name")["properties"]
    assert company_shown["hs_lastmodifieddate"]
    assert company_shown["createdate"]


def test_read_by_another_property(api: Api, half: HubSpot) -> None:
    made = half.create("contacts", {"email": "ada@x.com"})
    assert api.get(f"{CONTACTS}/Ada@x.com", idProperty="email")["id"] == made
    api.patch(f"{CONTACTS}/ada@x.com", {"jobtitle": "CTO"}, idProperty="email")
    assert api.get(f"{CONTACTS}/{made}", properties="jobtitle")["properties"]["jobtitle"] == "CTO"


def test_archived_records_leave_lists_without_a_modification(
    api: Api, half: HubSpot, sandbox: Sandbox
) -> None:
    made = half.create("contacts", {"email": "a@x.com"})
    before = api.get(f"{CONTACTS}/{made}")["updatedAt"]
    sandbox.advance(60)
    sandbox.archive("hubspot", "contacts", made)
    assert api.get(CONTACTS)["results"] == []
    (gone,) = api.get(CONTACTS, archived="true")["results"]
    assert (gone["id"], gone["archived"], gone["updatedAt"]) == (made, True, before)
    assert gone["archivedAt"] > before
    api.get(f"{CONTACTS}/{made}")
    assert api.status == 404
    assert api.get(f"{CONTACTS}/{made}", archived="true")["id"] == made
    assert half.create("contacts", {"email": "a@x.com"}) != made


def test_associations_in_a_listing_have_one_entry_per_label(api: Api, half: HubSpot) -> None:
    contact = half.create("contacts", {})
    companies = [half.create("companies", {}) for _ in range(2)]
    for company in companies:
        half.associate("contacts", contact, "companies", company)
    (shown,) = api.get(CONTACTS, associations="companies")["results"]
    entries = [(one["id"], one["type"]) for one in shown["associations"]["companies"]["results"]]
    assert entries == [
        (companies[0], "contact_to_company"),
        (companies[0], "contact_to_company_unlabeled"),
        (companies[1], "contact_to_company_unlabeled"),
    ]


def test_more_than_a_hundred_associations_are_cut_off(api: Api, half: HubSpot) -> None:
    company = half.create("companies", {})
    for _ in range(101):
        half.associate("contacts", half.create("contacts", {}), "companies", company)
    shown = api.get(f"/crm/v3/objects/companies/{company}", associations="contacts")["associations"][
        "contacts"
    ]
    assert len(shown["results"]) == 100
    rest = api.get(shown["paging"]["next"]["link"])["results"]
    assert {one["id"] for one in shown["results"]}.isdisjoint(one["toObjectId"] for one in rest)


def test_paths_and_methods_that_do_not_exist(api: Api) -> None:
    api.get("/crm/v9/nothing")
    assert (api.status, api.last.headers["Content-Type"].split(";")[0]) == (404, "text/html")
    api.call("PUT", CONTACTS, body={})
    assert api.status == 405
