"""Pulling one feed of the sandbox to its end, as several tests do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from config.pulling import PulledObject
from config.settings import EngagementRule
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import Cursor, EngagementRecord, Feed, Page, PersonRecord
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.sandbox import Sandbox


def options(
    objects: Mapping[str, Mapping[str, Any]] | None = None,
    rules: Sequence[Mapping[str, Any]] = (),
    **more: Any,
) -> PullOptions:
    """Options with some objects switched, and own engagement rules."""
    mapper = EngagementMapper([EngagementRule.model_validate(rule) for rule in rules])
    chosen = {name: PulledObject.model_validate(one) for name, one in (objects or {}).items()}
    return PullOptions(engagement=mapper, objects=chosen, **more)


def feed_of(connector: SalesforceConnector, name: str) -> Feed:
    """The feed of that name, without its CRM."""
    return next(feed for feed in connector.feeds() if feed.name == f"salesforce.{name}")


def drain(
    connector: SalesforceConnector, name: str, cursor: Cursor | None = None
) -> tuple[list[Page], Cursor]:
    """All pages of one pass, and the cursor as it would be stored."""
    pages = list(connector.changes(feed_of(connector, name), cursor))
    assert [page.complete for page in pages] == [False] * (len(pages) - 1) + [True]
    return pages, Cursor.from_json(pages[-1].cursor.to_json())


def lead(sandbox: Sandbox, **values: Any) -> str:
    """A new lead, made by a person."""
    known = {"LastName": "Smith", "Company": "Acme", "Email": "ann@acme.com"}
    return sandbox.create("salesforce", "Lead", {**known, **values})


def people(pages: Sequence[Page]) -> dict[str, PersonRecord]:
    """The people of these pages by id, the last one of each."""
    return {person.id: person for page in pages for person in page.people}


def engagements(pages: Sequence[Page]) -> dict[str, EngagementRecord]:
    """The engagements of these pages by id."""
    return {one.id: one for page in pages for one in page.engagements}
