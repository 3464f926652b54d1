"""Who was erased, and what copies of personal data mqlsync has made."""

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel


class ErasedMark(SQLModel, table=True):
    """The salted tombstone of one record or address of an erased person: a keyed hash, nothing else."""

    __tablename__ = "erased_mark"

    mark: str = Field(primary_key=True)
    at: int = Field(sa_type=BigInteger)


class DataCopy(SQLModel, table=True):
    """A file with personal data that a command wrote: a backup, a list, an export of one person."""

    __tablename__ = "data_copy"

    id: str = Field(primary_key=True)
    kind: str  # "backup", "former", "people_csv", "privacy_export"
    path: str = Field(sa_type=Text)  # absolute
    at: int = Field(sa_type=BigInteger)
    person_id: str | None = Field(default=None, index=True)  # it is about this person alone
