"""Names of things in a CRM, and what became of the ones that went."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Crm(StrEnum):
    """A CRM that has a package under `connectors/`."""

    SALESFORCE = "salesforce"
    HUBSPOT = "hubspot"


class RecordRef(NamedTuple):
    """One object row of one CRM."""

    crm: str
    object: str
    id: str


class GoneReason(StrEnum):
    """Why a record is a tombstone."""

    DELETED = "deleted"
    ARCHIVED = "archived"
    MERGED = "merged_into"
    CONVERTED = "converted_into"
    ABSENT = "absent"


class Tombstone(NamedTuple):
    """A record that went. `to_object`/`to_id` name the survivor of a merge or conversion."""

    crm: str
    object: str
    id: str
    reason: str
    at_ms: int  # epoch milliseconds, by the CRM's clock
    to_object: str | None = None
    to_id: str | None = None


class Poison(NamedTuple):
    """A row that could not be read as a record: parked with its reason, never silently dropped."""

    crm: str
    object: str
    id: str  # "" when not even the id could be read
    reason: str
    raw: str
