"""A mirror that pulls the simulated HubSpot over HTTP, by any settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from config.settings import Settings
from connectors.hubspot.connector import HubSpotConnector
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from sync.app import pull_options
from sync.mirror.engine import Mirror
from sync.reports import FeedCounts
from tests.pipeline.small import Small
from tests.world import SimulatedWorld

CRM = "hubspot"
HOUR = 3600
Configured = Callable[..., Small]


def configurable(sandbox: Sandbox, world: SimulatedWorld, mirror: Mirror) -> Configured:
    """Makes a pipeline over that mirror by these sections of the settings, as often as it is called."""

    def make(**sections: Any) -> Small:
        token = sandbox.credentials[CRM]["access_token"]
        hubspot = {"access_token": token, "base_url": sandbox.hubspot_url}
        settings = Settings.model_validate({"hubspot": hubspot, **sections})
        options = pull_options(settings)
        connector = HubSpotConnector(settings.hubspot, options, world, UnlimitedBudget())
        return Small(mirror, world, {CRM: connector}, settings)

    return make


def pull(here: Small, *, full: bool = False) -> dict[str, FeedCounts]:
    counts = here.pull(full=full)[CRM]
    assert here.problems == []
    assert all(one.balanced for one in counts.values())
    return counts


def contact(sandbox: Sandbox, number: int, **values: str) -> str:
    return sandbox.create(CRM, "contacts", {"email": f"h{number}@example.com", **values})


def engagements(here: Small, source: str) -> list[tuple[Any, ...]]:
    return here.select(
        "SELECT person_record_id, kind, asset FROM engagement WHERE source = :source AND NOT deleted "
        "ORDER BY person_record_id, kind",
        source=source,
    )


def rule(source: str, kind: str, **when: str) -> dict[str, Any]:
    conditions = {name: {"glob": value} for name, value in when.items()}
    return {"source": source, "kind": kind, "when": conditions}
