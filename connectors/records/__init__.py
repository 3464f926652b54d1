"""Canonical types: what every CRM's rows look like once they are inside. Frozen, no ORM."""

from connectors.records.deals import DealRecord, Link, LinkSet
from connectors.records.engagements import Dismissed, EngagementRecord, ListPart
from connectors.records.pages import Cursor, Feed, FeedKind, Page
from connectors.records.people import CompanyRecord, Owner, PersonRecord
from connectors.records.refs import Crm, GoneReason, Poison, RecordRef, Tombstone
from connectors.records.tasks import MARK, NewTask
from connectors.records.writes import (
    WARNING,
    Author,
    Capabilities,
    FieldVersion,
    Identity,
    Limits,
    Live,
    Offered,
    Outcome,
    OutcomeKind,
    RefusalClass,
    Write,
)

__all__ = [
    "MARK",
    "WARNING",
    "Author",
    "Capabilities",
    "CompanyRecord",
    "Crm",
    "Cursor",
    "DealRecord",
    "Dismissed",
    "EngagementRecord",
    "Feed",
    "FeedKind",
    "FieldVersion",
    "GoneReason",
    "Identity",
    "Limits",
    "Link",
    "LinkSet",
    "ListPart",
    "Live",
    "NewTask",
    "Offered",
    "Outcome",
    "OutcomeKind",
    "Owner",
    "Page",
    "PersonRecord",
    "Poison",
    "RecordRef",
    "RefusalClass",
    "Tombstone",
    "Write",
]
