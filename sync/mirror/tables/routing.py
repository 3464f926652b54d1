"""Owner routing beside the turns: who was refused, what got no owner, and the clock of each hand-off."""

from sqlalchemy import BigInteger, CheckConstraint, Text
from sqlmodel import Field, SQLModel


class RefusedOwner(SQLModel, table=True):
    """An owner that a CRM did not take in one run: not chosen again in that run."""

    __tablename__ = "refused_owner"

    run_id: str = Field(primary_key=True)
    crm: str = Field(primary_key=True)
    owner_id: str = Field(primary_key=True)
    code: str = ""
    at: int = Field(sa_type=BigInteger)


class UnroutedRecord(SQLModel, table=True):
    """A record of an MQL that got no owner at the last decision, and why."""

    __tablename__ = "unrouted_record"

    crm: str = Field(primary_key=True)
    object: str = Field(primary_key=True)
    record_id: str = Field(primary_key=True)
    person_id: str = Field(index=True)
    reason: str = Field(sa_type=Text)
    at: int = Field(sa_type=BigInteger)


class HandOff(SQLModel, table=True):
    """One spell handed to sales: since when, to whom, until when somebody should have acted, and who did."""

    __tablename__ = "hand_off"

    spell_id: str = Field(primary_key=True)
    person_id: str = Field(index=True)
    owner: str | None = None  # the human's address; None: a queue, or nobody known
    started_at: int = Field(sa_type=BigInteger)  # when the first owner or status was verified
    due_at: int | None = Field(default=None, sa_type=BigInteger)  # None: the model names no time
    touched_at: int | None = Field(default=None, sa_type=BigInteger)
    touched_by: str | None = None  # "status", or the kind of engagement
    judged: str | None = Field(default=None, sa_type=Text)  # statuses already found to be no touch, JSON
    closed_at: int | None = Field(default=None, sa_type=BigInteger)  # the spell ended
    earlier: str | None = Field(default=None, sa_type=Text)  # owners who let it lie, with their times, JSON


class HandOffTask(SQLModel, table=True):
    """The one task or note of a spell in a CRM, written down before it is sent.

    planned ──▶ sent ──▶ done | parked (refused) · sent ──▶ unsure (no answer) ──▶ done (found) | planned
    planned ──▶ dropped (somebody acted, or the spell is over) · parked ──▶ planned (retry) | dropped (skip)
    """

    __tablename__ = "hand_off_task"
    __table_args__ = (
        CheckConstraint(
            "state IN ('planned','sent','unsure','done','parked','dropped')", name="hand_off_task_state"
        ),
    )

    spell_id: str = Field(primary_key=True)
    crm: str = Field(primary_key=True)
    person_id: str = Field(index=True)
    object: str
    record_id: str
    kind: str  # "task" or "note"
    owner_id: str | None = None
    subject: str = Field(sa_type=Text)
    body: str = Field(sa_type=Text)  # emptied once it is over
    mark: str
    due_at: int = Field(sa_type=BigInteger)
    due_day: str
    state: str = Field(index=True)
    code: str | None = None
    message: str | None = Field(default=None, sa_type=Text)
    task_id: str | None = None
    attempts: int = 0
    epoch: int = 0  # lease epoch that sent it
    created_at: int = Field(sa_type=BigInteger)
    next_at: int | None = Field(default=None, sa_type=BigInteger)  # not before
    done_at: int | None = Field(default=None, sa_type=BigInteger)
