"""Rows → canonical records. Pure: a row in, a record, a tombstone or a `Poison` out.

The tables say which field of which object becomes which fact; a field that the org lacks is None.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from connectors.mapping import EngagementMapper
from connectors.records import (
    CompanyRecord,
    DealRecord,
    EngagementRecord,
    GoneReason,
    Owner,
    Poison,
    Tombstone,
)
from connectors.salesforce.http import CRM
from connectors.salesforce.reader import Row
from connectors.salesforce.values import as_int, as_str, as_text, at_path, id18, is_id, parse_ms

COMPANY_FACTS: Final[Mapping[str, str]] = {
    "name": "Name",
    "domain": "Website",
    "company_size": "NumberOfEmployees",
    "industry": "Industry",
    "country": "BillingCountry",
    "state": "BillingState",
    "city": "BillingCity",
    "owner_id": "OwnerId",
}

DEAL_FIELDS: Final = ("Name", "StageName", "IsClosed", "IsWon", "Amount", "AccountId", "CloseDate")

STAMPS: Final = ("Id", "CreatedDate", "LastModifiedDate", "SystemModstamp", "IsDeleted")
"""Asked of every object that has them."""

GONE_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Lead": ("MasterRecordId", "IsConverted", "ConvertedContactId", "ConvertedDate"),
    "Contact": ("MasterRecordId",),
    "Account": ("MasterRecordId",),
}

EMAIL_MESSAGE: Final = "salesforce.email_message"
INCOMING_FROM: Final = ("Activity.WhoId", "FromId", "FromAddress")
OUTGOING_TO: Final = ("Activity.WhoId", "ToAddress")
"""Which fields of an EmailMessage name the person (Object Reference, EmailMessage)."""

INTEGRATION_USERS: Final = frozenset({"AutomatedProcess", "CloudIntegrationUser", "Guest", "PlatformUser"})
"""`User.UserType` of users that are no people (Object Reference, User)."""


class BadRow(ValueError):
    """A row lacks what every record needs; the text says what."""


def poison(object_name: str, row: Row, reason: str) -> Poison:
    """A row that is parked with its reason."""
    record_id = row.fields.get("Id") if row.fields is not None else None
    return Poison(CRM, object_name, record_id if isinstance(record_id, str) else "", reason, row.raw)


def key_of(row: Row) -> tuple[int, str]:
    """(SystemModstamp in ms, Id): a row's place in the order of a feed. Raises BadRow."""
    if row.fields is None:
        raise BadRow("the row is no object")
    if row.problem:
        raise BadRow(row.problem)
    record_id = row.fields.get("Id")
    stamp = parse_ms(row.fields.get("SystemModstamp"))
    if not isinstance(record_id, str) or not record_id:
        raise BadRow("the row has no Id")
    if stamp is None:
        raise BadRow("the row has no SystemModstamp")
    return stamp, record_id


def tombstone(object_name: str, fields: Mapping[str, Any], at_ms: int) -> Tombstone | None:
    """What became of a row that is gone; None for a live one."""
    deleted = fields.get("IsDeleted") is True
    if not deleted and fields.get("IsConverted") is not True:
        return None
    record_id = str(fields["Id"])
    if deleted:
        master = fields.get("MasterRecordId")
        if isinstance(master, str) and master:
            reason = GoneReason.MERGED.value
            return Tombstone(CRM, object_name, record_id, reason, at_ms, object_name, master)
        return Tombstone(CRM, object_name, record_id, GoneReason.DELETED.value, at_ms)
    contact = fields.get("ConvertedContactId")
    to = ("Contact", contact) if isinstance(contact, str) and contact else (None, None)
    return Tombstone(CRM, object_name, record_id, GoneReason.CONVERTED.value, at_ms, *to)


def custom_fields(fields: dict[str, Any], mapped: Mapping[str, str]) -> str:
    """The mapped fields as JSON: name in the model → value as text, null when empty."""
    if not mapped:
        return "{}"
    values = {name: as_text(at_path(fields, path)) for name, path in mapped.items()}
    return json.dumps(values, ensure_ascii=False)


def company(row: Row, mapped: Mapping[str, str]) -> CompanyRecord:
    """An Account. Raises BadRow."""
    modified_ms, record_id = key_of(row)
    fields = row.fields or {}
    text = _texts(fields, COMPANY_FACTS)
    return CompanyRecord(
        crm=CRM,
        object="Account",
        id=record_id,
        name=text["name"],
        domain=domain_of(text["domain"]),
        company_size=as_int(fields.get(COMPANY_FACTS["company_size"])),
        industry=text["industry"],
        country=text["country"],
        state=text["state"],
        city=text["city"],
        owner_id=text["owner_id"],
        created_ms=parse_ms(fields.get("CreatedDate")),
        modified_ms=modified_ms,
        version=version_of(fields),
        fields=custom_fields(fields, mapped),
        raw=row.raw,
    )


