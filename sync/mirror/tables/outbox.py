"""The outbox: what was decided, what became of it, and what may go out.

queued ──approve──▶ (queued) ──late decision──▶ sent ──read back──▶ verified
  │                                             │ └─ no answer ──▶ unsure ──read back──▶ verified, queued
  ├─ limit ──▶ awaiting_approval ──approve──▶ queued         ├─ 412 ×3 ──▶ conflict
  ├─ a person just touched it ──▶ quiet ──time──▶ queued     └─ refused ──▶ parked
  └─ newer intent, human changed it, moved, not needed ──▶ superseded

A lifecycle stage goes back in two steps, each sent and read back: sent (step clear) ──▶ queued (cleared)
──▶ sent (set) ──▶ verified.
"""

from sqlalchemy import BigInteger, CheckConstraint, Index, Text
from sqlmodel import Field, SQLModel

WAITING_STATES = ("queued", "awaiting_approval", "quiet", "sent", "unsure")
END_STATES = ("verified", "conflict", "parked", "superseded")


class Intent(SQLModel, table=True):
    """One decided change of one field of one record."""

    __tablename__ = "intent"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued','awaiting_approval','quiet','sent','unsure',"
            "'verified','conflict','parked','superseded')",
            name="intent_state",
        ),
        Index("intent_by_record", "crm", "object", "record_id"),
        Index("intent_by_state", "state"),
    )

    id: str = Field(primary_key=True)
    run_id: str = Field(index=True)  # the run that decided it
    person_id: str = Field(index=True)
    spell_id: str | None = None
    crm: str
    object: str
    record_id: str
    purpose: str  # "status", "stage", "owner", "score", "grade", "reason", "mql_date"
    field: str
    policy: str
    base_value: str | None = Field(default=None, sa_type=Text)
    desired_value: str | None = Field(default=None, sa_type=Text)
    reason: str = Field(sa_type=Text)
    state: str
    why: str | None = None  # why it is in that state, one word: "human", "overridden_by_automation", ...
    code: str | None = None  # the CRM's code when refused
    message: str | None = Field(default=None, sa_type=Text)
    attempts: int = 0
    base_version: str | None = None  # the record version the write was conditional on
    base_ms: int | None = Field(default=None, sa_type=BigInteger)  # the record's modification time then
    verified_version: str | None = None  # the echo key
    verified_at_ms: int | None = Field(default=None, sa_type=BigInteger)
    epoch: int = 0  # lease epoch that sent it
    plan_digest: str | None = Field(default=None, index=True)
    model_hash: str = ""
    created_at: int = Field(sa_type=BigInteger)
    sent_at: int | None = Field(default=None, sa_type=BigInteger)
    sent_ms: int | None = Field(default=None, sa_type=BigInteger)  # the same moment by the CRM's clock
    next_at: int | None = Field(default=None, sa_type=BigInteger)  # not before
    done_at: int | None = Field(default=None, sa_type=BigInteger)
    ended_run: str | None = Field(default=None, index=True)  # the run in which it reached an end state
    parent_id: str | None = None  # the intent it follows: repaired, moved to the survivor
    row_hash: int | None = Field(default=None, sa_type=BigInteger)  # set by the database, see `rowhash`
    step: str | None = None  # of a value that goes back in two steps: "clear", "cleared" (proved), "set"


class VerifiedValue(SQLModel, table=True):
    """What we last verified in a field: the base of `last_supplied` and of echo recognition."""

    __tablename__ = "verified_value"

    crm: str = Field(primary_key=True)
    object: str = Field(primary_key=True)
    record_id: str = Field(primary_key=True)
    field: str = Field(primary_key=True)
    value: str | None = Field(default=None, sa_type=Text)
    version: str = ""
    at_ms: int = Field(default=0, sa_type=BigInteger)
    intent_id: str | None = None


class Plan(SQLModel, table=True):
    """A saved list of intents that waits for somebody's word."""

    __tablename__ = "plan"

    digest: str = Field(primary_key=True)
    state: str  # "pending" (holds its intents back), "saved" (shown only), or over: approved, rejected, ...
    created_at: int = Field(sa_type=BigInteger)
    blocked_by: str = Field(default="[]", sa_type=Text)  # JSON array of reasons
    model_hash: str = ""
    mapping_hash: str = ""
    decided_at: int | None = Field(default=None, sa_type=BigInteger)


class PlanItem(SQLModel, table=True):
    """One line of a saved plan, frozen as it was shown."""

    __tablename__ = "plan_item"

    digest: str = Field(primary_key=True)
    intent_id: str = Field(primary_key=True, index=True)
    before: str | None = Field(default=None, sa_type=Text)
    after: str | None = Field(default=None, sa_type=Text)


class Approval(SQLModel, table=True):
    """A (model, mapping) whose first writing run somebody has approved."""

    __tablename__ = "approval"

    model_hash: str = Field(primary_key=True)
    mapping_hash: str = Field(primary_key=True)
    at: int = Field(sa_type=BigInteger)


class Turn(SQLModel, table=True):
    """One turn of a pool: reserved when planned, consumed when verified, returned otherwise."""

    __tablename__ = "turn"
    __table_args__ = (Index("turn_of_pool", "pool", "state"),)

    id: str = Field(primary_key=True)
    pool: str
    roster: str = ""  # who was eligible, as a hash: turns are counted among the same people
    member: str  # normalised e-mail
    person_id: str = Field(index=True)
    state: str  # "reserved", "consumed", "returned"
    at: int = Field(sa_type=BigInteger)


class PauseRow(SQLModel, table=True):
    """A part of write-back that somebody (or the circuit breaker) has paused."""

    __tablename__ = "pause"

    scope: str = Field(primary_key=True)  # "all", "salesforce", "salesforce.Lead", "salesforce.Lead.Status"
    reason: str
    by: str
    at: int = Field(sa_type=BigInteger)
