"""The connector as a whole: signing in, looking up, what is offered, secrets, the budget of an idle tick."""

from __future__ import annotations

import json
import logging

import pytest
import responses
from pydantic import SecretStr

from config.errors import ConfigError
from connectors.errors import AuthFailed, NotOffered, QuotaSpent, RightMissing
from connectors.hubspot.connector import FEEDS, HubSpotConnector
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import Cursor, Feed, FeedKind, Limits, RecordRef, RefusalClass, Write
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from tests.unit.hubspot.made import API, TOKEN, on_sandbox, pull, settings
from tests.world import SimulatedWorld


@pytest.fixture(params=["v3", "2026-03"])
def connector(request: pytest.FixtureRequest, sandbox: Sandbox, world: SimulatedWorld) -> HubSpotConnector:
    return on_sandbox(sandbox, world, api_version=request.param)


def plain(world: SimulatedWorld) -> HubSpotConnector:
    return HubSpotConnector(settings(), PullOptions(EngagementMapper()), world, UnlimitedBudget())


# Signing in


def test_signing_in(connector: HubSpotConnector, sandbox: Sandbox) -> None:
    identity = connector.sign_in()
    assert identity.crm == "hubspot"
    assert identity.account_id.isdigit()
    assert identity.origin == sandbox.hubspot_url
    assert abs(identity.skew_seconds) <= 1
    assert connector.calls == 1


def test_a_clock_that_is_wrong_is_noticed(sandbox: Sandbox) -> None:
    ahead = SimulatedWorld()
    ahead.advance(90)
    assert -91 <= on_sandbox(sandbox, ahead).sign_in().skew_seconds <= -89


def test_a_wrong_token(sandbox: Sandbox, world: SimulatedWorld) -> None:
    connector = on_sandbox(sandbox, world, access_token=SecretStr("wrong-secret"))
    with pytest.raises(AuthFailed) as caught:
        connector.sign_in()
    assert "wrong-secret" not in f"{caught.value!r}{connector!r}"


@responses.activate
@pytest.mark.parametrize("status", [403, 404])
def test_a_token_that_may_not_read_the_account_is_tried_on_contacts(
    world: SimulatedWorld, status: int
) -> None:
    responses.get(f"{API}/account-info/v3/details", status=status, json={"category": "MISSING_SCOPES"})
    responses.get(f"{API}/crm/v3/objects/contacts", json={"results": []})
    assert plain(world).sign_in().account_id == ""
    responses.replace("GET", f"{API}/crm/v3/objects/contacts", status=403)
    with pytest.raises(RightMissing):
        plain(world).sign_in()


@responses.activate
def test_the_account_says_when_its_day_ends(world: SimulatedWorld) -> None:
    responses.get(f"{API}/account-info/v3/details", json={"portalId": 5, "utcOffsetMilliseconds": 3_600_000})
    responses.get(f"{API}/crm/v3/owners", status=429, json={"policyName": "DAILY"})
    connector = plain(world)
    connector.sign_in()
    with pytest.raises(QuotaSpent) as caught:
        connector.owners()
    assert caught.value.until is not None
    assert caught.value.until.isoformat() == "2026-11-02T23:00:00+00:00"


