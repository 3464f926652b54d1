"""What the HubSpot tests build: accounts and connectors on an address, with simulated time."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from config.settings import HubSpotRateLimit, HubSpotSettings
from connectors.hubspot.account import Account
from connectors.hubspot.connector import HubSpotConnector
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import Cursor, Feed, Page
from connectors.sandbox.faults import Match
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import Budget, UnlimitedBudget
from tests.world import SimulatedWorld

API = "https://api.hubspot.test"
TOKEN = "pat-secret-token"


def settings(**changes: Any) -> HubSpotSettings:
    return HubSpotSettings(**{"base_url": API, "access_token": SecretStr(TOKEN), **changes})


def account(world: SimulatedWorld, budget: Budget | None = None, **changes: Any) -> Account:
    return Account(settings(**changes), world, budget or UnlimitedBudget())


def on_sandbox(
    sandbox: Sandbox, world: SimulatedWorld, options: PullOptions | None = None, **changes: Any
) -> HubSpotConnector:
    token = SecretStr(sandbox.credentials["hubspot"]["access_token"])
    made = settings(**{"base_url": sandbox.hubspot_url, "access_token": token, **changes})
    return HubSpotConnector(made, options or PullOptions(EngagementMapper()), world, UnlimitedBudget())


def feed_of(connector: HubSpotConnector, name: str) -> Feed:
    return next(feed for feed in connector.feeds() if feed.name == f"hubspot.{name}")


def pull(connector: HubSpotConnector, name: str, cursor: Cursor | None = None) -> tuple[list[Page], Cursor]:
    """One whole pass of a feed; the cursor goes through its stored form."""
    stored = None if cursor is None else Cursor.from_json(cursor.to_json())
    pages = list(connector.changes(feed_of(connector, name), stored))
    assert [page.complete for page in pages] == [False] * (len(pages) - 1) + [True]
    for page in pages:
        rows = (page.people, page.companies, page.deals, page.links, page.engagements, page.owners)
        assert page.seen == sum(len(kind) for kind in rows) + len(page.poison)
    return pages, pages[-1].cursor


def slow_limits() -> HubSpotRateLimit:
    return HubSpotRateLimit(per_10s=10, search_per_second=0.5)


def recorded(sandbox: Sandbox) -> list[str]:
    """A list that fills with every request from now on: path, query and body."""
    asked: list[str] = []

    def note(request: Any) -> None:
        asked.append(f"{request.path} {dict(request.query)} {request.body.decode()}")

    sandbox.steps.before(Match("hubspot", count=None), note)
    return asked
