"""How a listing is told which properties are wanted: by one parameter, by many, or not at all.

Documented is a comma-separated list; HubSpot's own clients repeat the parameter. A server that takes neither
gives only what it gives by default, and a batch read, whose body names them, brings the rest.

Source: HubSpot's "Objects API" pages; hubspot-api-client 12 (`collection_formats`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

import msgspec

from connectors.hubspot.reader import Row, row_of

BY_DEFAULT: Final = frozenset(
    {
        "createdate", "hs_createdate", "lastmodifieddate", "hs_lastmodifieddate", "hs_object_id", "email",
        "firstname", "lastname", "name", "domain", "amount", "closedate", "dealname", "dealstage", "pipeline",
    }
)  # fmt: skip
"""Properties that a listing shows of one object or another without being asked."""


class Naming(Enum):
    """The way that a server understands."""

    JOINED = "joined"
    APART = "apart"
    BATCH = "batch"


def in_query(properties: Sequence[str], naming: Naming) -> list[tuple[str, str]]:
    """The parameters that name these properties."""
    if not properties or naming is Naming.BATCH:
        return []
    if naming is Naming.APART:
        return [("properties", name) for name in properties]
    return [("properties", ",".join(properties))]


def tells_properties(rows: Sequence[msgspec.Raw], properties: Sequence[str]) -> bool | None:
    """Whether rows show any property that they would not show by default; None when nothing can be told."""
    asked = set(properties) - BY_DEFAULT
    read = [row for raw in rows if isinstance(row := row_of(raw), Row)]
    if not asked or not read:
        return None
    return any(not asked.isdisjoint(row.properties) for row in read)