@pytest.mark.parametrize("changes", [{"base_url": "http://api.hubapi.com"}, {"api_version": "v9"}])
def test_settings_that_cannot_work(world: SimulatedWorld, changes: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        HubSpotConnector(settings(**changes), PullOptions(EngagementMapper()), world, UnlimitedBudget())


def test_secrets_show_nowhere(world: SimulatedWorld) -> None:
    connector = plain(world)
    assert TOKEN not in f"{connector!r} {connector._account!r} {connector._account._tokens!r}"
    assert TOKEN not in f"{settings()!r}"


# Feeds


def test_feeds(connector: HubSpotConnector) -> None:
    assert connector.feeds() == FEEDS
    by_name = {feed.name: feed for feed in FEEDS}
    assert by_name["hubspot.contacts.archived"].object == "contacts"
    assert [feed.name for feed in FEEDS if not feed.optional] == [
        "hubspot.contacts", "hubspot.contacts.archived",
    ]  # fmt: skip
    assert {feed.kind for feed in FEEDS} == set(FeedKind)


def test_an_idle_tick_costs_one_call_a_feed(sandbox: Sandbox, world: SimulatedWorld) -> None:
    sandbox.populate(seed=3, people=60, days=30)
    connector = on_sandbox(sandbox, world)
    cursors: dict[str, Cursor] = {}
    for _ in range(3):
        for feed in FEEDS:
            cursors[feed.name] = pull(connector, feed.name.removeprefix("hubspot."), cursors.get(feed.name))[
                1
            ]
        world.advance(1800)
    for feed in FEEDS:
        before = connector.calls
        pull(connector, feed.name.removeprefix("hubspot."), cursors[feed.name])
        forms = len(sandbox.hubspot.forms._forms)
        most = 1 + forms if feed.object == "form_submissions" else 1
        hourly = 4 if feed.kind is FeedKind.LINKS else 0
        assert connector.calls - before <= most + hourly, feed.name


def test_a_whole_account_twice_is_the_same(sandbox: Sandbox, world: SimulatedWorld) -> None:
    sandbox.populate(seed=5, people=120, days=60)

    def everything(version: str) -> dict[str, set[object]]:
        connector = on_sandbox(sandbox, world, api_version=version)
        found: dict[str, set[object]] = {}
        for feed in FEEDS:
            pages, _ = pull(connector, feed.name.removeprefix("hubspot."))
            assert not any(page.poison for page in pages)
            found[feed.name] = {
                row._replace(raw="") if "raw" in row._fields else row  # dated replies say a little more
                for page in pages
                for row in (*page.people, *page.companies, *page.deals, *page.links, *page.engagements)
            }
        return found

    assert everything("v3") == everything("2026-03")


def test_owners(connector: HubSpotConnector, sandbox: Sandbox) -> None:
    owners = sandbox.hubspot.owners
    active = [owners.add(f"o{n}@example.com", "Rep", str(n)) for n in range(120)]
    left = owners.add("left@example.com", "Rep", "Left", active=False)
    found = {owner.id: owner for owner in connector.owners()}
    assert set(found) >= {*active, left}
    assert (found[active[7]].email, found[active[7]].name) == ("o7@example.com", "Rep 7")
    assert (found[active[7]].active, found[left].active, found[left].kind) == (True, False, "person")
    pages, _ = pull(connector, "owners")
    assert {owner.id for page in pages for owner in page.owners} == set(found)


def test_deactivated_owners_are_read_when_somebody_left_and_every_hour(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    owners = sandbox.hubspot.owners
    one, other = (owners.add(f"o{n}@example.com", "Rep", str(n)) for n in range(2))
    _, cursor = pull(connector, "owners")
    world.advance(60)
    pages, cursor = pull(connector, "owners", cursor)
    assert [{owner.id for owner in page.owners} >= {one, other} for page in pages] == [True]
    owners.set_active(one, False)
    pages, cursor = pull(connector, "owners", cursor)
    assert {owner.id: owner.active for page in pages for owner in page.owners}[one] is False
    assert len(pull(connector, "owners", cursor)[0]) == 1
    world.advance(3600)
    assert len(pull(connector, "owners", cursor)[0]) == 2


@responses.activate
def test_a_queue_and_an_owner_that_cannot_be_read(world: SimulatedWorld) -> None:
    rows = [{"id": 5, "type": "QUEUE", "email": ""}, {"email": "x@example.com"}]
    responses.get(f"{API}/crm/v3/owners", json={"results": rows})
    responses.get(f"{API}/crm/v3/owners", json={"results": []})
    connector = plain(world)
    page = next(iter(connector.changes(FEEDS[0], None)))
    assert [(owner.id, owner.kind, owner.email, owner.name) for owner in page.owners] == [
        ("5", "queue", None, None)
    ]
    assert (len(page.poison), page.seen) == (1, 2)


@responses.activate
def test_an_owner_says_itself_whether_it_left(world: SimulatedWorld) -> None:
    rows = [{"id": "1", "archived": False}, {"id": "2", "archived": True}, {"id": "3"}]
    responses.get(f"{API}/crm/v3/owners", json={"results": rows})  # whatever `archived` is asked
    listed = {owner.id: owner.active for owner in plain(world).owners()}
    assert listed == {"1": True, "2": False, "3": False}


# Looking up


def test_finding_by_either_address(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    first = sandbox.create("hubspot", "contacts", {"email": "Ann@Example.com"})
    second = sandbox.create(
        "hubspot",
        "contacts",
        {"email": "b@example.com", "hs_additional_emails": "old@example.com;ANN@example.com"},
    )
    sandbox.create("hubspot", "contacts", {"email": "ann@example.com.test"})
    world.advance(60)
    found = connector.find(" ANN@example.com ")
    assert {ref.id for ref in found} == {first, second}
    assert all(ref == RecordRef("hubspot", "contacts", ref.id) for ref in found)
    assert connector.find("") == []
    assert connector.find("nobody@example.com") == []


def test_finding_what_the_index_does_not_show_yet(connector: HubSpotConnector, sandbox: Sandbox) -> None:
    sandbox.switches.hs_search_lag = 3600
    record = sandbox.create("hubspot", "contacts", {"email": "new@example.com"})
    assert [ref.id for ref in connector.find("new@example.com")] == [record]


def test_an_address_stands_in_no_url(
    connector: HubSpotConnector, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "urllib3.connectionpool"):  # both client libraries' users turn these down
        caplog.set_level(logging.DEBUG, logger=name)
    sandbox.create("hubspot", "contacts", {"email": "ann@secret.test"})
    assert len(connector.find("ann@secret.test")) == 1
    assert caplog.text
    assert "secret" not in caplog.text


@responses.activate
def test_finding_without_the_property_for_further_addresses(world: SimulatedWorld) -> None:
    search = f"{API}/crm/v3/objects/contacts/search"
    responses.post(search, status=400, json={"category": "VALIDATION_ERROR"})
    responses.post(search, json={"results": [{"id": "1", "properties": {"email": "a@example.com"}}]})
    responses.post(f"{API}/crm/v3/objects/contacts/batch/read", status=400)
    assert [ref.id for ref in plain(world).find("a@example.com")] == ["1"]


# What is offered


def test_offered(connector: HubSpotConnector) -> None:
    status = connector.offered("contacts", "hs_lead_status")
    assert status.exists
    assert status.writable
    assert {"NEW", "OPEN", "CONNECTED"} <= set(status.values or ())
    assert not connector.offered("contacts", "lastmodifieddate").writable
    free = connector.offered("contacts", "jobtitle")
    assert (free.exists, free.writable, free.values) == (True, True, None)
    assert not connector.offered("contacts", "no_such").exists
    owner = connector.offered("contacts", "hubspot_owner_id")
    assert (owner.exists, owner.writable, owner.values) == (True, True, None)
    before = connector.calls
    connector.offered("contacts", "hs_lead_status")
    assert connector.calls == before


@responses.activate
@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ({"type": "string"}, (True, True, None)),
        ({"type": "string", "calculated": True}, (True, False, None)),
        ({"type": "string", "modificationMetadata": {"readOnlyValue": True}}, (True, False, None)),
        ({"type": "string", "archived": True}, (False, False, None)),
        ({"type": "bool"}, (True, True, ("true", "false"))),
        ({"type": "enumeration", "options": []}, (True, True, None)),
        ({"type": "enumeration", "options": [{"value": "A", "hidden": True}]}, (True, True, ())),
        (
            {"type": "enumeration", "referencedObjectType": "OWNER", "options": [{"value": "5"}]},
            (True, True, None),
        ),
        ({"type": "enumeration", "externalOptions": True, "options": []}, (True, True, None)),
        (
            {"type": "enumeration", "options": [{"value": "A"}, {"value": "B", "hidden": True}]},
            (True, True, ("A",)),
        ),
    ],
)
def test_descriptions(
    world: SimulatedWorld,
    described: dict[str, object],
    expected: tuple[bool, bool, tuple[str, ...] | None],
) -> None:
    responses.get(f"{API}/crm/v3/properties/contacts/x", json={"name": "x", **described})
    offered = plain(world).offered("contacts", "x")
    assert (offered.exists, offered.writable, offered.values) == expected


@responses.activate
def test_a_description_is_asked_for_again_after_an_hour(world: SimulatedWorld) -> None:
    url = f"{API}/crm/v3/properties/contacts/x"
    responses.get(url, json={"name": "x", "type": "string"})
    connector = plain(world)
    assert connector.offered("contacts", "x").exists
    responses.replace("GET", url, status=404)
    assert connector.offered("contacts", "x").exists
    world.advance(3601)
    assert not connector.offered("contacts", "x").exists


def test_a_description_that_a_refusal_contradicts_is_asked_for_again(
    connector: HubSpotConnector, sandbox: Sandbox
) -> None:
    ref = RecordRef("hubspot", "contacts", sandbox.create("hubspot", "contacts", {"email": "a@example.com"}))
    assert connector.offered("contacts", "mql_score").exists
    sandbox.switches.hs_missing_properties = {"contacts.mql_score"}
    assert connector.offered("contacts", "mql_score").exists
    outcome = connector.write([Write(ref, {"mql_score": "5"}, "")])[0]
    assert outcome.refusal is RefusalClass.OUR_CONFIG
    assert not connector.offered("contacts", "mql_score").exists


def test_a_feed_that_is_none(connector: HubSpotConnector) -> None:
    with pytest.raises(NotOffered):
        connector.changes(Feed("hubspot.faxes", "hubspot", "faxes", FeedKind.ENGAGEMENTS), None)


def test_limits_are_those_last_heard(connector: HubSpotConnector, sandbox: Sandbox) -> None:
    assert connector.limits() == Limits()
    connector.owners()
    limits = connector.limits()
    assert limits.limit == sandbox.switches.hs_daily_limit
    assert limits.used is not None


def test_capabilities(connector: HubSpotConnector) -> None:
    capabilities = connector.capabilities
    assert not capabilities.conditional_write
    assert capabilities.field_history
    assert (capabilities.read_batch, capabilities.write_batch, capabilities.plain_batch) == (50, 50, 100)


def test_cursors_survive_their_stored_form(connector: HubSpotConnector, sandbox: Sandbox) -> None:
    for number in range(120):
        sandbox.create("hubspot", "contacts", {"email": f"c{number}@example.com"})
    pages, _ = pull(connector, "contacts")
    for page in pages:
        assert Cursor.from_json(page.cursor.to_json()) == page.cursor
        json.loads(page.cursor.state or "{}")
