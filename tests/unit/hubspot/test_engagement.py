"""Forms, e-mail events, web events and activities as engagement of people."""

from __future__ import annotations

import pytest
import responses

from config.settings import Condition, EngagementRule
from connectors.errors import NotOffered, RightMissing
from connectors.hubspot.activities import BODIES
from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.events import Events
from connectors.hubspot.forms import Submissions
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import Cursor, EngagementRecord, Feed, FeedKind, Page
from connectors.sandbox.sandbox import Sandbox
from tests.unit.hubspot.made import API, account, on_sandbox, pull, recorded
from tests.world import SimulatedWorld

OPTIONS = PullOptions(EngagementMapper())


@pytest.fixture(params=["v3", "2026-03"])
def connector(request: pytest.FixtureRequest, sandbox: Sandbox, world: SimulatedWorld) -> HubSpotConnector:
    return on_sandbox(sandbox, world, api_version=request.param)


def rows(pages: list[Page]) -> list[EngagementRecord]:
    return [engagement for page in pages for engagement in page.engagements]


def from_every_page(connector: HubSpotConnector, name: str, start: Cursor | None = None) -> set[str]:
    """Going on from any page's cursor brings, with what came before it, everything; returns all ids."""
    pages, _ = pull(connector, name, start)
    wanted = {row.id for row in rows(pages)}
    for number in range(len(pages) - 1):
        rest, _ = pull(connector, name, pages[number].cursor)
        assert {row.id for row in rows([*pages[: number + 1], *rest])} == wanted
    return wanted


# Forms


