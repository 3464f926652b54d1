"""Which path leads to which endpoint, what it costs, and which scope it wants.

Paths: HubSpot's OpenAPI files for v3 and v4, the legacy v1 feeds, and the dated aliases of 2026-03.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from connectors.sandbox.core import Response
from connectors.sandbox.hubspot import associations, batch, catalog, objects

if TYPE_CHECKING:
    from connectors.sandbox.hubspot.half import HubSpot

Endpoint = Callable[..., Response]


class Route(NamedTuple):
    """`pattern` of a path, the endpoint for it, the limit it counts in (general, search, exempt)."""

    method: str
    pattern: re.Pattern[str]
    endpoint: Endpoint
    limit: str


_ALIASES = (
    (
        re.compile(r"^/crm/(objects|properties|owners|lists|pipelines)/20\d\d-\d\d(?:-beta)?(?=/|$)"),
        r"/crm/v3/\1",
    ),
    (re.compile(r"^/crm/associations/20\d\d-\d\d(?:-beta)?(?=/|$)"), "/crm/v4/associations"),
    (re.compile(r"^/marketing/forms/20\d\d-\d\d(?:-beta)?(?=/|$)"), "/marketing/v3/forms"),
    (re.compile(r"^/events/event-occurrences/20\d\d-\d\d(?:-beta)?(?=/|$)"), "/events/v3/events"),
    (re.compile(r"^/account-info/20\d\d-\d\d(?:-beta)?(?=/|$)"), "/account-info/v3"),
)
"""Dated paths and the path that each stands for."""


def undated(path: str) -> tuple[str, bool]:
    """A path without its date, and whether it had one."""
    for pattern, replacement in _ALIASES:
        plain, count = pattern.subn(replacement, path)
        if count:
            if plain.startswith("/crm/v3/objects/") and "/associations/" in plain:
                plain = plain.replace("/crm/v3/", "/crm/v4/", 1)
            return plain, True
    return path, False


_SCOPES = (
    (re.compile(r"^/(marketing/v3/forms|form-integrations)"), "forms"),
    (re.compile(r"^/email/public"), "content"),
    (re.compile(r"^/events/v3"), "business-intelligence"),
    (re.compile(r"^/crm/v3/owners"), "crm.objects.owners.read"),
    (re.compile(r"^/crm/v3/lists"), "crm.lists.read"),
    (re.compile(r"^/crm/v3/objects/(companies|company|0-2)"), "crm.objects.companies.read"),
    (re.compile(r"^/crm/v3/objects/(deals|deal|0-3)"), "crm.objects.deals.read"),
    (re.compile(r"^/crm/v3/objects/(emails|email|0-49)"), "sales-email-read"),
    (re.compile(r"^/crm/v3/objects/(leads|lead|0-136)"), "crm.objects.leads.read"),
    (re.compile(r"^/crm/v3/properties"), "crm.schemas.contacts.read"),
    (re.compile(r"^/crm/v3/objects/"), "crm.objects.contacts.read"),
)


def scope_of(method: str, path: str) -> str | None:
    """The scope that an (undated) path wants."""
    found = next((scope for pattern, scope in _SCOPES if pattern.match(path)), None)
    writes = method in ("PATCH", "PUT", "DELETE") or path.endswith(
        ("/batch/update", "/batch/create", "/batch/upsert")
    )
    return found.replace(".read", ".write") if found and writes else found


def routes(hubspot: HubSpot) -> list[Route]:
    """All routes, the more specific ones first."""
    made: list[Route] = []

    def add(method: str, path: str, endpoint: Endpoint, limit: str = "general") -> None:
        made.append(Route(method, re.compile(f"^{path}/?$"), endpoint, limit))

    _object_routes(hubspot, add)
    _association_routes(add)
    _catalog_routes(hubspot, add)
    _feed_routes(hubspot, add)
    _list_routes(hubspot, add)
    account = hubspot.account
    add("GET", "/account-info/v3/details", lambda _: account.details())
    add("GET", "/account-info/v3/api-usage/daily(?:/private-apps)?", lambda _: account.usage())
    return made


Adder = Callable[..., None]
_TYPE, _ID = "([^/]+)", "([^/]+)"


def _object_routes(hubspot: HubSpot, add: Adder) -> None:
    base = f"/crm/v3/objects/{_TYPE}"
    add("POST", f"{base}/search", hubspot.searcher.search, "search")
    add("POST", f"{base}/batch/read", batch.read_batch)
    add("POST", f"{base}/batch/update", batch.update_batch)
    add("POST", f"{base}/batch/create", batch.create_batch)
    add("POST", f"{base}/batch/upsert", batch.upsert_batch)
    add("POST", f"{base}/batch/archive", batch.archive_batch)
    add("POST", f"{base}/merge", objects.merge_records)
    add("POST", f"{base}/gdpr-delete", objects.gdpr_delete)
    add("GET", base, objects.list_records)
    add("POST", base, objects.create_record)
    add("GET", f"{base}/{_ID}", objects.read_record)
    add("PATCH", f"{base}/{_ID}", objects.update_record)
    add("DELETE", f"{base}/{_ID}", objects.archive_record)


def _association_routes(add: Adder) -> None:
    batch_base = f"/crm/v4/associations/{_TYPE}/{_TYPE}/batch"
    add("POST", f"{batch_base}/read", associations.read_batch, "exempt")
    add("POST", f"{batch_base}/create", associations.create_batch, "exempt")
    add("POST", f"{batch_base}/archive", associations.archive_batch, "exempt")
    add("POST", f"{batch_base}/associate/default", associations.associate_default_batch, "exempt")
    add("POST", f"/crm/v3/associations/{_TYPE}/{_TYPE}/batch/read", associations.read_batch_v3)
    one = f"/crm/v4/objects/{_TYPE}/{_ID}/associations"
    add("PUT", f"{one}/default/{_TYPE}/{_ID}", associations.put_default, "exempt")
    add("GET", f"{one}/{_TYPE}", associations.list_associations, "exempt")
    add("PUT", f"{one}/{_TYPE}/{_ID}", associations.put_association, "exempt")
    add("DELETE", f"{one}/{_TYPE}/{_ID}", associations.delete_association, "exempt")


def _catalog_routes(hubspot: HubSpot, add: Adder) -> None:
    add("GET", f"/crm/v3/properties/{_TYPE}", catalog.list_properties)
    add("POST", f"/crm/v3/properties/{_TYPE}", catalog.create_property)
    add("POST", f"/crm/v3/properties/{_TYPE}/batch/read", catalog.read_properties)
    add("GET", f"/crm/v3/properties/{_TYPE}/groups", catalog.list_groups)
    add("GET", f"/crm/v3/properties/{_TYPE}/{_ID}", catalog.read_property)
    add("PATCH", f"/crm/v3/properties/{_TYPE}/{_ID}", catalog.update_property)
    add("DELETE", f"/crm/v3/properties/{_TYPE}/{_ID}", catalog.delete_property)
    add("GET", "/crm/v3/owners", hubspot.owners.list)
    add("GET", f"/crm/v3/owners/{_ID}", hubspot.owners.read)
    add("GET", f"/crm/v3/pipelines/{_TYPE}", catalog.list_pipelines)
    add("GET", f"/crm/v3/pipelines/{_TYPE}/{_ID}", catalog.read_pipeline)
    add("GET", f"/crm/v3/pipelines/{_TYPE}/{_ID}/stages", catalog.list_stages)


def _feed_routes(hubspot: HubSpot, add: Adder) -> None:
    feeds = hubspot.feeds
    add("GET", "/marketing/v3/forms", hubspot.forms.list)
    add("GET", f"/marketing/v3/forms/{_ID}", hubspot.forms.read)
    add("GET", f"/form-integrations/v1/submissions/forms/{_ID}", feeds.list_submissions)
    add("GET", "/email/public/v1/events", feeds.list_email_events)
    add("GET", f"/email/public/v1/events/{_ID}/{_ID}", feeds.read_email_event)
    add("GET", "/email/public/v1/campaigns", feeds.list_campaigns)
    add("GET", "/email/public/v1/campaigns/by-id", feeds.list_campaigns)
    add("GET", f"/email/public/v1/campaigns/{_ID}", feeds.read_campaign)
    add("GET", "/events/v3/events/event-types", feeds.list_event_types)
    add("GET", "/events/v3/events", feeds.list_events)


def _list_routes(hubspot: HubSpot, add: Adder) -> None:
    lists = hubspot.lists
    add("POST", "/crm/v3/lists/search", lists.search)
    add("POST", "/crm/v3/lists/records/memberships/batch/read", lists.read_memberships)
    add("GET", f"/crm/v3/lists/records/{_TYPE}/{_ID}/memberships", lists.of_record)
    add("GET", "/crm/v3/lists", lists.by_ids)
    add("POST", "/crm/v3/lists", lists.create)
    add("GET", f"/crm/v3/lists/{_ID}", lists.read)
    add("GET", f"/crm/v3/lists/{_ID}/memberships", lists.members)
    add("GET", f"/crm/v3/lists/{_ID}/memberships/join-order", lists.members_by_joining)
    add("PUT", f"/crm/v3/lists/{_ID}/memberships/(add|remove)", lists.change_members)
