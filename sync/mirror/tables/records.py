"""What the CRMs showed us: people, companies, deals, links, engagements, owners, what went, what was parked.

Times called `_ms` are epoch milliseconds by the CRM's clock, others epoch seconds; booleans are real
booleans; `raw` and `fields` are JSON text. `changed` is the round of matching that has to look at a row:
the one after the last that was finished when the row (or a link of it) last changed.
"""

from sqlalchemy import BigInteger, Index, Text, text
from sqlmodel import Field, SQLModel


class PersonRow(SQLModel, table=True):
    """One Lead, Contact or HubSpot contact; the columns of `PersonRecord`, then our own."""

    __tablename__ = "person_record"
    __table_args__ = (
        Index(
            "record_of_type",
            "crm",
            "object",
            "record_type",
            sqlite_where=text("record_type IS NOT NULL"),
            postgresql_where=text("record_type IS NOT NULL"),
        ),
    )

    crm: str = Field(primary_key=True)
    object: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    email: str | None = None
    additional_emails: str | None = Field(default=None, sa_type=Text)
    first_name: str | None = None
    last_name: str | None = None
    job_title: str | None = None
    company_name: str | None = None
    company_id: str | None = Field(default=None, index=True)
    company_size: int | None = Field(default=None, sa_type=BigInteger)
    industry: str | None = None
    country: str | None = None
    state: str | None = None
    city: str | None = None
    lead_source: str | None = None
    status: str | None = None
    lifecycle: str | None = None
    owner_id: str | None = None
    opted_out: bool | None = None
    record_type: str | None = None
    sf_lead_id: str | None = None
    sf_contact_id: str | None = None
    created_ms: int | None = Field(default=None, sa_type=BigInteger)
    modified_ms: int = Field(sa_type=BigInteger)
    version: str = ""
    fields: str = Field(default="{}", sa_type=Text)
    raw: str = Field(default="{}", sa_type=Text)
    # computed when stored, with the version of the rules that computed them
    email_key: str | None = None  # normalised address (its index is `match_key`)
    additional_keys: str | None = Field(default=None, sa_type=Text)  # JSON array, normalised, sorted
    email_domain: str | None = None
    seniority: int | None = None  # rank, scoring.titles.Seniority
    rules_version: int = 0
    founder_id: str = ""  # the id of a person that this record founds
    # our own
    gone: bool = Field(default=False)  # a tombstone exists: not live any more
    changed: int = Field(default=0, index=True)
    first_seen: int = Field(default=0, sa_type=BigInteger)


class CompanyRow(SQLModel, table=True):
    """One Account or HubSpot company; the columns of `CompanyRecord`, then our own."""

    __tablename__ = "company_record"

    crm: str = Field(primary_key=True)
    object: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    name: str | None = None
    domain: str | None = None
    company_size: int | None = Field(default=None, sa_type=BigInteger)
    industry: str | None = None
    country: str | None = None
    state: str | None = None
    city: str | None = None
    owner_id: str | None = None
    created_ms: int | None = Field(default=None, sa_type=BigInteger)
    modified_ms: int = Field(sa_type=BigInteger)
    version: str = ""
    fields: str = Field(default="{}", sa_type=Text)
    raw: str = Field(default="{}", sa_type=Text)
    gone: bool = Field(default=False)
    changed: int = Field(default=0, index=True)


class DealRow(SQLModel, table=True):
    """One Opportunity or HubSpot deal; the columns of `DealRecord`, then our own."""

    __tablename__ = "deal_record"

    crm: str = Field(primary_key=True)
    object: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    name: str | None = None
    stage: str | None = None
    is_closed: bool = False
    is_won: bool = False
    amount: float | None = None
    company_id: str | None = None
    created_ms: int | None = Field(default=None, sa_type=BigInteger)
    closed_ms: int | None = Field(default=None, sa_type=BigInteger)
    modified_ms: int = Field(sa_type=BigInteger)
    version: str = ""
    fields: str = Field(default="{}", sa_type=Text)
    raw: str = Field(default="{}", sa_type=Text)
    gone: bool = Field(default=False)
    changed: int = Field(default=0, index=True)


