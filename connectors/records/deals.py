"""Deals, and the links between records."""

from __future__ import annotations

from typing import NamedTuple


class DealRecord(NamedTuple):
    """A Salesforce Opportunity or a HubSpot deal."""

    crm: str
    object: str  # "Opportunity", "deals"
    id: str
    name: str | None
    stage: str | None
    is_closed: bool
    is_won: bool
    amount: float | None
    company_id: str | None
    created_ms: int | None
    closed_ms: int | None
    modified_ms: int
    version: str
    fields: str
    raw: str


class Link(NamedTuple):
    """One directed association of two records of one CRM; several labels make one link."""

    crm: str
    from_object: str
    from_id: str
    to_object: str
    to_id: str
    types: str  # the association types or the role, sorted, comma-separated
    is_primary: bool


class LinkSet(NamedTuple):
    """All links of one record to one kind of object: replaces what was stored for that pair."""

    crm: str
    from_object: str
    from_id: str
    to_object: str
    links: tuple[Link, ...]
