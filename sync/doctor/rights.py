"""Which right a feed needs, as its CRM calls it, and where an administrator finds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connectors.records import Crm, Feed

SCOPES: Final[Mapping[str, str]] = {
    "contacts": "crm.objects.contacts.read",
    "companies": "crm.objects.companies.read",
    "deals": "crm.objects.deals.read",
    "owners": "crm.objects.owners.read",
    "form_submissions": "forms",
    "email_events": "content",
    "web_events": "business-intelligence, or the one that the account shows for event analytics",
    "emails": "sales-email-read",
    "lists": "crm.lists.read",
}
"""HubSpot's scope for what a feed reads (HubSpot's developer documentation, "Scopes")."""


def right_for(feed: Feed) -> str:
    """What to give to whom so that the feed can be read."""
    page = f"docs/how-to/connect-{feed.crm}.md"
    if feed.crm == Crm.SALESFORCE:
        return f"give the integration user Read and View All on {feed.object} ({page}, step 2)"
    scope = SCOPES.get(feed.object)
    named = f"the scope {scope}" if scope else "the scope that this needs"
    return f"give the key or app {named} ({page}, step 2)"
