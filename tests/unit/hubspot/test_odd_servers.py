"""Servers of the documented API with less in their answers, or another limit, than HubSpot has today."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import responses

from config.settings import EngagementRule
from connectors.errors import Fatal, NotOffered, RecordRejected
from connectors.hubspot.account import Account
from connectors.hubspot.associations import Associations
from connectors.hubspot.catalogue import Catalogue
from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.reader import ObjectPage, Row, row_of
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import Cursor
from connectors.sandbox.core import Request, Response
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from tests.unit.hubspot.made import API, TOKEN, account, on_sandbox, pull, settings
from tests.world import SimulatedWorld


def connector(world: SimulatedWorld) -> HubSpotConnector:
    return HubSpotConnector(settings(), PullOptions(EngagementMapper()), world, UnlimitedBudget())


# Searches


def _unbounded(request: Request, response: Response) -> Response:
    """Knows no property `hs_object_id`: nothing is above any bound."""
    if b'"GT"' in request.body:
        return Response.json({"total": 0, "results": []})
    return response


def _wordless(_: Request, response: Response) -> Response:
    """Tells neither how many there are nor that more follows."""
    return Response.json({"results": json.loads(response.body)["results"]})


def _uncounted(_: Request, response: Response) -> Response:
    body = json.loads(response.body)
    del body["total"]
    return Response.json(body)


def _untimely(request: Request, response: Response) -> Response:
    """Compares times as text: nothing is before a number of milliseconds."""
    if b'"LTE"' in request.body:
        return Response.json({"total": 0, "results": []})
    return response


@pytest.mark.parametrize("odd", [_unbounded, _wordless, _uncounted, _untimely])
def test_no_changed_record_is_lost_by_a_search_that_says_less(
    sandbox: Sandbox, world: SimulatedWorld, odd: Any
) -> None:
    people = [sandbox.create("hubspot", "contacts", {"email": f"o{n}@example.com"}) for n in range(450)]
    made = on_sandbox(sandbox, world)
    _, cursor = pull(made, "contacts")
    world.advance(5 * 3600)
    for one in people:
        sandbox.edit("hubspot", "contacts", one, {"city": "Rome"})
    world.advance(60)
    plain = sandbox.hubspot.handle

    def handle(request: Request) -> Response:
        response = plain(request)
        return odd(request, response) if request.path.endswith("/search") else response

    sandbox.hubspot.handle = handle  # type: ignore[method-assign]
    pages, _ = pull(made, "contacts", cursor)
    assert {person.id for page in pages for person in page.people} == set(people)
    made.close()


@responses.activate
@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_a_search_that_is_refused_is_made_up_for_by_the_listing(world: SimulatedWorld, status: int) -> None:
    path = f"{API}/crm/v3/objects/companies"
    responses.post(f"{path}/search", json={"category": "VALIDATION_ERROR"}, status=status)
    row = {"id": 7, "properties": {"name": "Acme"}, "updatedAt": "2026-11-01T10:00:00Z"}
    responses.get(path, json={"results": [row]})
    pages, _ = pull(connector(world), "companies", Cursor(since_ms=1_000))
    assert [one.name for page in pages for one in page.companies] == ["Acme"]


# Listings


DEFAULTS = ("createdate", "lastmodifieddate", "hs_object_id", "email", "firstname", "lastname")


def _shown(names: list[str], empty: bool) -> Any:
    """A listing that shows its defaults and these names, with or without those that are empty."""

    def handle(request: Request, response: Response) -> Response:
        body = json.loads(response.body)
        for row in body["results"]:
            row["properties"] = {
                name: value
                for name, value in row["properties"].items()
                if name in (*DEFAULTS, *names) and (empty or value is not None)
            }
        return Response.json(body)

    return handle


def _first_alone(request: Request, response: Response) -> Response:
    """Reads each `properties` as one name."""
    names = request.query.get("properties", [])
    body: Response = _shown(names, empty=True)(request, response)
    return body


def _deaf(request: Request, response: Response) -> Response:
    """Takes no names at all."""
    body: Response = _shown([], empty=False)(request, response)
    return body


@pytest.mark.parametrize("odd", [_first_alone, _deaf])
def test_no_property_is_lost_by_a_listing_that_takes_names_otherwise(
    sandbox: Sandbox, world: SimulatedWorld, odd: Any
) -> None:
    people = [
        sandbox.create("hubspot", "contacts", {"email": f"o{n}@example.com", "jobtitle": f"Boss {n}"})
        for n in range(250)
    ]
    plain = sandbox.hubspot.handle

    def handle(request: Request) -> Response:
        response = plain(request)
        return odd(request, response) if request.path.endswith("/contacts") else response

    sandbox.hubspot.handle = handle  # type: ignore[method-assign]
    made = on_sandbox(sandbox, world)
    pages, _ = pull(made, "contacts")
    titles = {person.id: person.job_title for page in pages for person in page.people}
    assert titles == {one: f"Boss {number}" for number, one in enumerate(people)}
    listed = [one for one in sandbox.requests if one.path.endswith("/contacts") and one.method == "GET"]
    assert len(listed) == 4  # three pages, and the first once more
    made.close()


def test_properties_that_are_all_empty_are_asked_for_once_more(
    sandbox: Sandbox, world: SimulatedWorld
) -> None:
    for number in range(3):
        sandbox.create("hubspot", "contacts", {"email": f"o{number}@example.com"})
    plain = sandbox.hubspot.handle

    def handle(request: Request) -> Response:
        response = plain(request)
        return _deaf(request, response) if "/contacts" in request.path else response

    sandbox.hubspot.handle = handle  # type: ignore[method-assign]
    made = on_sandbox(sandbox, world)
    for calls in (3, 1):  # joined, apart, by a batch; then it is known that there is nothing to be known
        before = made.calls
        pages, _ = pull(made, "contacts")
        assert len([person for page in pages for person in page.people]) == 3
        assert made.calls - before == calls
    made.close()


@pytest.mark.parametrize("status", [414, 431])
def test_a_server_with_little_room_in_a_url(sandbox: Sandbox, world: SimulatedWorld, status: int) -> None:
    people = [sandbox.create("hubspot", "contacts", {"jobtitle": f"Boss {number}"}) for number in range(150)]
    plain = sandbox.hubspot.handle

    def handle(request: Request) -> Response:
        if len(request.param("properties")) > 100:
            return Response.text("<h1>Bad Message</h1>", status, "text/html")
        return plain(request)

    sandbox.hubspot.handle = handle  # type: ignore[method-assign]
    made = on_sandbox(sandbox, world)
    pages, _ = pull(made, "contacts")
    titles = {person.id: person.job_title for page in pages for person in page.people}
    assert titles == {one: f"Boss {number}" for number, one in enumerate(people)}
    made.close()


@responses.activate
@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_slash_at_the_end_may_be_asked_for(world: SimulatedWorld, status: int) -> None:
    path = f"{API}/crm/v3/owners"
    responses.get(path, status=status, headers={"Location": f"{path}/?limit=1"})
    responses.get(f"{path}/", json={"results": []})
    account(world).read(ObjectPage, "owners", query=[("limit", "1")])
    assert [call.request.url for call in responses.calls] == [f"{path}?limit=1", f"{path}/?limit=1"]


@responses.activate
@pytest.mark.parametrize("to", ["https://elsewhere.test/crm/v3/owners/", f"{API}/crm/v3/people/", "/other/"])
def test_no_other_redirect_is_followed(world: SimulatedWorld, to: str) -> None:
    responses.get(f"{API}/crm/v3/owners", status=308, headers={"Location": to})
    with pytest.raises(Fatal):
        account(world).read(ObjectPage, "owners")
    assert len(responses.calls) == 1


# Limits


@responses.activate
def test_associations_of_a_server_with_smaller_batches(world: SimulatedWorld) -> None:
    path, sizes = f"{API}/crm/v4/associations/contacts/companies/batch/read", []

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        inputs = json.loads(request.body)["inputs"]
        sizes.append(len(inputs))
        if len(inputs) > 100:
            return 400, {}, json.dumps({"status": "error", "category": "VALIDATION_ERROR"})
        found = [{"from": {"id": int(one["id"])}, "to": [{"toObjectId": 5}]} for one in inputs]
        return 200, {}, json.dumps({"results": found})

    responses.add_callback(responses.POST, path, answer)
    ids = [str(number) for number in range(1, 251)]
    read = Associations(account(world))
    found = read.link_sets("contacts", ids, "companies")
    assert [one.from_id for one in found] == ids
    assert all(len(one.links) == 1 for one in found)
    assert sizes == [250, 100, 100, 50]
    read.link_sets("contacts", ids, "companies")
    assert sizes[4:] == [100, 100, 50]  # it was told once


@responses.activate
def test_associations_that_are_refused_in_any_size(world: SimulatedWorld) -> None:
    path = f"{API}/crm/v4/associations/contacts/companies/batch/read"
    responses.post(path, json={"category": "VALIDATION_ERROR"}, status=400)
    with pytest.raises(RecordRejected):
        Associations(account(world)).link_sets("contacts", ["1", "2"], "companies")
    assert len(responses.calls) == 1


def _sized(most: int, body: dict[str, Any]) -> Any:
    """Answers `body` when no more than `most` are asked for, else 400."""

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        asked = int(request.params["limit"])
        return (200, {}, json.dumps(body)) if asked <= most else (400, {}, '{"category": "VALIDATION_ERROR"}')

    return answer


@responses.activate
def test_e_mail_events_of_a_server_with_smaller_pages(world: SimulatedWorld) -> None:
    event = {"id": 9, "created": 1_790_000_000_000, "type": "OPEN", "recipient": "a@x.com",
             "filteredEvent": None, "subject": "Hello"}  # fmt: skip
    path = f"{API}/email/public/v1/events"
    responses.add_callback(responses.GET, path, _sized(300, {"events": [event], "hasMore": None}))
    pages, _ = pull(connector(world), "email_events")
    found = [(one.id, one.kind, one.is_bot) for page in pages for one in page.engagements]
    assert found == [("1790000000000:9", "email_opened", False)]


# Shapes


@pytest.mark.parametrize(
    "more",
    [
        {"createdAt": 1_790_000_000_000.0, "updatedAt": 1_790_000_000_000, "archived": None},
        {"createdAt": "2026-09-21T14:13:20Z", "updatedAt": "2026-09-21T14:13:20.000+00:00"},
        {"archivedAt": None, "associations": None, "x": {"y": [1]}},
    ],
)
def test_a_record_in_any_allowed_spelling(more: dict[str, Any]) -> None:
    raw = msgspec.Raw(json.dumps({"id": 5, "properties": {"a": None, "b": "1"}, **more}).encode())
    row = row_of(raw)
    assert isinstance(row, Row)
    assert not row.archived


@pytest.mark.parametrize(
    ("body", "last"),
    [
        ({"results": []}, True),
        ({"results": [], "paging": {"next": {"after": 3}}}, True),
        ({"results": [1] * 99}, True),
        ({"results": [1] * 100}, False),
        ({"results": [1] * 100, "total": 100}, True),
        ({"results": [1] * 100, "total": 101}, False),
        ({"results": [1], "total": 1, "paging": None}, True),
        ({"results": [1], "total": 1, "paging": {"next": None}}, True),
        ({"results": [1], "paging": {"next": {"after": 1, "link": "x"}}}, False),
    ],
)
def test_whether_a_page_of_a_search_is_the_last(body: dict[str, Any], last: bool) -> None:
    assert msgspec.json.decode(json.dumps(body), type=ObjectPage).is_last is last


@responses.activate
def test_one_odd_property_does_not_spoil_the_list(world: SimulatedWorld) -> None:
    described = [
        {"name": "plain", "type": "string", "options": None, "calculated": None, "hidden": False},
        {"name": "odd", "options": [{"value": 7}], "calculated": "yes"},
        {"name": "sum", "calculated": True, "modificationMetadata": None},
        {"name": "old", "archived": True},
        {"label": "nameless"},
        None,
    ]
    responses.get(f"{API}/crm/v3/properties/contacts", json={"results": described})
    catalogue = Catalogue(account(world))
    assert catalogue.names("contacts") == ("plain", "odd", "sum")
    assert catalogue.calculated("contacts") == {"sum"}


@responses.activate
def test_pipelines_that_are_refused_leave_the_usual_stages(world: SimulatedWorld) -> None:
    responses.get(f"{API}/crm/v3/pipelines/deals", json={"category": "VALIDATION_ERROR"}, status=400)
    catalogue = Catalogue(account(world))
    assert [catalogue.stage("default", name) for name in ("closedwon", "closedlost", "new")] == [
        (True, True),
        (True, False),
        (False, False),
    ]


@responses.activate
def test_an_account_that_does_not_say_its_number(world: SimulatedWorld) -> None:
    responses.get(f"{API}/account-info/v3/details", json={"timeZone": "US/Eastern"})
    assert connector(world).sign_in().account_id == ""


@responses.activate
def test_a_grant_that_does_not_say_how_long_it_lasts(world: SimulatedWorld) -> None:
    made = settings(access_token=None, client_id="c", client_secret="s", refresh_token="r")
    responses.post(f"{API}/oauth/2026-03/token", json={"access_token": TOKEN})
    held = Account(made, world, UnlimitedBudget())
    responses.get(f"{API}/crm/v3/owners", json={"results": []})
    for _ in range(3):
        held.read(ObjectPage, "owners")
        world.advance(7 * 86_400)
    assert [str(call.request.url).endswith("/token") for call in responses.calls].count(True) == 1


@responses.activate
@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_feed_that_the_server_never_made_is_not_offered(world: SimulatedWorld, status: int) -> None:
    responses.get(f"{API}/marketing/v3/forms", json={"message": "no"}, status=status)
    with pytest.raises(NotOffered):
        pull(connector(world), "form_submissions")
    assert len(responses.calls) == 1


@responses.activate
def test_forms_and_submissions_with_numbers_and_nulls(world: SimulatedWorld) -> None:
    responses.get(f"{API}/marketing/v3/forms", json={"results": [{"id": 12, "name": "Demo"}]})
    answers = [
        {"submittedAt": "2026-11-01T10:00:00Z", "values": [{"name": "email", "value": "a@x.com"}]},
        {"submittedAt": 1_790_000_000_000.0, "values": None, "pageUrl": None},
    ]
    path = f"{API}/form-integrations/v1/submissions/forms/12"
    responses.get(path, json={"results": answers, "paging": {"next": {"after": ""}}})
    pages, _ = pull(connector(world), "form_submissions")
    found = [(one.person_email, one.kind) for page in pages for one in page.engagements]
    assert found == [("a@x.com", "demo_requested"), (None, "demo_requested")]


@responses.activate
@pytest.mark.parametrize("offset", ["\x00", "", None, "x"])
def test_lists_whose_offset_is_no_number_are_counted(world: SimulatedWorld, offset: Any) -> None:
    rules = [EngagementRule.model_validate({"source": "hubspot.list_membership", "kind": "joined"})]
    one, two = ({"listId": n, "name": f"L{n}", "objectTypeId": "0-1"} for n in (1, 2))
    path = f"{API}/crm/v3/lists"
    responses.post(f"{path}/search", json={"lists": [one], "hasMore": True, "offset": offset})
    responses.post(f"{path}/search", json={"lists": [two], "hasMore": False})
    members = [{"recordId": "7"}, {"recordId": 10**30}, {"recordId": -4}, {"recordId": "²"}]
    responses.get(f"{path}/1/memberships", json={"results": members})
    responses.get(f"{path}/2/memberships", json={"results": []})
    options = PullOptions(EngagementMapper(rules))
    made = HubSpotConnector(settings(), options, world, UnlimitedBudget())
    pages = list(made.changes(next(one for one in made.feeds() if one.object == "list_memberships"), None))
    assert [one.person_id for page in pages for one in page.engagements] == ["7"]
    assert sum(len(page.poison) for page in pages) == 3


@responses.activate
@pytest.mark.parametrize("offset", [10**30, -(10**9), 1e300])
def test_a_time_zone_that_is_none(world: SimulatedWorld, offset: float) -> None:
    details = {"portalId": 1, "utcOffsetMilliseconds": offset}
    responses.get(f"{API}/account-info/v3/details", json=details)
    assert connector(world).sign_in().account_id == "1"
