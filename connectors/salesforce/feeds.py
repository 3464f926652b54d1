"""Which objects are pulled, as feeds, and which fields are asked of each.

Only fields that describe shows are asked for: a standard field may be hidden from us, and an object may
have been switched off. What the configuration maps must exist; what it merely writes to need not (the
configuration check names that).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from connectors.errors import NotOffered
from connectors.mapping import SOURCES
from connectors.options import PullOptions
from connectors.records import Feed, FeedKind
from connectors.salesforce import records
from connectors.salesforce.http import CRM
from connectors.salesforce.schema import ObjectInfo, Schema

_NEVER_PULLED: Final = frozenset({"address", "location", "base64"})
"""Types that a query cannot give as one value, or that are documents."""

_LONG_TEXT: Final = frozenset({"Description"})
"""Bodies: never pulled unless a mapping names them."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One object that is pulled. `where` narrows it; `in_bin`: deleted rows can be asked for."""

    object: str
    kind: FeedKind
    optional: bool = False
    source: str = ""  # of engagements
    where: str = ""
    in_bin: bool = True
    deletions: bool = True  # hard deletes are asked for by getDeleted

    @property
    def swept(self) -> bool:
        """Whether a full pass compares all ids with ours."""
        return self.deletions

    @property
    def feed(self) -> Feed:
        """The feed of its changes."""
        return Feed(f"{CRM}.{self.object}", CRM, self.object, self.kind, self.optional, self.swept)

    @property
    def deletion_feed(self) -> Feed:
        """The feed of what was deleted for good."""
        return Feed(f"{CRM}.{self.object}.deleted", CRM, self.object, FeedKind.DELETIONS, optional=True)


SPECS: Final = (
    Spec("User", FeedKind.OWNERS, in_bin=False, deletions=False),
    Spec("Group", FeedKind.OWNERS, optional=True, where="Type = 'Queue'", in_bin=False, deletions=False),
    Spec("Account", FeedKind.COMPANIES, optional=True),
    Spec("Lead", FeedKind.PEOPLE),
    Spec("Contact", FeedKind.PEOPLE),
    Spec("Opportunity", FeedKind.DEALS, optional=True),
    Spec("OpportunityContactRole", FeedKind.LINKS, optional=True, deletions=False),
    Spec("CampaignMember", FeedKind.ENGAGEMENTS, optional=True, source="salesforce.campaign_member"),
    Spec("Task", FeedKind.ENGAGEMENTS, optional=True, source="salesforce.task"),
    Spec("Event", FeedKind.ENGAGEMENTS, optional=True, source="salesforce.event"),
)

SPEC_OF: Final = {spec.object: spec for spec in SPECS}

LINK_FIELDS: Final = ("Id", "SystemModstamp", "IsDeleted", "ContactId", "OpportunityId", "Role", "IsPrimary")
USER_FIELDS: Final = ("Id", "SystemModstamp", "Name", "Username", "Email", "IsActive", "UserType")
GROUP_FIELDS: Final = ("Id", "SystemModstamp", "Name", "DeveloperName", "Email", "Type")
WHOSE_FIELDS: Final = {
    "CampaignMember": ("ContactId", "LeadId"),
    "Task": ("WhoId",),
    "Event": ("WhoId", "IsChild"),
}


def all_feeds() -> list[Feed]:
    """Every feed, in pulling order."""
    return [spec.feed for spec in SPECS] + [spec.deletion_feed for spec in SPECS if spec.deletions]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of one object in this pass. `paths`: what an engagement rule may look at."""

    spec: Spec
    fields: tuple[str, ...]
    paths: tuple[str, ...] = ()


def make_plan(spec: Spec, schema: Schema, options: PullOptions) -> Plan:
    """Choose the fields. Raises NotOffered naming the object, or a mapped field that is not there."""
    info = schema.describe(spec.object)
    mapped = options.mapped.get(spec.object, {})
    for path in mapped.values():
        if not schema.has_path(spec.object, path):
            what = f"{spec.object}.{path}"
            raise NotOffered(f"the org has no field {what}, or we may not see it", what=what, crm=CRM)
    paths = _engagement_paths(spec, options)
    wanted = [*_standard(spec), *mapped.values(), *options.also.get(spec.object, ()), *paths]
    status = options.status_field.get(spec.object)
    if status:
        wanted.append(status)
    if options.all_fields and spec.kind in (FeedKind.PEOPLE, FeedKind.COMPANIES, FeedKind.DEALS):
        wanted += _everything(info)
    fields = schema.existing(spec.object, wanted)
    for needed in ("Id", "SystemModstamp"):
        if needed not in fields:
            what = f"{spec.object}.{needed}"
            raise NotOffered(f"{what} cannot be read", what=what, crm=CRM)
    return Plan(spec, fields, tuple(path for path in paths if path in fields))


def _standard(spec: Spec) -> Sequence[str]:
    stamps = (*records.STAMPS, *records.GONE_FIELDS.get(spec.object, ()))
    if spec.kind is FeedKind.PEOPLE:
        return (*stamps, *records.PERSON_FACTS[spec.object].values())
    if spec.kind is FeedKind.COMPANIES:
        return (*stamps, *records.COMPANY_FACTS.values())
    if spec.kind is FeedKind.DEALS:
        return (*stamps, *records.DEAL_FIELDS)
    if spec.kind is FeedKind.LINKS:
        return LINK_FIELDS
    if spec.kind is FeedKind.OWNERS:
        return USER_FIELDS if spec.object == "User" else GROUP_FIELDS
    return (*stamps, *WHOSE_FIELDS[spec.object])


def _engagement_paths(spec: Spec, options: PullOptions) -> tuple[str, ...]:
    if not spec.source:
        return ()
    return tuple(dict.fromkeys((*SOURCES[spec.source].fields, *options.engagement.fields(spec.source))))


def _everything(info: ObjectInfo) -> list[str]:
    return [
        field.name
        for field in info.fields.values()
        if field.type not in _NEVER_PULLED and field.name not in _LONG_TEXT
    ]
