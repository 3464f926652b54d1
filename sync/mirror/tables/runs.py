"""Runs, cursors, the lease, budgets, the audit chain and a few facts about the mirror itself."""

from sqlalchemy import BigInteger, CheckConstraint, Text
from sqlmodel import Field, SQLModel


class Run(SQLModel, table=True):
    """One pass of the pipeline, with counts that add up."""

    __tablename__ = "run"

    id: str = Field(primary_key=True)
    kind: str  # "sync", "resync", "apply", "approve", ...
    started_at: int = Field(sa_type=BigInteger, index=True)
    finished_at: int | None = Field(default=None, sa_type=BigInteger)
    outcome: str | None = None  # ok, partial, deferred, blocked, failed; None: under way or killed
    report: str = Field(default="{}", sa_type=Text)  # the JSON of `sync --json`


class FeedCursor(SQLModel, table=True):
    """How far a feed is stored (`connectors.records.Cursor` as JSON)."""

    __tablename__ = "feed_cursor"

    feed: str = Field(primary_key=True)
    crm: str
    cursor: str = Field(sa_type=Text)
    stored_at: int = Field(sa_type=BigInteger)
    completed_at: int | None = Field(default=None, sa_type=BigInteger)  # last time the feed was finished
    row_hash: int | None = Field(default=None, sa_type=BigInteger)  # set by the database, see `rowhash`


class LeaseRow(SQLModel, table=True):
    """Who may write; the epoch grows with every holder."""

    __tablename__ = "lease"

    name: str = Field(primary_key=True)
    holder: str
    epoch: int
    expires_at: int = Field(sa_type=BigInteger)


class RequestRow(SQLModel, table=True):
    """Something a command asks the daemon to do, and what became of it (see `sync.mirror.requests`)."""

    __tablename__ = "request"
    __table_args__ = (CheckConstraint("state IN ('waiting', 'taken', 'done', 'broken')"),)

    id: str = Field(primary_key=True)
    kind: str  # "sync", "resync", "approve", "apply", ...
    arguments: str = Field(default="{}", sa_type=Text)  # JSON
    asked_by: str
    asked_at: int = Field(sa_type=BigInteger, index=True)
    expires_at: int = Field(sa_type=BigInteger)  # nobody takes it from then on
    state: str = "waiting"
    lease_epoch: int | None = None  # of the daemon that took it
    progress: str | None = Field(default=None, sa_type=Text)  # JSON: what, done, total
    finished_at: int | None = Field(default=None, sa_type=BigInteger)
    exit_code: int | None = None
    answer: str | None = Field(default=None, sa_type=Text)  # JSON of the command, or of the error's sentences


class BudgetRow(SQLModel, table=True):
    """The day's calls of one account as last heard."""

    __tablename__ = "budget"

    crm: str = Field(primary_key=True)
    used: int | None = Field(default=None, sa_type=BigInteger)
    limit: int | None = Field(default=None, sa_type=BigInteger)
    ours: int = Field(default=0, sa_type=BigInteger)
    day: str = ""  # the day `ours` counts, UTC
    heard_at: int = Field(default=0, sa_type=BigInteger)
    spent_until: int | None = Field(default=None, sa_type=BigInteger)


class AuditRow(SQLModel, table=True):
    """What was done to the CRMs and by whom: append-only, each row hashes the one before.

    It names nobody: `subject` is a keyed pseudonym, `detail` the SHA-256 of the salted words in
    `audit_detail`, whose rows may go without a trace in the chain.
    """

    __tablename__ = "audit"

    n: int | None = Field(default=None, primary_key=True)
    at: int = Field(sa_type=BigInteger)
    run_id: str
    actor: str
    action: str
    subject: str
    detail: str = Field(default="{}", sa_type=Text)
    previous: str
    hash: str
    row_hash: int | None = Field(default=None, sa_type=BigInteger)  # set by the database, see `rowhash`


class AuditDetail(SQLModel, table=True):
    """What an audit row is about, in plain words, as long as it is kept."""

    __tablename__ = "audit_detail"

    n: int = Field(primary_key=True)
    subject: str = Field(index=True)
    detail: str = Field(default="{}", sa_type=Text)
    salt: str = ""


class Meta(SQLModel, table=True):
    """Facts about this mirror: first set up, skew, identities, restore epoch."""

    __tablename__ = "meta"

    key: str = Field(primary_key=True)
    value: str = Field(sa_type=Text)
