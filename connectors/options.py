"""What a connector is told to pull: chosen by the composition root from settings and model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from config.pulling import PulledObject
from connectors.mapping import EngagementMapper

_AS_SHIPPED = PulledObject()


@dataclass(frozen=True, slots=True)
class PullOptions:
    """Which fields are read beside the ones that every connector needs.

    `mapped`: per object, name in the model → field in the CRM; the values become `fields` of the record
    (a JSON object keyed by the name in the model). `also`: per object, further CRM fields kept in `raw`
    (write-back targets). `status_field`: per object, the CRM field whose value is the record's `status`;
    an object that is not in it has no status. `overlap`: per feed name, seconds to read again, over the
    connector's default. `objects`: per CRM and object
    (`salesforce.Lead`), what the configuration says of it alone; its `on` and `every` are the pull stage's,
    but for objects that are off as shipped. `refresh_calculated`: seconds between two readings for
    the sake of calculated fields, 0: never.
    """

    engagement: EngagementMapper
    all_fields: bool = False
    mapped: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    status_field: Mapping[str, str] = field(
        default_factory=lambda: {"Lead": "Status", "contacts": "hs_lead_status"}
    )
    overlap: Mapping[str, int] = field(default_factory=dict)
    objects: Mapping[str, PulledObject] = field(default_factory=dict)
    refresh_calculated: int = 86_400

    def of(self, name: str) -> PulledObject:
        """What the configuration says of one object, such as `salesforce.Lead`."""
        return self.objects.get(name, _AS_SHIPPED)

    def everything(self, name: str) -> bool:
        """Whether every readable field of that object is read."""
        chosen = self.of(name).fields
        return self.all_fields if chosen is None else chosen == "all"