def deal(row: Row, mapped: Mapping[str, str]) -> DealRecord:
    """An Opportunity. Raises BadRow."""
    modified_ms, record_id = key_of(row)
    fields = row.fields or {}
    amount = fields.get("Amount")
    return DealRecord(
        crm=CRM,
        object="Opportunity",
        id=record_id,
        name=as_str(fields.get("Name")),
        stage=as_str(fields.get("StageName")),
        is_closed=fields.get("IsClosed") is True,
        is_won=fields.get("IsWon") is True,
        amount=float(amount) if isinstance(amount, (int, float)) else None,
        company_id=as_str(fields.get("AccountId")),
        created_ms=parse_ms(fields.get("CreatedDate")),
        closed_ms=parse_ms(fields.get("CloseDate")) if fields.get("IsClosed") is True else None,
        modified_ms=modified_ms,
        version=version_of(fields),
        fields=custom_fields(fields, mapped),
        raw=row.raw,
    )


def engagement(
    source: str,
    row: Row,
    mapper: EngagementMapper | None,
    paths: tuple[str, ...],
    people: tuple[str, ...],
) -> tuple[EngagementRecord, bool]:
    """An engagement, and whether a rule made it one. Raises BadRow.

    A row that no rule takes (or with no mapper) comes back as deleted: it may have been an engagement before
    it changed. `people`: the fields that name whose it is.
    """
    modified_ms, record_id = key_of(row)
    fields = row.fields or {}
    values = {path: as_text(at_path(fields, path)) for path in paths}
    mapped = mapper.map(source, values) if mapper is not None else None
    time_ms = parse_ms(mapped.time) if mapped is not None else None
    person_object, person_id, email = _whose(source, fields, people)
    record = EngagementRecord(
        crm=CRM,
        source=source,
        id=record_id,
        person_object=person_object,
        person_id=person_id,
        person_email=email,
        kind=mapped.kind if mapped is not None else "none",
        asset=mapped.asset if mapped is not None else None,
        occurred_at=time_ms // 1000 if time_ms is not None else None,
        is_bot=False,
        deleted=mapped is None,
        modified_ms=modified_ms,
        raw=row.raw,
    )
    return record, mapped is not None


PERSON_PREFIXES: Final[Mapping[str, str]] = {"003": "Contact", "00Q": "Lead"}
"""First characters of an id → the object, as far as it is one of people."""


def _whose(
    source: str, fields: dict[str, Any], people: tuple[str, ...]
) -> tuple[str | None, str | None, str | None]:
    """(object, id, None) of the record that an engagement is of, or (None, None, address); else all None.

    An e-mail's is whom it came from or went to, whichever of them is outside.
    """
    if source == EMAIL_MESSAGE:
        people = INCOMING_FROM if fields.get("Incoming") is True else OUTGOING_TO
    for path in people:
        value = as_str(at_path(fields, path))
        if not value:
            continue
        if is_id(value):
            if (kind := PERSON_PREFIXES.get(value[:3])) is not None:
                return kind, id18(value), None
        elif "@" in value:
            return None, None, value.partition(";")[0].strip()
    return None, None, None


def owner_of_user(fields: Mapping[str, Any], our_user: str) -> Owner:
    """A User. Our own user and those of the system are integrations, everybody else a person."""
    kind = fields.get("UserType") in INTEGRATION_USERS or fields.get("Id") == our_user
    return Owner(
        crm=CRM,
        id=str(fields["Id"]),
        email=as_str(fields.get("Email")),
        name=as_str(fields.get("Name")) or as_str(fields.get("Username")),
        kind="integration" if kind else "person",
        active=fields.get("IsActive") is True,
    )


def owner_of_queue(fields: Mapping[str, Any]) -> Owner:
    """A Group of type Queue; queues cannot be switched off."""
    return Owner(
        crm=CRM,
        id=str(fields["Id"]),
        email=as_str(fields.get("Email")),
        name=as_str(fields.get("Name")) or as_str(fields.get("DeveloperName")),
        kind="queue",
        active=True,
    )


def domain_of(website: str | None) -> str | None:
    """The host of a website as people type it, without `www.`; None when there is none in it."""
    if website is None:
        return None
    text = website.strip()
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname
    except ValueError:
        return None
    if not host or "." not in host or " " in host:
        return None
    return host.removeprefix("www.")


def _texts(fields: dict[str, Any], facts: Mapping[str, str]) -> dict[str, str | None]:
    """The facts as text; "" is no fact."""
    found: dict[str, str | None] = {}
    known = fields.get
    for name, path in facts.items():
        value = known(path)
        if value is None and "." in path:
            value = at_path(fields, path)
        found[name] = value or None if value is None or value.__class__ is str else as_str(value)
    return found


def version_of(fields: Mapping[str, Any]) -> str:
    return str(fields.get("LastModifiedDate") or fields.get("SystemModstamp") or "")
