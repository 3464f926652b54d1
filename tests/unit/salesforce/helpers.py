"""Shared by the Salesforce tests: settings, a budget that takes notes, canned sign-ins."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import responses
from pydantic import SecretStr

from config.settings import SalesforceSettings
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.retry import RetryPolicy
from connectors.salesforce.api import Api
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from tests.world import SimulatedWorld

ORIGIN = "https://acme.my.salesforce.com"
DATA = f"{ORIGIN}/services/data/v64.0"
TOKEN_URL = f"{ORIGIN}/services/oauth2/token"
USER_ID = "005000000000001AAA"
ORG_ID = "00D000000000001AAA"
SECRETS = ("top-secret-1", "top-secret-2", "first-token", "second-token", "given-token")


class NotingBudget:
    """An unlimited budget that remembers what it was told."""

    def __init__(self) -> None:
        self.acquired: list[str] = []
        self.observed: list[tuple[int | None, int | None, int]] = []
        self.spent_until: list[datetime | None] = []

    def acquire(self, kind: str, n: int = 1) -> float:
        self.acquired.append(kind)
        return 0.0

    def observe(self, used: int | None, limit: int | None, ours: int = 0) -> None:
        self.observed.append((used, limit, ours))

    def spent(self, until: datetime | None) -> None:
        self.spent_until.append(until)


def given() -> SalesforceSettings:
    """A ready token that cannot be renewed."""
    return SalesforceSettings(instance_url=ORIGIN, access_token=SecretStr("given-token"))


def credentials(**more: Any) -> SalesforceSettings:
    """Client credentials on a My Domain."""
    known: dict[str, Any] = {
        "login_url": ORIGIN,
        "client_id": "client",
        "client_secret": SecretStr("top-secret-1"),
    }
    return SalesforceSettings(**{**known, **more})


def make_api(
    world: SimulatedWorld,
    settings: SalesforceSettings | None = None,
    budget: NotingBudget | None = None,
    attempts: int = 3,
) -> Api:
    """An Api that gives up after `attempts`."""
    return Api(settings or given(), world, budget or NotingBudget(), policy=RetryPolicy(attempts=attempts))


def token_reply(mock: responses.RequestsMock, token: str, instance: str = ORIGIN) -> None:
    """The next sign-in gets this token."""
    body = {
        "access_token": token,
        "instance_url": instance,
        "id": f"https://login.salesforce.com/id/{ORG_ID}/{USER_ID}",
        "token_type": "Bearer",
    }
    mock.post(TOKEN_URL, json=body)


def error(code: str, message: str = "", **more: Any) -> list[dict[str, Any]]:
    """An error body as the REST API writes it."""
    return [{"errorCode": code, "message": message, **more}]


def sandbox_settings(sandbox: Sandbox, **more: Any) -> SalesforceSettings:
    """Client credentials on the sandbox."""
    known = sandbox.credentials["salesforce"]
    return SalesforceSettings(
        login_url=sandbox.salesforce_url,
        client_id=known["client_id"],
        client_secret=SecretStr(known["client_secret"]),
        **more,
    )


def connect(
    sandbox: Sandbox, world: SimulatedWorld, options: PullOptions | None = None, **more: Any
) -> SalesforceConnector:
    """A signed-in connector on the sandbox."""
    connector = SalesforceConnector(
        sandbox_settings(sandbox),
        options or PullOptions(engagement=EngagementMapper()),
        world,
        UnlimitedBudget(),
        **more,
    )
    connector.sign_in()
    return connector
