"""Which objects are pulled, as feeds, and which fields are asked of each.

Only fields that describe shows are asked for: a standard field may be hidden from us, and an object may
have been switched off. What the configuration maps must exist; what it merely writes to need not (the
configuration check names that).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.errors import NotOffered
from connectors.mapping import SOURCES, source_of
from connectors.options import PullOptions
from connectors.records import Feed, FeedKind
from connectors.salesforce import records
from connectors.salesforce.http import CRM
from connectors.salesforce.people import PERSON_FACTS
from connectors.salesforce.schema import ObjectInfo, Schema
from connectors.salesforce.windows import STAMP

_NEVER_PULLED: Final = frozenset({"address", "location", "base64"})
"""Types that a query cannot give as one value, or that are documents."""

_LISTS: Final = frozenset({"JunctionIdList", "junctionidlist", "complexvalue", "anyType"})
"""Types that no Bulk query gives."""

_LONG_TEXT: Final = frozenset({"Description", "TextBody", "HtmlBody", "Headers"})
"""Bodies: never pulled unless a mapping names them."""

_BODIES: Final = frozenset({"TextBody", "HtmlBody", "Headers"})
"""Never pulled, whatever names them."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One object that is pulled. `where` narrows it; `in_bin`: deleted rows can be asked for. `stamp`: the
    field that moves with a row; rows of history are made once and have no SystemModstamp.
    """

    object: str
    kind: FeedKind
    optional: bool = False
    source: str = ""  # of engagements
    where: str = ""
    in_bin: bool = True
    deletions: bool = True  # hard deletes are asked for by getDeleted
    stamp: str = STAMP

    @property
    def swept(self) -> bool:
        """Whether a full pass compares all ids with ours; history is kept for some months only."""
        return self.deletions and self.stamp == STAMP

    @property
    def feed(self) -> Feed:
        """The feed of its changes."""
        return Feed(f"{CRM}.{self.object}", CRM, self.object, self.kind, self.optional, self.swept)

    @property
    def deletion_feed(self) -> Feed:
        """The feed of what was deleted for good."""
        return Feed(f"{CRM}.{self.object}.deleted", CRM, self.object, FeedKind.DELETIONS, optional=True)

    def refresh_feed(self, every: int) -> Feed:
        """The feed of what is read again for its formula fields, once in so many seconds."""
        name = f"{CRM}.{self.object}.calculated"
        return Feed(name, CRM, self.object, self.kind, optional=True, every=every)


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

EMAIL_MESSAGES: Final = Spec(
    "EmailMessage", FeedKind.ENGAGEMENTS, optional=True, source=records.EMAIL_MESSAGE
)
"""Pulled only where the configuration says so."""

HISTORIES: Final = tuple(
    Spec(f"{parent}History", FeedKind.ENGAGEMENTS, optional=True, source=source, stamp="CreatedDate")
    for parent, source in (("Lead", "salesforce.lead_history"), ("Contact", "salesforce.contact_history"))
)
"""Who changed which tracked field when: pulled where an engagement rule uses it."""

LINK_FIELDS: Final = ("Id", "SystemModstamp", "IsDeleted", "ContactId", "OpportunityId", "Role", "IsPrimary")
USER_FIELDS: Final = ("Id", "SystemModstamp", "Name", "Username", "Email", "IsActive", "UserType")
GROUP_FIELDS: Final = ("Id", "SystemModstamp", "Name", "DeveloperName", "Email", "Type")
PEOPLE_OF: Final = {
    "CampaignMember": ("ContactId", "LeadId"),
    "Task": ("WhoId",),
    "Event": ("WhoId",),
    "LeadHistory": ("LeadId",),
    "ContactHistory": ("ContactId",),
    "EmailMessage": tuple(dict.fromkeys((*records.INCOMING_FROM, *records.OUTGOING_TO))),
}
"""Which fields of an engagement name its person."""

REREAD: Final = (FeedKind.COMPANIES, FeedKind.PEOPLE, FeedKind.DEALS, FeedKind.ENGAGEMENTS)
"""Kinds of objects whose rows may hold what is calculated."""


def specs_of(options: PullOptions) -> dict[str, Spec]:
    """Every object that is pulled, in pulling order: the usual ones, histories, e-mails, custom objects."""
    found = {spec.object: spec for spec in SPECS}
    for spec in HISTORIES:
        on = options.of(f"{CRM}.{spec.object}").on
        if on or (on is None and options.engagement.uses(spec.source)):
            found[spec.object] = spec
    for name, chosen in options.objects.items():
        crm, _, object_name = name.partition(".")
        if crm == CRM and chosen.on and object_name not in found:
            custom = Spec(object_name, FeedKind.ENGAGEMENTS, optional=True, source=name)
            found[object_name] = EMAIL_MESSAGES if object_name == EMAIL_MESSAGES.object else custom
    return found


def all_feeds(specs: Iterable[Spec], refresh: int) -> list[Feed]:
    """Every feed, in pulling order; `refresh`: seconds between two readings for formula fields, 0: none."""
    kinds, found = list(FeedKind), list[Feed]()
    for spec in specs:
        found.append(spec.feed)
        if refresh and spec.kind in REREAD:
            found.append(spec.refresh_feed(refresh))
        if spec.deletions:
            found.append(spec.deletion_feed)
    return sorted(found, key=lambda feed: kinds.index(feed.kind))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of one object in this pass. `paths`: what an engagement rule may look at; `people`: what
    names an engagement's person; `calculated`: the formula fields among what something uses.
    """

    spec: Spec
    fields: tuple[str, ...]
    paths: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    calculated: tuple[str, ...] = ()