def test_submissions_of_every_form(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    feeds, now = sandbox.hubspot.feeds, world.clock()
    demo, news = (
        sandbox.hubspot.forms.add("Request a demo"),
        sandbox.hubspot.forms.add("Newsletter", "captured"),
    )
    sandbox.hubspot.forms.add("Blog", "blog_comment")
    empty = sandbox.hubspot.forms.add("Nobody's")
    for number in range(130):
        feeds.add_submission(
            demo, now - 20_000 + 100 * number, f"d{number}@example.com", {}, "https://x.test/demo"
        )
    feeds.add_submission(news, now - 5, "n@example.com", {"firstname": "N"})
    pages, cursor = pull(connector, "form_submissions")
    found = rows(pages)
    assert len(found) == 131
    kinds = {row.person_email: row.kind for row in found}
    assert (kinds["d7@example.com"], kinds["n@example.com"]) == ("demo_requested", "subscribed")
    assert {row.asset for row in found} == {"Request a demo", "Newsletter"}
    assert {row.occurred_at for row in found if row.person_email == "n@example.com"} == {int(now - 5)}
    assert len(from_every_page(connector, "form_submissions")) == 131
    world.advance(3600)
    feeds.add_submission(empty, now + 3000, "late@example.com", {})
    feeds.add_submission(demo, now + 3000, "d200@example.com", {})
    before = connector.calls
    fresh, _ = pull(connector, "form_submissions", cursor)
    assert {"late@example.com", "d200@example.com"} <= {row.person_email for row in rows(fresh)}
    assert len(rows(fresh)) < 131
    assert connector.calls - before <= 1 + 4  # the list and a page of each form


def test_submissions_that_come_while_paging(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    form = sandbox.hubspot.forms.add("Trial")
    for number in range(120):
        sandbox.hubspot.feeds.add_submission(form, world.clock() - 500 + number, f"{number}@example.com", {})
    seen: set[str] = set()
    cursor: Cursor | None = None
    feed = next(feed for feed in connector.feeds() if feed.name.endswith("form_submissions"))
    for number, page in enumerate(connector.changes(feed, None)):
        seen |= {row.person_email or "" for row in page.engagements}
        cursor = page.cursor
        world.advance(1)
        sandbox.hubspot.feeds.add_submission(form, world.clock(), f"new{number}@example.com", {})
        total = 121 + number
    seen |= {row.person_email or "" for row in rows(pull(connector, "form_submissions", cursor)[0])}
    assert len(seen) == total


@responses.activate
def test_a_submission_without_an_id_of_its_own_gets_a_stable_one(world: SimulatedWorld) -> None:
    responses.get(f"{API}/marketing/v3/forms", status=400, json={"category": "VALIDATION_ERROR"})
    responses.get(f"{API}/marketing/v3/forms", json={"results": [{"id": "f", "name": "Demo"}]})
    values = [{"name": "email", "value": "a@example.com"}, {"name": "age", "value": 5}]
    old = {"submittedAt": 1793600000000, "values": values, "pageUrl": "https://x.test/"}
    reordered = {**old, "values": values[::-1]}
    nobody = {"submittedAt": "1793600000001.0", "values": []}
    broken = {"submittedAt": "never", "values": []}
    responses.get(
        f"{API}/form-integrations/v1/submissions/forms/f",
        json={"results": [old, reordered, nobody, broken, 7]},
    )
    feed = Feed("hubspot.form_submissions", "hubspot", "form_submissions", FeedKind.ENGAGEMENTS)
    pages = list(Submissions(account(world), OPTIONS).pages(feed, None))
    found = rows(pages)
    assert found[0].id == found[1].id != found[2].id
    assert "example.com" not in found[0].id
    assert (found[2].person_email, found[2].occurred_at) == (None, 1793600000)
    assert [poison.reason.split(":")[0] for page in pages for poison in page.poison] == [
        "no readable time of submission",
        "unreadable submission",
    ]


# E-mail events


def test_email_events(connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld) -> None:
    feeds, now = sandbox.hubspot.feeds, world.clock()
    feeds.add_campaign(7, 113, "Spring launch", "Hello spring")
    for number in range(1500):
        feeds.add_email_event("OPEN", now - 90_000 + number, f"o{number}@example.com", 7, bot=number == 3)
    feeds.add_email_event("SENT", now - 100, "s@example.com", 7)
    feeds.add_email_event("CLICK", now - 90, "c@example.com", 7, url="https://x.test/")
    for status, who in (("UNSUBSCRIBED", "u@example.com"), ("SUBSCRIBED", "r@example.com")):
        feeds.add_email_event(
            "STATUSCHANGE",
            now - 80,
            who,
            7,
            subscriptions=[{"id": 12, "status": status}],
            source="SOURCE_RECIPIENT",
        )
    feeds.add_email_event(
        "STATUSCHANGE", now - 70, "p@example.com", 7, portalSubscriptionStatus="UNSUBSCRIBED"
    )
    pages, cursor = pull(connector, "email_events")
    found = {row.person_email: row for row in rows(pages)}
    assert len(found) == 1504
    assert "s@example.com" not in found
    assert (found["c@example.com"].kind, found["c@example.com"].asset) == ("email_clicked", "Spring launch")
    assert [who for who, row in found.items() if row.is_bot] == ["o3@example.com"]
    kinds = {who[0]: found[who].kind for who in ("u@example.com", "r@example.com", "p@example.com")}
    assert kinds == {"u": "unsubscribed", "r": "subscribed", "p": "unsubscribed"}
    assert found["u@example.com"].asset == "12"
    assert len(from_every_page(connector, "email_events")) == 1504
    # a late one: created before the last pass, shown after it
    feeds.add_email_event("REPLY", now - 3000, "late@example.com", 7)
    world.advance(300)
    fresh, _ = pull(connector, "email_events", cursor)
    assert "late@example.com" in {row.person_email for row in rows(fresh)}
    assert len(rows(fresh)) < 100


# Web events


def test_web_events(connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld) -> None:
    contact = sandbox.create("hubspot", "contacts", {"email": "w@example.com"})
    sandbox.switches.hs_events_page_limit = 40
    now = world.clock()
    for number in range(100):
        sandbox.hubspot.feeds.add_visit(contact, now - 5000 + number, f"https://x.test/p{number}", "T")
    pages, cursor = pull(connector, "web_events")
    found = rows(pages)
    assert len(found) == 100
    assert {(row.kind, row.person_object, row.person_id) for row in found} == {
        ("page_view", "contacts", contact)
    }
    assert found[0].asset == "https://x.test/p99"
    assert len(from_every_page(connector, "web_events")) == 100
    world.advance(7200)
    sandbox.hubspot.feeds.add_visit(contact, now + 7000, "https://x.test/late", "T")
    fresh, _ = pull(connector, "web_events", cursor)
    assert [row.asset for row in rows(fresh)] == ["https://x.test/late"]


WEB = Feed("hubspot.web_events", "hubspot", "web_events", FeedKind.ENGAGEMENTS, optional=True)


def visit(number: int, **changes: object) -> dict[str, object]:
    return {
        "id": str(number), "eventType": "e_visited_page", "occurredAt": "2026-11-01T00:00:00.5Z",
        "objectType": "CONTACT", "objectId": 55, "properties": {"hs_url": "https://x.test/"}, **changes,
    }  # fmt: skip


@responses.activate
def test_web_events_of_others_and_odd_ones(world: SimulatedWorld) -> None:
    events = [
        visit(1),
        visit(2, objectType="COMPANY"),
        visit(3, objectId=None),
        visit(4, eventType="e_other"),
        visit(5, occurredAt="?"),
        {"id": "6"},
    ]
    responses.get(f"{API}/events/v3/events", json={"results": events})
    page = next(iter(Events(account(world), OPTIONS).web_pages(WEB, None)))
    assert [(row.id, row.person_id, row.occurred_at) for row in page.engagements] == [("1", "55", 1793491200)]
    assert [poison.id for poison in page.poison] == ["5", ""]


@responses.activate
def test_every_event_type_that_a_rule_names_is_asked_for(world: SimulatedWorld) -> None:
    rule = EngagementRule(
        source="hubspot.web_event", when={"eventType": Condition(equals="e_video")}, kind="video_watched"
    )
    options = PullOptions(EngagementMapper([rule]))
    first = {"results": [visit(1, eventType="e_video")], "paging": {"next": {"after": "a"}}}
    responses.get(f"{API}/events/v3/events", json=first)
    responses.get(f"{API}/events/v3/events", json={"results": []})
    responses.get(f"{API}/events/v3/events", json={"results": [visit(2)]})
    events = Events(account(world), options)
    pages = list(events.web_pages(WEB, None))
    assert [row.kind for row in rows(pages)] == ["video_watched", "page_view"]
    asked = [call.request.params for call in responses.calls]  # type: ignore[attr-defined]
    assert [one["eventType"] for one in asked] == ["e_video", "e_video", "e_visited_page"]
    assert [one.get("after") for one in asked] == [None, "a", None]
    assert [page.complete for page in pages] == [False, False, True]


@responses.activate
def test_a_smaller_page_where_the_larger_is_refused(world: SimulatedWorld) -> None:
    url = f"{API}/events/v3/events"
    responses.get(url, status=400, json={"category": "VALIDATION_ERROR"})
    responses.get(url, json={"results": [visit(1)]})
    events = Events(account(world), OPTIONS)
    assert len(rows(list(events.web_pages(WEB, None)))) == 1
    asked = [call.request.params["limit"] for call in responses.calls]  # type: ignore[attr-defined]
    assert asked == ["1000", "100"]


@responses.activate
def test_an_event_type_nobody_knows_is_not_offered(world: SimulatedWorld) -> None:
    responses.get(f"{API}/events/v3/events", status=400, json={"category": "VALIDATION_ERROR"})
    with pytest.raises(NotOffered):
        list(Events(account(world), OPTIONS).web_pages(WEB, None))


# Activities


def test_activities_belong_to_their_contacts(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    contacts = [sandbox.create("hubspot", "contacts", {"email": f"a{n}@example.com"}) for n in range(3)]
    stamp = "2026-11-01T10:00:00Z"
    meeting = sandbox.create("hubspot", "meetings", {"hs_meeting_title": "Intro", "hs_timestamp": stamp})
    for contact in contacts[:2]:
        sandbox.hubspot.associate("meetings", meeting, "contacts", contact)
    alone = sandbox.create("hubspot", "calls", {"hs_call_title": "Rang", "hs_timestamp": stamp})
    mails = {
        direction: sandbox.create(
            "hubspot",
            "emails",
            {"hs_email_subject": "Re: offer", "hs_email_direction": direction, "hs_timestamp": stamp},
        )
        for direction in ("INCOMING_EMAIL", "EMAIL")
    }
    for mail in mails.values():
        sandbox.hubspot.associate("emails", mail, "contacts", contacts[2])
    found = {row.id: row for row in rows(pull(connector, "meetings")[0])}
    assert set(found) == {f"{meeting}:{contact}" for contact in contacts[:2]}
    assert {(row.kind, row.asset, row.occurred_at) for row in found.values()} == {
        ("meeting", "Intro", 1793527200)
    }
    lonely = rows(pull(connector, "calls")[0])
    assert [(row.id, row.person_id, row.kind) for row in lonely] == [(alone, None, "call")]
    kinds = {row.id.split(":")[0]: row.kind for row in rows(pull(connector, "emails")[0])}
    assert kinds == {mails["INCOMING_EMAIL"]: "email_replied", mails["EMAIL"]: "email_logged"}
    assert rows(pull(connector, "communications")[0]) == []


def test_an_activity_logged_later_comes_with_the_next_pass(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    _, cursor = pull(connector, "calls")
    world.advance(900)
    contact = sandbox.create("hubspot", "contacts", {"email": "a@example.com"})
    call = sandbox.create(
        "hubspot", "calls", {"hs_call_title": "Rang", "hs_timestamp": "2026-11-02T09:10:00Z"}
    )
    sandbox.hubspot.associate("calls", call, "contacts", contact)
    world.advance(1)
    assert [row.id for row in rows(pull(connector, "calls", cursor)[0])] == [f"{call}:{contact}"]


def test_bodies_are_never_asked_for(sandbox: Sandbox, world: SimulatedWorld) -> None:
    rule = EngagementRule(
        source="hubspot.emails", when={"hs_email_text": Condition(glob="*secret*")}, kind="secret"
    )
    connector = on_sandbox(sandbox, world, PullOptions(EngagementMapper([rule])))
    asked = recorded(sandbox)
    for name in ("emails", "calls", "meetings", "communications"):
        _, cursor = pull(connector, name)
        pull(connector, name, cursor)
    assert any("hs_email_subject" in one for one in asked)
    assert not [word for one in asked for word in BODIES if word in one]


# What an account may lack


@pytest.mark.parametrize(
    ("name", "scope"),
    [("form_submissions", "forms"), ("email_events", "content"), ("web_events", "business-intelligence"),
     ("emails", "sales-email-read"), ("owners", "crm.objects.owners.read")],
)  # fmt: skip
def test_a_right_that_is_missing(
    connector: HubSpotConnector, sandbox: Sandbox, name: str, scope: str
) -> None:
    sandbox.switches.hs_missing_scopes = {scope}
    with pytest.raises(RightMissing, match=scope):
        pull(connector, name)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("form_submissions", "/marketing/v3/forms"),
        ("email_events", "/email/public"),
        ("web_events", "/events/v3"),
    ],
)
def test_a_feed_that_is_not_sold_to_this_account(
    sandbox: Sandbox, world: SimulatedWorld, name: str, path: str
) -> None:
    sandbox.switches.hs_absent = {path}
    with pytest.raises(NotOffered):
        pull(on_sandbox(sandbox, world), name)
