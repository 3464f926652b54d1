"""Listings read side by side: everything comes, another process goes on, and limits are kept."""

from __future__ import annotations

import threading

import pytest

from connectors.errors import Retriable
from connectors.hubspot import events
from connectors.records import EngagementRecord, Page
from connectors.sandbox.faults import Match
from connectors.sandbox.sandbox import Sandbox
from tests.unit.hubspot.made import on_sandbox, pull
from tests.world import SimulatedWorld

DAY = 86_400.0
FEEDS = ("email_events", "web_events")


def rows(pages: list[Page]) -> set[EngagementRecord]:
    return {row for page in pages for row in page.engagements}


@pytest.fixture
def busy(sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Two years of events, in small pages."""
    monkeypatch.setattr(events, "EMAIL_PAGES", (40, 40))
    sandbox.switches.hs_events_page_limit = 40
    contact = sandbox.create("hubspot", "contacts", {"email": "w@example.com"})
    feeds, now = sandbox.hubspot.feeds, world.clock()
    for number in range(900):
        at = now - number * 0.8 * DAY
        feeds.add_email_event("OPEN", at, f"o{number}@example.com", 7)
        feeds.add_visit(contact, at, f"https://x.test/p{number}", "T")
    return sandbox


def readers() -> int:
    return sum(thread.name.startswith("hubspot-lane") for thread in threading.enumerate())


@pytest.mark.parametrize("name", FEEDS)
def test_everything_comes_and_few_calls_are_wasted(busy: Sandbox, world: SimulatedWorld, name: str) -> None:
    connector = on_sandbox(busy, world)
    pages, cursor = pull(connector, name)
    assert len(rows(pages)) == 900
    assert connector.calls <= 900 / 40 + 1 + events.SLICES + 1 + 1  # one for the campaign
    assert sum("lanes" in (page.cursor.state or "") for page in pages) > 10
    assert readers() == 0
    world.advance(60)
    calls = connector.calls
    assert len(rows(pull(connector, name, cursor)[0])) <= 2
    assert connector.calls == calls + 1


@pytest.mark.parametrize("name", FEEDS)
def test_another_process_goes_on_from_any_page(busy: Sandbox, world: SimulatedWorld, name: str) -> None:
    pages, _ = pull(on_sandbox(busy, world), name)
    for number in range(0, len(pages) - 1, 3):
        rest, _ = pull(on_sandbox(busy, world), name, pages[number].cursor)
        assert rows([*pages[: number + 1], *rest]) == rows(pages)


@pytest.mark.parametrize("name", FEEDS)
def test_an_error_that_stays_ends_the_pass_and_leaves_no_thread(
    busy: Sandbox, world: SimulatedWorld, name: str
) -> None:
    path = "/email/public" if name == "email_events" else "/events/v3"
    busy.faults.arm("status", crm="hubspot", path=path, skip=9, count=None, status=503)
    with pytest.raises(Retriable):
        pull(on_sandbox(busy, world), name)
    assert readers() == 0


def test_a_consumer_that_goes_away_leaves_no_thread(busy: Sandbox, world: SimulatedWorld) -> None:
    connector = on_sandbox(busy, world)
    feed = next(feed for feed in connector.feeds() if feed.name == "hubspot.email_events")
    stream = connector.changes(feed, None)
    while "lanes" not in (next(stream).cursor.state or ""):
        pass
    stream.close()  # type: ignore[attr-defined]
    assert readers() == 0


def test_forms_go_side_by_side_and_another_process_goes_on(sandbox: Sandbox, world: SimulatedWorld) -> None:
    now, made = world.clock(), 0
    for number in range(12):
        form = sandbox.hubspot.forms.add(f"Form {number}")
        for one in range(30 * number):
            made += 1
            sandbox.hubspot.feeds.add_submission(form, now - one, f"f{made}@example.com", {})
    deepest = 0
    guard = threading.Lock()

    def coming(_: object) -> None:
        nonlocal deepest
        with guard:
            deepest = max(deepest, readers())

    sandbox.steps.before(Match("hubspot", "GET", "/submissions/", count=None), coming)
    pages, cursor = pull(on_sandbox(sandbox, world), "form_submissions")
    assert len(rows(pages)) == made
    assert deepest > 1
    assert readers() == 0
    for number in range(0, len(pages) - 1, 5):
        rest, end = pull(on_sandbox(sandbox, world), "form_submissions", pages[number].cursor)
        assert rows([*pages[: number + 1], *rest]) == rows(pages)
        assert end.state == cursor.state