def make_plan(spec: Spec, schema: Schema, options: PullOptions) -> Plan:
    """Choose the fields. Raises NotOffered naming the object, or a mapped field that is not there."""
    info = schema.describe(spec.object)
    mapped = options.mapped.get(spec.object, {})
    for path in mapped.values():
        _insist(schema, spec, path)
    paths, people = _engagement_paths(spec, schema, options), _people_paths(spec, schema, options)
    wanted = [*_standard(spec), *mapped.values(), *options.also.get(spec.object, ()), *paths, *people]
    status = options.status_field.get(spec.object)
    if status:
        wanted.append(status)
    used = schema.existing(spec.object, wanted)
    if options.everything(f"{CRM}.{spec.object}") and spec.kind in REREAD:
        wanted += _everything(info, spec)
    fields = schema.existing(spec.object, wanted)
    for needed in ("Id", spec.stamp):
        if needed not in fields:
            what = f"{spec.object}.{needed}"
            raise NotOffered(f"{what} cannot be read", what=what, crm=CRM)
    calculated = tuple(path for path in used if schema.is_calculated(spec.object, path))
    return Plan(spec, fields, tuple(path for path in paths if path in fields), people, calculated)


def _insist(schema: Schema, spec: Spec, path: str) -> None:
    if not schema.has_path(spec.object, path):
        what = f"{spec.object}.{path}"
        raise NotOffered(f"the org has no field {what}, or we may not see it", what=what, crm=CRM)


def _standard(spec: Spec) -> Sequence[str]:
    stamps = (*records.STAMPS, *records.GONE_FIELDS.get(spec.object, ()))
    if spec.kind is FeedKind.PEOPLE:
        return (*stamps, *PERSON_FACTS[spec.object].values())
    if spec.kind is FeedKind.COMPANIES:
        return (*stamps, *records.COMPANY_FACTS.values())
    if spec.kind is FeedKind.DEALS:
        return (*stamps, *records.DEAL_FIELDS)
    if spec.kind is FeedKind.LINKS:
        return LINK_FIELDS
    if spec.kind is FeedKind.OWNERS:
        return USER_FIELDS if spec.object == "User" else GROUP_FIELDS
    return (*stamps, "IsChild") if spec.object == "Event" else stamps


def _engagement_paths(spec: Spec, schema: Schema, options: PullOptions) -> tuple[str, ...]:
    """What the engagement rules look at; what those of a custom object name must be there."""
    if not spec.source:
        return ()
    named = [path for path in options.engagement.fields(spec.source) if path not in _BODIES]
    known = source_of(spec.source).fields
    if spec.source not in SOURCES:
        for path in named:
            if path not in known:
                _insist(schema, spec, path)
    return tuple(dict.fromkeys((*known, *named)))


def _people_paths(spec: Spec, schema: Schema, options: PullOptions) -> tuple[str, ...]:
    """What names the person of an engagement: as configured, else every look-up to Contact, then to Lead."""
    if not spec.source:
        return ()
    if spec.object in PEOPLE_OF:
        return schema.existing(spec.object, PEOPLE_OF[spec.object])
    named = options.of(f"{CRM}.{spec.object}").people
    for path in named:
        _insist(schema, spec, path)
    if named:
        return named
    fields = schema.describe(spec.object).fields.values()
    found = [field.name for to in ("Contact", "Lead") for field in fields if to in field.refers_to]
    if not found:
        what = f"a look-up of {spec.object} to Contact or Lead"
        raise NotOffered(f"the org has no {what}; name one as its `people`", what=what, crm=CRM)
    return tuple(dict.fromkeys(found))


def _everything(info: ObjectInfo, spec: Spec) -> list[str]:
    """Every readable field; of activities and messages none that may be their body."""
    kept = _NEVER_PULLED if spec.kind is not FeedKind.ENGAGEMENTS else _NEVER_PULLED | {"textarea"}
    return [
        field.name
        for field in info.fields.values()
        if field.type not in kept | _LISTS and field.name not in _LONG_TEXT
    ]
