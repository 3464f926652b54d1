"""Models, scores with their parts, and spells. Points are thousandths, as integers."""

from sqlalchemy import BigInteger, Index, Text, text
from sqlmodel import Field, SQLModel


class ModelVersion(SQLModel, table=True):
    """A published model: its text never changes."""

    __tablename__ = "model_version"

    name: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    hash: str
    text: str = Field(sa_type=Text)
    status: str
    published_at: int = Field(sa_type=BigInteger)


class Score(SQLModel, table=True):
    """A person's score under one model."""

    __tablename__ = "score"
    __table_args__ = (
        Index(
            "score_due",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
    )

    person_id: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    version: int
    model_hash: str
    total: int = Field(sa_type=BigInteger)
    fit: int = Field(sa_type=BigInteger)
    engagement: int = Field(sa_type=BigInteger)
    grade: str
    suppressed: str | None = None  # the reason
    shown: bool = False  # the one that is shown: of the first live model that applies to the person
    eligible: bool = False  # applies_to, segment, required fields, not suppressed
    over_enter: bool = False  # total and both minimums
    fast_track: str | None = None  # id of the first fast track that holds
    under_leave: bool = False
    as_of: int = Field(sa_type=BigInteger)
    known_at: int = Field(sa_type=BigInteger)
    due_at: int | None = Field(default=None, sa_type=BigInteger)  # time alone may change the score then


class Unshown(SQLModel, table=True):
    """A person of whom some record may show another score or grade than their own."""

    __tablename__ = "unshown"

    person_id: str = Field(primary_key=True)


class ScoreHit(SQLModel, table=True):
    """One part of a score; the parts of a person always add up to the total."""

    __tablename__ = "score_hit"

    person_id: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    rule: str = Field(primary_key=True)  # rule id, or "limit:GROUP_OR_AXIS"
    axis: str
    group: str | None = None
    points: int = Field(sa_type=BigInteger)
    count: int
    first_at: int | None = Field(default=None, sa_type=BigInteger)
    last_at: int | None = Field(default=None, sa_type=BigInteger)
    sources: str = ""  # comma-separated CRMs


class Spell(SQLModel, table=True):
    """One uninterrupted time as an MQL."""

    __tablename__ = "spell"
    __table_args__ = (
        Index(
            "one_open_spell",
            "model",
            "person_id",
            unique=True,
            sqlite_where=text("left_at IS NULL"),
            postgresql_where=text("left_at IS NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    person_id: str = Field(index=True)
    model: str
    version: int
    model_hash: str
    entered_at: int = Field(sa_type=BigInteger)
    entered_by: str  # "threshold", "fast_track:ID", "crm"
    left_at: int | None = Field(default=None, sa_type=BigInteger)
    left_why: str | None = None
    stage_before: str | None = None  # what the CRMs said when it was opened, as long as they go on saying so
    snapshot: str = Field(default="{}", sa_type=Text)  # hits, facts and hash it was decided on


class SpellReading(SQLModel, table=True):
    """One look a day at every open spell, for leaving."""

    __tablename__ = "spell_reading"

    spell_id: str = Field(primary_key=True)
    day: int = Field(primary_key=True)  # whole UTC days since 1970
    below: bool


class PersonOverride(SQLModel, table=True):
    """An administrator's word about a person, over the model's and the CRMs', until it ends."""

    __tablename__ = "person_override"
    __table_args__ = (
        Index(
            "one_override",
            "person_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    person_id: str = Field(index=True)
    verdict: str  # "mql", "not_mql", "stage"
    stage: str | None = None  # for "stage": what the CRMs are taken to say
    reason: str = Field(sa_type=Text)
    by: str
    at: int = Field(sa_type=BigInteger)
    until: int = Field(sa_type=BigInteger)
    ended_at: int | None = Field(default=None, sa_type=BigInteger)
    ended_why: str | None = None  # "expired", "cleared", "replaced", "merged"
