"""The feeds of behaviour over plain HTTP: form submissions, e-mail events, campaigns, web events."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox_hubspot.conftest import Api

EVENTS = "/email/public/v1/events"


def test_forms_of_other_types_are_only_listed_when_asked_for(api: Api, half: HubSpot) -> None:
    for form_type in ("hubspot", "captured", "flow", "blog_comment"):
        half.forms.add(form_type, form_type)
    assert [form["name"] for form in api.get("/marketing/v3/forms")["results"]] == ["hubspot"]
    assert len(api.get("/marketing/v3/forms", formTypes="all")["results"]) == 4
    assert len(api.get("/marketing/v3/forms", formTypes=["flow", "captured"])["results"]) == 2
    first = api.get("/marketing/v3/forms", formTypes="all", limit=3)
    assert [form["name"] for form in api.get(first["paging"]["next"]["link"])["results"]] == ["blog_comment"]


def test_submissions_come_newest_first_in_pages_of_fifty(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    form, now = half.forms.add("Request a demo"), sandbox.clock()
    for number in (3, 1, 2, 2):
        half.feeds.add_submission(
            form, now + number, f"{number}@x.com", {"company": "X"}, "https://x.com/demo"
        )
    path = f"/form-integrations/v1/submissions/forms/{form}"
    seen: list[dict[str, Any]] = []
    page = api.get(path, limit=3)
    assert page["paging"]["next"]["link"].startswith(sandbox.hubspot_url)
    half.feeds.add_submission(form, now + 9, "late@x.com", {})
    seen += page["results"] + api.get(path, limit=3, after=page["paging"]["next"]["after"])["results"]
    assert [one["submittedAt"] - round(now * 1000) for one in seen] == [3000, 2000, 2000, 1000]
    assert len({one["conversionId"] for one in seen}) == 4
    assert {"name": "email", "value": "3@x.com", "objectTypeId": "0-1"} in seen[0]["values"]
    api.get(path, limit=51)
    assert api.status == 400


def test_blog_comment_forms_and_unknown_ones(api: Api, half: HubSpot) -> None:
    form = half.forms.add("Comments", "blog_comment")
    api.get(f"/form-integrations/v1/submissions/forms/{form}")
    assert api.status == 400
    api.get("/form-integrations/v1/submissions/forms/none")
    assert api.status == 404


def test_email_events_with_inclusive_bounds_and_offset(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    half.feeds.add_campaign(7, 20, "News", "What is new")
    start = sandbox.clock() - 10
    for second, kind in enumerate(("SENT", "DELIVERED", "OPEN", "CLICK")):
        half.feeds.add_email_event(kind, start + second, "a@x.com", 7, bot=kind == "OPEN")
    half.feeds.add_email_event("SENT", sandbox.clock() + 60, "b@x.com", 7)
    low, high = round(start * 1000), round((start + 3) * 1000)
    page = api.get(EVENTS, startTimestamp=low, endTimestamp=high, limit=3)
    assert ([event["type"] for event in page["events"]], page["hasMore"]) == (
        ["CLICK", "OPEN", "DELIVERED"],
        True,
    )
    assert [event.get("filteredEvent") for event in page["events"]] == [False, True, None]
    rest = api.get(EVENTS, startTimestamp=low, endTimestamp=high, limit=3, offset=page["offset"])
    assert ([event["type"] for event in rest["events"]], rest["hasMore"]) == (["SENT"], False)
    assert rest["events"][0]["subject"] == "What is new"
    assert api.get(EVENTS, eventType="OPEN")["events"][0]["emailCampaignId"] == 7
    assert api.get(EVENTS, recipient="B@x.com")["events"] == []
    one = page["events"][0]
    assert api.get(f"{EVENTS}/{one['created']}/{one['id']}") == one


def test_late_email_events(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    half.feeds.add_email_event("OPEN", sandbox.clock(), "a@x.com", 7)
    sandbox.switches.hs_email_event_lag = 3600
    assert api.get(EVENTS)["events"] == []
    sandbox.advance(3600)
    assert len(api.get(EVENTS)["events"]) == 1


def test_campaigns(api: Api, half: HubSpot) -> None:
    half.feeds.add_campaign(7, 20, "News", "What is new")
    (listed,) = api.get("/email/public/v1/campaigns")["campaigns"]
    shown = api.get(f"/email/public/v1/campaigns/{listed['id']}", appId=listed["appId"])
    assert (shown["name"], shown["subject"]) == ("News", "What is new")
    api.get("/email/public/v1/campaigns/7", appId=21)
    assert api.status == 404


@pytest.mark.parametrize(("sort", "order"), [({}, [3, 2, 1]), ({"sort": "occurredAt"}, [1, 2, 3])])
def test_web_events_page_both_ways(
    api: Api, half: HubSpot, sandbox: Sandbox, sort: dict[str, str], order: list[int]
) -> None:
    contact, now = half.create("contacts", {}), sandbox.clock()
    for number in (2, 3, 1):
        half.feeds.add_visit(contact, now - 100 + number, f"https://x.com/{number}", "X")
    seen: list[str] = []
    page = api.get("/events/v3/events", eventType="e_visited_page", limit=2, **sort)
    seen += [event["properties"]["hs_url"] for event in page["results"]]
    page = api.get(page["paging"]["next"]["link"])
    seen += [event["properties"]["hs_url"] for event in page["results"]]
    assert seen == [f"https://x.com/{number}" for number in order]
    assert "paging" not in page


def test_web_events_by_time_and_object(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    one, two = half.create("contacts", {}), half.create("contacts", {})
    now = sandbox.clock()
    half.feeds.add_visit(one, now - 50, "https://x.com/1", "X")
    half.feeds.add_visit(two, now - 40, "https://x.com/2", "X")
    half.feeds.add_visit(two, now + 40, "https://x.com/3", "X")
    path = "/events/v3/events"
    found = api.get(path, objectType="contact", objectId=two)["results"]
    assert [event["properties"]["hs_url"] for event in found] == ["https://x.com/2"]
    after = half.render.time(now - 45)
    found = api.get(path, eventType="e_visited_page", occurredAfter=after)["results"]
    assert [event["objectId"] for event in found] == [two]
    found = api.get("/events/event-occurrences/2026-03", eventType="e_visited_page", occurredBefore=after)[
        "results"
    ]
    assert [event["objectId"] for event in found] == [one]
    api.get(path)
    assert api.status == 400
    assert "e_visited_page" in api.get(f"{path}/event-types")["eventTypes"]


def test_large_pages_of_web_events_are_cut_in_silence(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    sandbox.switches.hs_events_page_limit = 2
    contact = half.create("contacts", {})
    for number in range(3):
        half.feeds.add_visit(contact, sandbox.clock() - number, f"https://x.com/{number}", "X")
    page = api.get("/events/v3/events", eventType="e_visited_page", limit=500)
    assert (len(page["results"]), "paging" in page) == (2, True)
    assert api.get("/events/v3/events", eventType="e_other")["results"] == []
