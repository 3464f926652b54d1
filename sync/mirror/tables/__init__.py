"""The schema, once: one file a family of tables."""

from sync.mirror.tables.outbox import Approval, Intent, PauseRow, Plan, PlanItem, Turn, VerifiedValue
from sync.mirror.tables.people import MatchKey, Person, PersonAlias, PersonFormer, PersonMember, RecordApart
from sync.mirror.tables.privacy import DataCopy, ErasedMark
from sync.mirror.tables.records import (
    CompanyRow,
    DealRow,
    EmailDomainRow,
    EngagementRow,
    LinkRow,
    OwnerRow,
    ParkedRow,
    PersonRow,
    SweepIdRow,
    TombstoneRow,
)
from sync.mirror.tables.routing import HandOff, RefusedOwner, UnroutedRecord
from sync.mirror.tables.runs import (
    AuditDetail,
    AuditRow,
    BudgetRow,
    FeedCursor,
    LeaseRow,
    Meta,
    RequestRow,
    Run,
)
from sync.mirror.tables.scores import ModelVersion, PersonOverride, Score, ScoreHit, Spell, SpellReading

__all__ = [
    "Approval",
    "AuditDetail",
    "AuditRow",
    "BudgetRow",
    "CompanyRow",
    "DataCopy",
    "DealRow",
    "EmailDomainRow",
    "EngagementRow",
    "ErasedMark",
    "FeedCursor",
    "HandOff",
    "Intent",
    "LeaseRow",
    "LinkRow",
    "MatchKey",
    "Meta",
    "ModelVersion",
    "OwnerRow",
    "ParkedRow",
    "PauseRow",
    "Person",
    "PersonAlias",
    "PersonFormer",
    "PersonMember",
    "PersonOverride",
    "PersonRow",
    "Plan",
    "PlanItem",
    "RecordApart",
    "RefusedOwner",
    "RequestRow",
    "Run",
    "Score",
    "ScoreHit",
    "Spell",
    "SpellReading",
    "SweepIdRow",
    "TombstoneRow",
    "Turn",
    "UnroutedRecord",
    "VerifiedValue",
]