class LinkRow(SQLModel, table=True):
    """One association of two records of one CRM (`Link`)."""

    __tablename__ = "link"
    __table_args__ = (Index("link_to", "crm", "to_object", "to_id"),)

    crm: str = Field(primary_key=True)
    from_object: str = Field(primary_key=True)
    from_id: str = Field(primary_key=True)
    to_object: str = Field(primary_key=True)
    to_id: str = Field(primary_key=True)
    types: str = ""
    is_primary: bool = False


class EngagementRow(SQLModel, table=True):
    """One engagement (`EngagementRecord`), with the person it was resolved to."""

    __tablename__ = "engagement"
    __table_args__ = (
        Index("engagement_of_person", "person_id", "kind", "occurred_at", info={"only": "postgresql"}).ddl_if(
            dialect="postgresql"
        ),
        # scoring passes over most page views by their asset alone; PostgreSQL has no index over long texts
        Index(
            "engagement_to_score",
            "person_id",
            "kind",
            "occurred_at",
            "asset",
            sqlite_where=text("person_id IS NOT NULL"),
            info={"only": "sqlite"},
        ).ddl_if(dialect="sqlite"),
        Index("engagement_by_record", "crm", "person_object", "person_record_id"),
        Index("engagement_by_email", "email_key"),
    )

    crm: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    person_object: str | None = None
    person_record_id: str | None = None
    person_email: str | None = None
    kind: str
    asset: str | None = Field(default=None, sa_type=Text)
    occurred_at: int | None = Field(default=None, sa_type=BigInteger)
    is_bot: bool = False
    deleted: bool = False
    modified_ms: int = Field(default=0, sa_type=BigInteger)
    raw: str = Field(default="{}", sa_type=Text)
    # our own
    asset_key: str | None = Field(default=None, sa_type=Text)  # normalised asset
    email_key: str | None = None
    rules_version: int = 0
    changed: int = Field(default=0, index=True)
    first_seen: int = Field(default=0, sa_type=BigInteger)
    person_id: str | None = None  # resolved by matching; None until then


class OwnerRow(SQLModel, table=True):
    """Who may own records (`Owner`)."""

    __tablename__ = "owner"

    crm: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    email: str | None = None
    name: str | None = None
    kind: str = "person"
    active: bool = True
    email_key: str | None = Field(default=None, index=True)


class TombstoneRow(SQLModel, table=True):
    """A record that went, why, and where to."""

    __tablename__ = "tombstone"
    __table_args__ = (Index("tombstone_to", "crm", "to_object", "to_id"),)

    crm: str = Field(primary_key=True)
    object: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    reason: str
    at_ms: int = Field(sa_type=BigInteger)
    to_object: str | None = None
    to_id: str | None = None
    changed: int = Field(default=0, index=True)


class ParkedRow(SQLModel, table=True):
    """A row of a CRM that could not be read, with the reason."""

    __tablename__ = "parked_record"  # a row without an id is kept under "?" and a hash of it

    crm: str = Field(primary_key=True)
    object: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    reason: str = Field(sa_type=Text)
    raw: str = Field(sa_type=Text)
    since: int = Field(sa_type=BigInteger)
    attempts: int = 1


class EmailDomainRow(SQLModel, table=True):
    """What kind of e-mail domain a domain is, computed when one of its addresses is first stored."""

    __tablename__ = "email_domain"

    domain: str = Field(primary_key=True)
    student: bool = False
    free_mail: bool = False
    disposable: bool = False
    rules_version: int = 0


class SweepIdRow(SQLModel, table=True):
    """An id that the CRM listed in the sweep under way; empty between sweeps."""

    __tablename__ = "sweep_id"

    crm: str = Field(primary_key=True)
    object: str = Field(primary_key=True)
    id: str = Field(primary_key=True)


class ListMemberRow(SQLModel, table=True):
    """Who is in a list of a CRM, as last read: what the next reading is compared with."""

    __tablename__ = "list_member"

    crm: str = Field(primary_key=True)
    list_id: str = Field(primary_key=True)
    record_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    joined_ms: int = Field(sa_type=BigInteger)
