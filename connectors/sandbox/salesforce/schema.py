"""What a field and an object are, and how their values look.

Values are stored in their canonical form: text, bool, int/float, `2026-11-22` for dates and
`2026-11-22T07:35:32.000+0000` for date-times (REST API Developer Guide: whole seconds, always +0000),
18-character ids. A value that is not set is absent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

TEXTS = ("string", "textarea", "email", "phone", "url")
NUMBERS = ("int", "double", "currency", "percent")


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: str = "string"
    """id, string, textarea, email, phone, url, picklist, boolean, int, double, currency, percent, date,
    datetime, reference, address."""
    label: str = ""
    length: int = 0
    required: bool = False
    """Must be set when a record is made (nillable is false)."""
    writable: bool = True
    create_only: bool = False
    refers_to: tuple[str, ...] = ()
    relationship: str = ""
    values: tuple[str, ...] = ()
    restricted: bool = False
    default: Any = None
    external_id: bool = False
    compound: str = ""
    """The compound field this one is a part of (MailingAddress, Name)."""
    calculated: bool = False

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")


@dataclass(frozen=True, slots=True)
class ObjectType:
    name: str
    prefix: str
    fields: dict[str, Field]
    label: str = ""
    plural: str = ""
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    soft_delete: bool = True
    """False: rows vanish for good when deleted (junctions, history)."""
    owners: tuple[str, ...] = ()
    """What may own a record: User, Group."""
    lower: dict[str, str] = field(default_factory=dict)
    """Field names in lower case → as spelt."""

    def find(self, name: str) -> Field | None:
        """A field by name, whatever its case."""
        spelt = self.lower.get(name.lower())
        return self.fields[spelt] if spelt else None


def obj(
    name: str, prefix: str, fields: list[Field], without: tuple[str, ...] = (), **options: Any
) -> ObjectType:
    """An object type with the system fields that every object has, but those of `without`."""
    own = [*(one for one in SYSTEM if one.name not in without), *fields]
    every = {one.name: one if one.label else replace(one, label=_label(one.name)) for one in own}
    options.setdefault("label", _label(name))
    options.setdefault("plural", options["label"] + "s")
    return ObjectType(name, prefix, every, lower={one.lower(): one for one in every}, **options)


def _label(name: str) -> str:
    """`IsDeleted` → `Is Deleted`, `OwnerId` → `Owner ID`, `MQL_Score__c` → `MQL Score`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name.removesuffix("__c").replace("_", " "))
    return re.sub(r" Id$", " ID", words)


# -- short makers for the tables in objects.py -------------------------------------------------------------


def text(name: str, length: int = 255, **more: Any) -> Field:
    return Field(name, "string", length=length, **more)


def kind(name: str, type_name: str, **more: Any) -> Field:
    return Field(name, type_name, **more)


def pick(name: str, *values: str, **more: Any) -> Field:
    return Field(name, "picklist", length=255, values=values, **more)


def ref(name: str, *objects: str, relationship: str = "", **more: Any) -> Field:
    made = relationship or (name[:-3] + "__r" if name.endswith("__c") else name.removesuffix("Id"))
    return Field(name, "reference", length=18, refers_to=objects, relationship=made, **more)


def read_only(one: Field) -> Field:
    return replace(one, writable=False)


SYSTEM = [
    Field("Id", "id", "Record ID", 18, writable=False),
    Field("IsDeleted", "boolean", "Deleted", writable=False),
    Field("CreatedDate", "datetime", writable=False),
    Field(
        "CreatedById", "reference", length=18, writable=False, refers_to=("User",), relationship="CreatedBy"
    ),
    Field("LastModifiedDate", "datetime", writable=False),
    Field(
        "LastModifiedById",
        "reference",
        length=18,
        writable=False,
        refers_to=("User",),
        relationship="LastModifiedBy",
    ),
    Field("SystemModstamp", "datetime", writable=False),
]


# -- dates -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def stamp(seconds: int) -> str:
    """Whole epoch seconds as Salesforce writes a date-time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def parse_datetime(value: str) -> float:
    """Epoch seconds of an ISO 8601 date-time with a zone. Raises ValueError."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None or "T" not in value:
        raise ValueError(value)
    return moment.timestamp()


@lru_cache(maxsize=65536)
def seconds_of(canonical: str) -> int:
    """Whole epoch seconds of a stored date-time."""
    return int(parse_datetime(canonical))
