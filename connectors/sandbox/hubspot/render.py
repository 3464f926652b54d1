"""Records as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from connectors.sandbox.hubspot.portal import APP_ID, PERSON_USER, PORTAL_ID, Portal
from connectors.sandbox.hubspot.schema_types import ObjectType
from connectors.sandbox.hubspot.values import iso
from connectors.sandbox.store import Record, Version

_SOURCES = {
    "person": "CRM_UI",
    "automation": "AUTOMATION_PLATFORM",
    "seed": "IMPORT",
    "system": "CALCULATED",
}
"""sourceType by author, where the version does not name one (HubSpot changelog and example schemas)."""


class Renderer:
    """Turns records into JSON values. `with_url`: as the dated versions show them, with a link to the app."""

    def __init__(self, portal: Portal, *, with_url: bool = False) -> None:
        self._portal = portal
        self._with_url = with_url

    def time(self, moment: float) -> str:
        """A moment with the fraction that the switch says."""
        return iso(moment, short=self._portal.switches.hs_varying_fraction)

    def value(self, kind: ObjectType, record: Record, name: str) -> str | None:
        """One property; computed ones move no timestamp because they are computed here."""
        if name in record.values:
            value: str = record.values[name]
            prop = kind.properties.get(name)
            if prop is not None and prop.type == "datetime" and value.endswith("0Z"):
                return self._shorten(value)
            return value
        if name == "hs_object_id":
            return record.id
        if name == kind.created:
            return self.time(record.created)
        if name == kind.modified:
            return self.time(record.modified)
        prop = kind.properties.get(name)
        return self._computed(kind, record, name) if prop is not None and prop.calculated else None

    def _shorten(self, text: str) -> str:
        if not self._portal.switches.hs_varying_fraction:
            return text
        return text[:-1].rstrip("0").rstrip(".") + "Z"

    def _computed(self, kind: ObjectType, record: Record, name: str) -> str | None:
        values, links = record.values, self._portal.links
        if name == "hs_email_domain":
            email = values.get("email")
            return email.rpartition("@")[2] if email else None
        if name == "hs_analytics_num_page_views":
            return str(self._portal.page_views.get(record.id, 0))
        if name == "associatedcompanyid":
            return links.primary(kind.plural, record.id)
        if name in ("num_associated_deals", "num_associated_contacts"):
            count = len(links.of(kind.plural, record.id, name.rpartition("_")[2]))
            return str(count) if count else None
        if name == "hs_full_name_or_email":
            full = " ".join(part for part in (values.get("firstname"), values.get("lastname")) if part)
            return full or values.get("email")
        if name == "hs_is_closed_won":
            return "true" if values.get("dealstage") == "closedwon" else "false"
        if name == "hs_is_closed":
            return "true" if values.get("dealstage") in ("closedwon", "closedlost") else "false"
        return None

    def properties(
        self, kind: ObjectType, record: Record, names: Sequence[str] | None
    ) -> dict[str, str | None]:
        """The asked properties (those that exist) and the ones that are always there."""
        known = self._portal.properties(kind)
        if not names:
            wanted: Iterable[str] = kind.shown or kind.always
        else:
            wanted = dict.fromkeys((*kind.always, *(name for name in names if name in known)))
        return {name: self.value(kind, record, name) for name in wanted}

    def record(
        self,
        kind: ObjectType,
        record: Record,
        names: Sequence[str] | None = None,
        history: Sequence[str] = (),
    ) -> dict[str, Any]:
        """`SimplePublicObject` of the OpenAPI files."""
        shown: dict[str, Any] = {
            "id": record.id,
            "properties": self.properties(kind, record, names or history),
            "createdAt": self.time(record.created),
            "updatedAt": self.time(record.modified),
            "archived": record.gone == "archived",
        }
        if self._with_url:
            shown["url"] = f"https://app.hubspot.com/contacts/{PORTAL_ID}/record/{kind.type_id}/{record.id}"
        if record.gone == "archived":
            shown["archivedAt"] = self.time(record.gone_at)
        if history:
            known = self._portal.properties(kind)
            shown["propertiesWithHistory"] = {
                name: self.history(kind, record, name) for name in history if name in known
            }
        return shown

    def history(self, kind: ObjectType, record: Record, name: str) -> list[dict[str, Any]]:
        """Versions of a property, newest first (OpenAPI `ValueWithTimestamp`)."""
        versions = record.history(name)
        if not versions:
            value = self.value(kind, record, name)
            if value is None:
                return []
            versions = [Version(record.modified, value, "system", "", "CALCULATED")]
        return [self._version(version) for version in versions[: self._portal.switches.hs_history_length]]

    def _version(self, version: Version) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "value": version.value if version.value is not None else "",
            "timestamp": self.time(version.at),
            "sourceType": version.source or self._source(version.author),
        }
        if version.source:
            shown["sourceId"] = version.actor or version.source
        elif version.author == "worker":
            shown["sourceId"] = version.actor or APP_ID
            shown["sourceLabel"] = "mqlsync"
        elif version.author == "person":
            user = version.actor or PERSON_USER
            shown["sourceId"] = f"userId:{user}"
            if user.isdigit():
                shown["updatedByUserId"] = int(user)
        else:
            shown["sourceId"] = version.actor or version.author
        return shown

    def _source(self, author: str) -> str:
        return self._portal.switches.hs_write_source if author == "worker" else _SOURCES.get(author, "API")
