"""Every path of the HubSpot API that mqlsync calls, in one table, for numbered and dated versions.

Sources: HubSpot's API reference ("2026-03 API reference": `/api-name/2026-03/resource`; "Retrieve event
occurrences"; "Owners"; "Read all properties"; "Batch read associations"; "Get submissions for a form";
"Get email events"; "Account information API") and the paths in hubspot-api-client 12.

Forms, form submissions and e-mail events have no 2026-03 form and keep their numbered paths.

Tokens: "Migrate from the OAuth v1 API to the latest date-based versioned API" and the changelog "v1 OAuth API
Deprecation": `/oauth/v1/token` ends on 16 February 2027 in favour of `/oauth/2026-03/token`, a form in the
body at both. So the dated one is asked first, whatever the version of the other paths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from config.errors import ConfigError, Problem

NUMBERED: Final[Mapping[str, str]] = {
    "objects": "/crm/v3/objects/{object}",
    "object": "/crm/v3/objects/{object}/{id}",
    "search": "/crm/v3/objects/{object}/search",
    "batch_read": "/crm/v3/objects/{object}/batch/read",
    "batch_update": "/crm/v3/objects/{object}/batch/update",
    "associations": "/crm/v4/associations/{object}/{to}/batch/read",
    "owners": "/crm/v3/owners",
    "properties": "/crm/v3/properties/{object}",
    "property": "/crm/v3/properties/{object}/{field}",
    "pipelines": "/crm/v3/pipelines/{object}",
    "forms": "/marketing/v3/forms",
    "submissions": "/form-integrations/v1/submissions/forms/{form}",
    "email_events": "/email/public/v1/events",
    "campaign": "/email/public/v1/campaigns/{campaign}",
    "web_events": "/events/v3/events",
    "account": "/account-info/v3/details",
    "lists": "/crm/v3/lists/search",
    "memberships": "/crm/v3/lists/{list}/memberships",
    "token": "/oauth/v1/token",
    "token_info": "/oauth/v2/private-apps/get/access-token-info",
}

DATED: Final[Mapping[str, str]] = {
    **NUMBERED,
    "objects": "/crm/objects/{version}/{object}",
    "object": "/crm/objects/{version}/{object}/{id}",
    "search": "/crm/objects/{version}/{object}/search",
    "batch_read": "/crm/objects/{version}/{object}/batch/read",
    "batch_update": "/crm/objects/{version}/{object}/batch/update",
    "associations": "/crm/associations/{version}/{object}/{to}/batch/read",
    "owners": "/crm/owners/{version}",
    "properties": "/crm/properties/{version}/{object}",
    "property": "/crm/properties/{version}/{object}/{field}",
    "pipelines": "/crm/pipelines/{version}/{object}",
    "web_events": "/events/event-occurrences/{version}",
    "account": "/account-info/{version}/details",
    "lists": "/crm/lists/{version}/search",
    "memberships": "/crm/lists/{version}/{list}/memberships",
    "token": "/oauth/{version}/token",
}

OAUTH_VERSION: Final = "2026-03"
"""The dated version of the token endpoint where `hubspot.api_version` is a numbered one."""

OBJECT_PATHS: Final = frozenset({"objects", "object", "search", "batch_read", "batch_update"})
"""Paths whose 404 speaks of a record or an object type, never of the API version."""


class Paths:
    """The table for one `hubspot.api_version`: "v3", or a date like "2026-03"."""

    def __init__(self, version: str) -> None:
        if version != "v3" and re.fullmatch(r"\d{4}-\d{2}(-beta)?", version) is None:
            problem = Problem(
                f"unknown version {version!r}", key="hubspot.api_version", expected='"v3" or "2026-03"'
            )
            raise ConfigError([problem])
        self.version = version
        self._table = NUMBERED if version == "v3" else DATED

    def path(self, name: str, **parts: str) -> str:
        """The path of a name, its parts percent-encoded."""
        return self._fill(self._table[name], parts)

    def older(self, name: str, **parts: str) -> str | None:
        """The numbered path of a name, for a server that lacks the dated one; None when there is no other."""
        if name in OBJECT_PATHS or self._table[name] == NUMBERED[name]:
            return None
        return self._fill(NUMBERED[name], parts)

    def token_paths(self) -> tuple[str, str]:
        """Where a token is exchanged: the dated endpoint, then the numbered one for a server without it."""
        dated = self.version if self._table is DATED else OAUTH_VERSION
        return DATED["token"].format(version=dated), NUMBERED["token"]

    def _fill(self, template: str, parts: Mapping[str, str]) -> str:
        quoted = {name: quote(value, safe="") for name, value in parts.items()}
        return template.format(version=self.version, **quoted)
