"""Rows of Leads and Contacts → canonical records, a page at a time. Pure.

People are what there is most of, so a page of them is built column by column: one pass over the rows for each
fact, not a call for each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

from connectors.records import PersonRecord
from connectors.salesforce.http import CRM
from connectors.salesforce.reader import Row
from connectors.salesforce.records import custom_fields, version_of
from connectors.salesforce.values import as_int, as_str, as_text, at_path, parse_ms

PERSON_FACTS: Final[Mapping[str, Mapping[str, str]]] = {
    "Lead": {
        "email": "Email",
        "first_name": "FirstName",
        "last_name": "LastName",
        "job_title": "Title",
        "company_name": "Company",
        "company_size": "NumberOfEmployees",
        "industry": "Industry",
        "country": "Country",
        "state": "State",
        "city": "City",
        "lead_source": "LeadSource",
        "owner_id": "OwnerId",
        "opted_out": "HasOptedOutOfEmail",
        "record_type": "RecordType.DeveloperName",
    },
    "Contact": {
        "email": "Email",
        "first_name": "FirstName",
        "last_name": "LastName",
        "job_title": "Title",
        "company_id": "AccountId",
        "country": "MailingCountry",
        "state": "MailingState",
        "city": "MailingCity",
        "lead_source": "LeadSource",
        "owner_id": "OwnerId",
        "opted_out": "HasOptedOutOfEmail",
        "record_type": "RecordType.DeveloperName",
    },
}

RECORD_TYPE: Final = "RecordType.DeveloperName"

_TEXT_OR_NULL: Final = frozenset({str, type(None)})


def people(
    object_name: str,
    rows: Sequence[Row],
    keys: Sequence[tuple[int, str]],
    mapped: Mapping[str, str],
    status_field: str | None,
) -> list[PersonRecord]:
    """Leads or Contacts; `keys`: (modified in ms, id) of each row."""
    fields, count = [row.fields or {} for row in rows], len(rows)
    nothing = [None] * count

    def text(fact: str) -> Iterable[str | None]:
        path = PERSON_FACTS[object_name].get(fact)
        return nothing if path is None else _texts([one.get(path) for one in fields])

    sizes = PERSON_FACTS[object_name].get("company_size")
    columns: tuple[Iterable[Any], ...] = (
        repeat(CRM, count),
        repeat(object_name, count),
        [record_id for _, record_id in keys],
        text("email"),
        nothing,  # additional addresses
        text("first_name"),
        text("last_name"),
        text("job_title"),
        text("company_name"),
        text("company_id"),
        nothing if sizes is None else [as_int(one.get(sizes)) for one in fields],
        text("industry"),
        text("country"),
        text("state"),
        text("city"),
        text("lead_source"),
        [as_text(at_path(one, status_field)) for one in fields] if status_field else nothing,
        nothing,  # lifecycle
        text("owner_id"),
        [_flag(one.get("HasOptedOutOfEmail")) for one in fields],
        [None if one.get("RecordType") is None else _record_type(one) for one in fields],
        nothing,  # the links are HubSpot's
        nothing,
        [parse_ms(one.get("CreatedDate")) for one in fields],
        [stamp for stamp, _ in keys],
        [version_of(one) for one in fields],
        [custom_fields(one, mapped) for one in fields] if mapped else repeat("{}", count),
        [row.raw for row in rows],
    )
    return list(map(PersonRecord._make, zip(*columns, strict=True)))


def _texts(values: list[Any]) -> list[str | None]:
    """Values as text; "" is no fact. Most are text or null already, which is seen without a look at each."""
    if _TEXT_OR_NULL.issuperset(map(type, values)) and "" not in values:
        return values
    return [as_str(value) or None for value in values]


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _record_type(fields: dict[str, Any]) -> str | None:
    return as_str(at_path(fields, RECORD_TYPE)) or None
