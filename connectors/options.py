"""What a connector is told to pull: chosen by the composition root from settings and model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.mapping import EngagementMapper


@dataclass(frozen=True, slots=True)
class PullOptions:
    """Which fields are read beside the ones that every connector needs.

    `mapped`: per object, name in the model → field in the CRM; the values become `fields` of the record
    (a JSON object keyed by the name in the model). `also`: per object, further CRM fields kept in `raw`
    (write-back targets). `status_field`: per object, the CRM field whose value is the record's `status`;
    an object that is not in it has no status. `overlap`: per feed name, seconds to read again, over the
    connector's default.
    """

    engagement: EngagementMapper
    all_fields: bool = False
    mapped: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    status_field: Mapping[str, str] = field(
        default_factory=lambda: {"Lead": "Status", "contacts": "hs_lead_status"}
    )
    overlap: Mapping[str, int] = field(default_factory=dict)
