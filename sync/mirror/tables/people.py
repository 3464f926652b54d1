"""Who the records are: people, their records, and the keys by which records meet."""

from sqlalchemy import BigInteger, Index, Text, text
from sqlmodel import Field, SQLModel


class Person(SQLModel, table=True):
    """One human, with the facts that the model reads (by `mapping.precedence`)."""

    __tablename__ = "person"
    __table_args__ = (
        Index(
            "person_ambiguous",
            "person_id",
            sqlite_where=text("ambiguous"),
            postgresql_where=text("ambiguous"),
        ),
    )

    person_id: str = Field(primary_key=True)  # made from the founding record
    founding_crm: str
    founding_object: str
    founding_id: str
    ambiguous: bool = False
    ambiguous_why: str | None = None  # the candidates, as JSON
    email: str | None = None  # primary address: the one that its records share, else the first
    emails: str = Field(default="[]", sa_type=Text)  # JSON array, normalised
    email_domain: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    company: str | None = None
    company_size: int | None = Field(default=None, sa_type=BigInteger)
    industry: str | None = None
    country: str | None = None
    state: str | None = None
    city: str | None = None
    lead_source: str | None = None
    job_title: str | None = None
    seniority: int | None = None
    student_domain: bool = False  # e-mail domain classes, computed in Python when stored
    free_mail: bool = False
    disposable: bool = False
    fields: str = Field(default="{}", sa_type=Text)  # JSON: mapped custom facts
    crm_stage: str = "lead"  # stage by CRM evidence alone
    crm_mql: bool = False  # the CRMs call this person an MQL
    rejected_reason: str | None = None
    stage: str = "lead"  # CRM evidence plus open spell
    score_round: int = Field(default=1, index=True)  # the round of scoring that has to look at the person


class PersonMember(SQLModel, table=True):
    """Which person a live record belongs to."""

    __tablename__ = "person_member"
    __table_args__ = (Index("member_of", "person_id"),)

    crm: str = Field(primary_key=True)
    object: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    person_id: str
    evidence: str = ""  # "alone", "native_link", "email", "confirmed", ...


class PersonFormer(SQLModel, table=True):
    """Which person a record belonged to when it went: whatever it comes back as inherits the person's id.

    `survives`: it went into a live record, so what it did is still that person's.
    """

    __tablename__ = "person_former"
    __table_args__ = (Index("former_of", "person_id"),)

    crm: str = Field(primary_key=True)
    object: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    person_id: str
    survives: bool = False


class PersonAlias(SQLModel, table=True):
    """An earlier person id that now means another person."""

    __tablename__ = "person_alias"

    alias: str = Field(primary_key=True)
    person_id: str = Field(index=True)


class MatchKey(SQLModel, table=True):
    """One thing by which a live record may meet another: `email:…`, or `salesforce:Lead:…` (15 characters)
    for the record itself, what went into it, and what links to it."""

    __tablename__ = "match_key"
    __table_args__ = (Index("key_of_record", "crm", "object", "id"),)

    key: str = Field(primary_key=True)
    crm: str = Field(primary_key=True)
    object: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    additional: bool = False  # from an additional e-mail


class RecordApart(SQLModel, table=True):
    """An administrator's word that a record is not to count as the person that its keys say.

    It holds while the record `kept_…`, which does count, is alive.
    """

    __tablename__ = "record_apart"

    crm: str = Field(primary_key=True)
    object: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    kept_crm: str
    kept_object: str
    kept_id: str
    reason: str = Field(default="", sa_type=Text)
    by: str = ""
    at: int = Field(default=0, sa_type=BigInteger)
