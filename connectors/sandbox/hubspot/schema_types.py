"""Which kinds of records the simulated HubSpot has, and the shape of a property definition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Option(NamedTuple):
    """One choice of an enumeration; `hidden` ones are still valid."""

    value: str
    label: str
    hidden: bool = False


@dataclass
class Property:
    """A property definition, as `GET /crm/v3/properties/{type}` shows it (OpenAPI: CRM Properties)."""

    name: str
    label: str
    type: str = "string"  # string, number, date, datetime, enumeration, bool
    field_type: str = "text"
    group: str = "information"
    options: tuple[Option, ...] = ()
    calculated: bool = False
    read_only: bool = False
    hidden: bool = False
    unique: bool = False
    custom: bool = False
    archived: bool = False

    @property
    def settable(self) -> bool:
        """Whether a client may write values."""
        return not (self.calculated or self.read_only)


@dataclass
class ObjectType:
    """A kind of record: all the names that a path may use for it, and its properties."""

    plural: str
    singular: str
    type_id: str
    first_id: int
    modified: str = "hs_lastmodifieddate"
    created: str = "hs_createdate"
    shown: tuple[str, ...] = ()
    """Properties in an answer when none are asked for."""
    searched: tuple[str, ...] = ()
    """Properties that a search's `query` looks into."""
    properties: dict[str, Property] = field(default_factory=dict)

    @property
    def always(self) -> tuple[str, str, str]:
        """Properties that are in every answer."""
        return (self.created, "hs_object_id", self.modified)
