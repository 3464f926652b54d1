"""Contacts, companies and deals: first pass, changes, ties, late index, merges, the archive."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import responses

from connectors.errors import BrokenReply, NotOffered, RightMissing
from connectors.hubspot.catalogue import Catalogue
from connectors.hubspot.connector import FEEDS, HubSpotConnector
from connectors.hubspot.objects import Objects
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import Cursor, GoneReason, Page, PersonRecord
from connectors.sandbox.faults import Match
from connectors.sandbox.sandbox import Sandbox
from tests.unit.hubspot.made import API, feed_of, on_sandbox, pull, recorded
from tests.unit.hubspot.made import account as made_account
from tests.world import SimulatedWorld


@pytest.fixture(params=["v3", "2026-03"])
def connector(request: pytest.FixtureRequest, sandbox: Sandbox, world: SimulatedWorld) -> HubSpotConnector:
    return on_sandbox(sandbox, world, api_version=request.param)


def contact(sandbox: Sandbox, number: int = 0, **values: str) -> str:
    return sandbox.create("hubspot", "contacts", {"email": f"p{number}@example.com", **values})


def people(pages: list[Page]) -> dict[str, PersonRecord]:
    return {person.id: person for page in pages for person in page.people}


def paths(sandbox: Sandbox, since: int = 0) -> list[str]:
    return [logged.path for logged in sandbox.requests[since:]]


def test_a_contact_with_all_its_fields(sandbox: Sandbox, world: SimulatedWorld) -> None:
    company = sandbox.create("hubspot", "companies", {"name": "Acme", "numberofemployees": "120"})
    record = contact(
        sandbox,
        firstname="Ann",
        lastname="  O'Neil ",
        jobtitle="VP",
        company="Acme",
        country="Germany",
        lifecyclestage="lead",
        hs_lead_status="NEW",
        hs_email_optout="true",
    )
    sandbox.hubspot.associate("contacts", record, "companies", company)
    options = PullOptions(
        EngagementMapper(),
        mapped={"contacts": {"title": "jobtitle", "nothing": "city"}},
        also={"contacts": ("phone",)},
    )
    connector = on_sandbox(sandbox, world, options)
    person = people(pull(connector, "contacts")[0])[record]
    assert (person.email, person.first_name, person.last_name) == ("p0@example.com", "Ann", "  O'Neil ")
    assert (person.job_title, person.company_name, person.country) == ("VP", "Acme", "Germany")
    assert (person.status, person.lifecycle, person.opted_out) == ("NEW", "lead", True)
    assert person.company_id == company
    assert person.created_ms is not None
    assert json.loads(person.fields) == {"title": "VP", "nothing": None}
    assert json.loads(person.raw)["id"] == record
    assert "phone" in json.loads(person.raw)["properties"]
    row = pull(connector, "companies")[0][0].companies[0]
    assert (row.id, row.name, row.company_size) == (company, "Acme", 120)


def test_a_mapped_property_that_is_gone_stops_the_feed_and_is_named(
    sandbox: Sandbox, world: SimulatedWorld
) -> None:
    contact(sandbox)
    options = PullOptions(EngagementMapper(), mapped={"contacts": {"score": "mql_score"}})
    connector = on_sandbox(sandbox, world, options)
    _, cursor = pull(connector, "contacts")
    sandbox.switches.hs_missing_properties = {"contacts.mql_score"}
    pull(connector, "contacts", cursor)  # the description is an hour old at most
    world.advance(3601)
    with pytest.raises(NotOffered, match=r"'mql_score'.*'score'"):
        pull(connector, "contacts", cursor)
    sandbox.switches.hs_missing_scopes = {"crm.schemas.contacts.read"}
    pull(on_sandbox(sandbox, world, options), "contacts", cursor)  # nothing is known against it


def test_deals_are_closed_by_flag_or_by_stage(sandbox: Sandbox, world: SimulatedWorld) -> None:
    names = {"closedwon": (True, True), "closedlost": (True, False), "appointmentscheduled": (False, False)}
    ids = {
        sandbox.create(
            "hubspot", "deals", {"dealname": stage, "dealstage": stage, "pipeline": "default"}
        ): stage
        for stage in names
    }
    for missing in (set(), {"deals.hs_is_closed", "deals.hs_is_closed_won"}):
        sandbox.switches.hs_missing_properties = missing
        deals = pull(on_sandbox(sandbox, world), "deals")[0][0].deals
        assert {deal.id: (deal.is_closed, deal.is_won) for deal in deals} == {
            deal_id: names[stage] for deal_id, stage in ids.items()
        }


def test_an_object_nobody_may_read_says_so(sandbox: Sandbox, world: SimulatedWorld) -> None:
    connector = on_sandbox(sandbox, world)
    sandbox.switches.hs_missing_scopes = {"crm.objects.deals.read"}
    with pytest.raises(RightMissing, match=r"crm\.objects\.deals\.read"):
        pull(connector, "deals")
    assert feed_of(connector, "deals").optional
    assert not feed_of(connector, "contacts").optional


@pytest.mark.parametrize("numeric", [True, False])
def test_a_pass_goes_on_from_any_page(connector: HubSpotConnector, sandbox: Sandbox, numeric: bool) -> None:
    sandbox.switches.hs_numeric_after = numeric
    wanted = {contact(sandbox, number) for number in range(250)}
    first, cursor = pull(connector, "contacts")
    assert [len(page.people) for page in first] == [100, 100, 50]
    rest, end = pull(connector, "contacts", first[0].cursor)
    assert set(people(first[:1])) | set(people(rest)) == wanted
    assert end.since_ms == cursor.since_ms  # T is the one of the pass's first page


def test_ties_of_any_size_come_by_keyset(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    _, cursor = pull(connector, "contacts")
    world.advance(600)
    wanted = {contact(sandbox, number) for number in range(450)}  # all in one millisecond
    world.advance(1)
    asked = recorded(sandbox)
    pages, _ = pull(connector, "contacts", cursor)
    assert [len(page.people) for page in pages] == [200, 200, 50]
    assert set(people(pages)) == wanted
    assert len(asked) == 3
    assert not [one for one in asked if '"after"' in one]
    assert ["hs_object_id" in one.split('"sorts"')[0] for one in asked] == [False, True, True]
    again, _ = pull(connector, "contacts", pages[1].cursor)
    assert set(people(pages[:2])) | set(people(again)) == wanted
    assert len(again) == 1


def test_rows_that_change_while_paging_are_not_lost(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    ids = [contact(sandbox, number) for number in range(450)]
    _, cursor = pull(connector, "contacts")
    world.advance(600)
    for record in ids:
        sandbox.edit("hubspot", "contacts", record, {"city": "Old"})
    mirror: dict[str, str | None] = {}
    for number, page in enumerate(connector.changes(feed_of(connector, "contacts"), cursor)):
        mirror |= {person.id: person.city for person in page.people}
        last = page.cursor
        world.advance(1)
        for record in (ids[number], ids[100 * number + 199], ids[-1 - number]):
            sandbox.edit("hubspot", "contacts", record, {"city": "New"})
    world.advance(1)
    mirror |= {person.id: person.city for person in people(pull(connector, "contacts", last)[0]).values()}
    truth = {record: sandbox.store.get("hubspot", "contacts", record).values["city"] for record in ids}  # type: ignore[union-attr]
    assert mirror == truth


def test_a_change_that_the_index_shows_an_hour_late(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    _, cursor = pull(connector, "contacts")
    world.advance(600)
    late = contact(sandbox)
    sandbox.switches.hs_search_lag = 3500
    seen: set[str] = set()
    for _ in range(16):
        world.advance(600)
        pages, cursor = pull(connector, "contacts", cursor)
        seen |= set(people(pages))
    assert seen == {late}


def test_overlap_is_a_setting(sandbox: Sandbox, world: SimulatedWorld) -> None:
    record = contact(sandbox)
    options = PullOptions(EngagementMapper(), overlap={"hubspot.contacts": 1800})
    wide, narrow = on_sandbox(sandbox, world, options), on_sandbox(sandbox, world)
    _, cursor = pull(narrow, "contacts")
    world.advance(1000)
    _, cursor = pull(narrow, "contacts", cursor)
    world.advance(1)
    assert people(pull(narrow, "contacts", cursor)[0]) == {}
    assert set(people(pull(wide, "contacts", cursor)[0])) == {record}


@pytest.mark.parametrize("new_id", [True, False])
def test_a_merge_buries_every_id_but_the_survivors(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld, new_id: bool
) -> None:
    sandbox.switches.hs_merge_new_id = new_id
    winner, loser = contact(sandbox, 1), contact(sandbox, 2)
    _, cursor = pull(connector, "contacts")
    world.advance(60)
    survivor = sandbox.merge("hubspot", "contacts", winner, loser)
    world.advance(60)
    pages, _ = pull(connector, "contacts", cursor)
    gone = {stone.id: stone for page in pages for stone in page.tombstones}
    assert set(gone) == {winner, loser} - {survivor}
    assert {(s.reason, s.to_object, s.to_id) for s in gone.values()} == {
        ("merged_into", "contacts", survivor)
    }
    person = people(pages)[survivor]
    addresses = {person.email, *json.loads(person.additional_emails or "[]")}
    assert addresses == {"p1@example.com", "p2@example.com"}


def test_the_archive_is_told_once(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    ids = [contact(sandbox, number) for number in range(230)]
    for record in ids[:210]:
        sandbox.archive("hubspot", "contacts", record)
    pages, cursor = pull(connector, "contacts.archived")
    assert len(pages) == 3
    assert {stone.id for page in pages for stone in page.tombstones} == set(ids[:210])
    assert {stone.reason for page in pages for stone in page.tombstones} == {GoneReason.ARCHIVED}
    world.advance(600)
    _, cursor = pull(connector, "contacts.archived", cursor)
    sandbox.archive("hubspot", "contacts", ids[211])
    rest, _ = pull(connector, "contacts.archived", cursor)
    assert {stone.id for page in rest for stone in page.tombstones} == {ids[211]}
    resumed, _ = pull(connector, "contacts.archived", pages[0].cursor)
    told = {stone.id for page in [pages[0], *resumed] for stone in page.tombstones}
    assert told == {*ids[:210], ids[211]}


@responses.activate
def test_a_server_that_lists_the_living_as_archived_buries_nobody(world: SimulatedWorld) -> None:
    responses.get(f"{API}/crm/v3/objects/contacts", json={"results": [row("1")]})
    made = made_account(world)
    objects = Objects(made, Catalogue(made), PullOptions(EngagementMapper()))
    feed = next(feed for feed in FEEDS if feed.name == "hubspot.contacts.archived")
    assert [page.tombstones for page in objects.archived_pages(feed, None)] == [()]


def test_all_fields_go_by_batch_when_they_do_not_fit_a_url(sandbox: Sandbox, world: SimulatedWorld) -> None:
    ids = {contact(sandbox, number, phone=str(number)) for number in range(120)}
    names = tuple(f"custom_property_with_a_long_name_{number}" for number in range(200))
    options = PullOptions(EngagementMapper(), all_fields=True, also={"contacts": names})
    connector = on_sandbox(sandbox, world, options)
    pages, cursor = pull(connector, "contacts")
    assert set(people(pages)) == ids
    assert all("phone" in json.loads(person.raw)["properties"] for person in people(pages).values())
    assert [path.rsplit("/", 1)[1] for path in paths(sandbox)] == [
        "contacts", "contacts", "read", "contacts", "read",
    ]  # fmt: skip
    world.advance(60)
    pull(connector, "contacts", cursor)
    assert paths(sandbox)[-1].endswith("/search")


def test_the_ids_of_all_living(connector: HubSpotConnector, sandbox: Sandbox) -> None:
    ids = [contact(sandbox, number) for number in range(205)]
    sandbox.archive("hubspot", "contacts", ids[3])
    batches = list(connector.ids("contacts"))
    assert [len(batch) for batch in batches] == [100, 100, 4]
    assert {record for batch in batches for record in batch} == set(ids) - {ids[3]}


def test_fetching_says_what_became_of_each(connector: HubSpotConnector, sandbox: Sandbox) -> None:
    alive, archived, winner, loser = (contact(sandbox, number) for number in range(4))
    sandbox.archive("hubspot", "contacts", archived)
    survivor = sandbox.merge("hubspot", "contacts", winner, loser)
    page = connector.fetch("contacts", [alive, archived, loser, "999999999", alive])
    assert {person.id for person in page.people} == {alive, survivor}
    assert {(stone.id, stone.reason) for stone in page.tombstones} >= {
        (archived, "archived"),
        (loser, "merged_into"),
        ("999999999", "absent"),
    }
    assert page.complete
    assert page.seen == 2
    with pytest.raises(NotOffered):
        connector.fetch("tickets", ["1"])


def test_a_list_token_that_was_forgotten_starts_again(connector: HubSpotConnector, sandbox: Sandbox) -> None:
    wanted = {contact(sandbox, number) for number in range(150)}
    first, _ = pull(connector, "contacts")
    stale = replace(first[0].cursor, position="not-a-token-of-this-server")
    assert set(people(pull(connector, "contacts", stale)[0])) == wanted


def test_a_person_edits_between_two_pages_of_the_listing(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    ids = [contact(sandbox, number, city="Old") for number in range(150)]

    def edit(_: object) -> None:
        world.advance(5)
        sandbox.edit("hubspot", "contacts", ids[0], {"city": "New"})

    sandbox.steps.before(Match("hubspot", "GET", "contacts", skip=1), edit)
    first, cursor = pull(connector, "contacts")
    assert people(first)[ids[0]].city == "Old"
    world.advance(60)
    assert people(pull(connector, "contacts", cursor)[0])[ids[0]].city == "New"


# Replies that no sandbox gives


def walk_over(world: SimulatedWorld, cursor: Cursor | None) -> list[Page]:
    made = made_account(world)
    objects = Objects(made, Catalogue(made), PullOptions(EngagementMapper()))
    feed = next(feed for feed in FEEDS if feed.name == "hubspot.contacts")
    return list(objects.pages(feed, cursor))


def row(record_id: str, **properties: str) -> dict[str, object]:
    return {
        "id": record_id,
        "properties": {"lastmodifieddate": "2026-11-01T00:00:00Z", **properties},
        "archived": False,
    }


@responses.activate
def test_one_poisoned_row_parks_that_row(world: SimulatedWorld) -> None:
    bad: list[object] = [
        {"id": "2", "properties": "none"},
        {"id": "3", "properties": {"lastmodifieddate": "yesterday"}},
        {"no": "id"},
        "text",
        {"id": {"a": 1}, "properties": {}},
    ]
    rows = [row("1"), *bad, row("4", email="x@example.com")]
    responses.get(f"{API}/crm/v3/objects/contacts", json={"results": rows})
    page = walk_over(world, None)[0]
    assert [person.id for person in page.people] == ["1", "4"]
    assert [poison.id for poison in page.poison] == ["2", "3", "", "", ""]
    assert all(poison.reason and poison.raw for poison in page.poison)
    assert page.seen == 7


@responses.activate
def test_numbers_where_text_is_promised(world: SimulatedWorld) -> None:
    odd = row("7", email="a@example.com") | {"id": 7}
    odd["properties"] = {
        "lastmodifieddate": 1793611820000,
        "associatedcompanyid": "55.0",
        "hs_email_optout": "",
    }
    responses.get(f"{API}/crm/v3/objects/contacts", json={"results": [odd]})
    person = walk_over(world, None)[0].people[0]
    assert (person.id, person.modified_ms, person.company_id, person.opted_out) == (
        "7", 1793611820000, "55", None,
    )  # fmt: skip


@responses.activate
def test_half_a_surrogate_pair_parks_nothing(world: SimulatedWorld) -> None:
    body = json.dumps({"results": [row("1", lastname="A"), row("2", lastname="\ud83dB")]})
    responses.get(f"{API}/crm/v3/objects/contacts", body=body)
    names = [person.last_name for person in walk_over(world, None)[0].people]
    assert names == ["A", "\ufffdB"]


def search_page(*ids: str, after: str | None = None, total: int = 9) -> dict[str, object]:
    paging = {"paging": {"next": {"after": after}}} if after else {}
    return {"results": [row(record) for record in ids], "total": total, **paging}


@responses.activate
@pytest.mark.parametrize("first", [("10", "9"), ("7", "7")], ids=["unsorted", "twice"])
def test_a_server_that_does_not_sort_by_id_is_read_by_offset(
    world: SimulatedWorld, first: tuple[str, ...]
) -> None:
    url = f"{API}/crm/v3/objects/contacts/search"
    for page in (
        search_page(*first, after="2"),
        search_page("10", "9", after="2"),
        search_page("8", after="4"),
        search_page("7", total=1),
    ):
        responses.post(url, json=page)
    pages = walk_over(world, Cursor(since_ms=1793600000000))
    assert {"10", "9", "8", "7"} <= {person.id for page in pages for person in page.people}
    bodies = [json.loads(call.request.body or "{}") for call in responses.calls]
    assert [body.get("after") for body in bodies] == [None, None, "2", "4"]
    filters = [body["filterGroups"] for body in bodies[1:]]
    assert (
        filters[0] == filters[1] == filters[2]
    )  # an offset means something in one and the same question only


@responses.activate
def test_a_search_that_goes_in_circles_is_not_believed(world: SimulatedWorld) -> None:
    responses.post(f"{API}/crm/v3/objects/contacts/search", json=search_page("2", "1", after="2"))
    with pytest.raises(BrokenReply, match="circles"):
        walk_over(world, Cursor(since_ms=1793600000000))


@responses.activate
def test_a_search_without_rows_is_the_end(world: SimulatedWorld) -> None:
    responses.post(f"{API}/crm/v3/objects/contacts/search", json=search_page(after="2"))
    assert walk_over(world, Cursor(since_ms=1793600000000))[-1].complete


@responses.activate
def test_a_listing_that_goes_in_circles_is_not_believed(world: SimulatedWorld) -> None:
    page = {"results": [row("1")], "paging": {"next": {"after": "1", "link": "https://elsewhere.test/"}}}
    responses.get(f"{API}/crm/v3/objects/contacts", json=page)
    with pytest.raises(BrokenReply, match="circles"):
        walk_over(world, None)
    assert all((call.request.url or "").startswith(API) for call in responses.calls)


@responses.activate
def test_a_server_with_smaller_search_pages(world: SimulatedWorld) -> None:
    responses.post(f"{API}/crm/v3/objects/contacts/search", status=400, json={"category": "VALIDATION_ERROR"})
    responses.post(f"{API}/crm/v3/objects/contacts/search", json={"results": [row("1")], "total": 1})
    assert len(walk_over(world, Cursor(since_ms=1793600000000))[0].people) == 1
    limits = [json.loads(call.request.body or "{}")["limit"] for call in responses.calls]
    assert limits == [200, 100]
