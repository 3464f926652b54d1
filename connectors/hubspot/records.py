"""A HubSpot object → a canonical record, or the reason why it must be parked. Pure, given the options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from connectors import fields
from connectors.hubspot.reader import Row, TextRow, id_of, raw_text, row_of
from connectors.hubspot.replies import CRM
from connectors.options import PullOptions
from connectors.records import CompanyRecord, DealRecord, GoneReason, Poison, Tombstone

CONTACTS: Final = "contacts"
COMPANIES: Final = "companies"
DEALS: Final = "deals"

NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    CONTACTS: (
        "email", "hs_additional_emails", "firstname", "lastname", "jobtitle", "company",
        "associatedcompanyid", "industry", "country", "state", "city", "hs_analytics_source",
        "lifecyclestage", "hs_lead_status", "hubspot_owner_id", "hs_email_optout", "salesforceleadid",
        "salesforcecontactid", "hs_merged_object_ids", "hs_calculated_merged_vids", "createdate",
        "lastmodifieddate", "hs_object_id",
    ),
    COMPANIES: (
        "name", "domain", "numberofemployees", "industry", "country", "state", "city", "hubspot_owner_id",
        "hs_merged_object_ids", "createdate", "hs_lastmodifieddate", "hs_object_id",
    ),
    DEALS: (
        "dealname", "dealstage", "pipeline", "amount", "closedate", "hs_is_closed", "hs_is_closed_won",
        "hs_primary_associated_company", "hubspot_owner_id", "hs_merged_object_ids", "createdate",
        "hs_lastmodifieddate", "hs_object_id",
    ),
}  # fmt: skip
"""The properties that every pull asks for, per object."""

MERGES: Final = ("hs_merged_object_ids", "hs_calculated_merged_vids")
"""Where a record says which others were merged into it."""

StageKnown = Callable[[str, str], tuple[bool, bool]]
"""(pipeline, stage) → (closed, won)."""


class UnreadableError(ValueError):
    """A row that has no place in the mirror as it is; the message is the reason."""


def modified_property(object_name: str) -> str:
    """Where an object's modification time stands: contacts alone have the older name."""
    return "lastmodifieddate" if object_name == CONTACTS else "hs_lastmodifieddate"


def wanted_properties(object_name: str, options: PullOptions) -> tuple[str, ...]:
    """Needed, mapped and further configured properties of an object, each once."""
    status = options.status_field.get(object_name)
    names = [
        *NEEDED.get(object_name, ()),
        *((status,) if status else ()),
        *options.mapped.get(object_name, {}).values(),
        *options.also.get(object_name, ()),
    ]
    return tuple(dict.fromkeys(names))


def read_row(raw: msgspec.Raw, object_name: str) -> Row | Poison:
    """A row of a page; Poison when it cannot be read."""
    found = row_of(raw)
    if isinstance(found, str):
        return Poison(CRM, object_name, id_of(raw), found, raw_text(raw))
    return found


def modified_of(row: Row, object_name: str) -> tuple[int, str]:
    """(epoch ms, text as it came) of a row's last modification. Raises UnreadableError without one."""
    for value in (row.properties.get(modified_property(object_name)), row.updatedAt):
        found = fields.epoch_ms(value)
        if found is not None:
            return found, str(value)
    raise UnreadableError("no readable modification time")


def created_of(row: Row) -> int | None:
    """Epoch ms of a row's creation."""
    return fields.epoch_ms(row.properties.get("createdate")) or fields.epoch_ms(row.createdAt)


def mapped_fields(row: Row, object_name: str, options: PullOptions) -> str:
    """The configured custom fields as a JSON object keyed by the model's names."""
    mapped = options.mapped.get(object_name)
    if not mapped:
        return "{}"
    return fields.to_json({name: fields.text(row.properties.get(of)) for name, of in mapped.items()})


def company_of(row: Row, raw: str, options: PullOptions) -> CompanyRecord:
    """A company. Raises UnreadableError."""
    known = texts_of(row).get
    modified_ms, version = modified_of(row, COMPANIES)
    return CompanyRecord(
        crm=CRM,
        object=COMPANIES,
        id=str(row.id),
        name=known("name"),
        domain=known("domain"),
        company_size=fields.whole(known("numberofemployees")),
        industry=known("industry"),
        country=known("country"),
        state=known("state"),
        city=known("city"),
        owner_id=known("hubspot_owner_id"),
        created_ms=created_of(row),
        modified_ms=modified_ms,
        version=version,
        fields=mapped_fields(row, COMPANIES, options),
        raw=raw,
    )


def deal_of(row: Row, raw: str, options: PullOptions, stage: StageKnown) -> DealRecord:
    """A deal; `stage` is asked where the deal does not say whether it is closed. Raises UnreadableError."""
    known = texts_of(row).get
    modified_ms, version = modified_of(row, DEALS)
    closed, won = fields.flag(known("hs_is_closed")), fields.flag(known("hs_is_closed_won"))
    if closed is None or won is None:
        by_stage = stage(known("pipeline") or "", known("dealstage") or "")
        closed = by_stage[0] if closed is None else closed
        won = by_stage[1] if won is None else won
    return DealRecord(
        crm=CRM,
        object=DEALS,
        id=str(row.id),
        name=known("dealname"),
        stage=known("dealstage"),
        is_closed=closed or won,
        is_won=won,
        amount=fields.number(known("amount")),
        company_id=id_in(known("hs_primary_associated_company")),
        created_ms=created_of(row),
        closed_ms=fields.epoch_ms(known("closedate")),
        modified_ms=modified_ms,
        version=version,
        fields=mapped_fields(row, DEALS, options),
        raw=raw,
    )


def merged_into(row: Row, object_name: str, at_ms: int) -> list[Tombstone]:
    """A tombstone for every record that was merged into this one.

    A merge keeps one of the two ids or makes a third: whatever id of the lists is not the row's own is
    gone. Contacts carry times (`vid:timestamp`) in a list of their own.
    """
    merged = row.properties.get(MERGES[0]), row.properties.get(MERGES[1])
    if merged == (None, None):
        return []
    own, times = str(row.id), {}
    for entry in fields.split_list(merged[0]):
        times[entry] = at_ms
    for entry in fields.split_list(merged[1]):
        vid, _, stamp = entry.partition(":")
        times[vid] = fields.epoch_ms(stamp) or at_ms
    return [
        Tombstone(CRM, object_name, loser, GoneReason.MERGED.value, when, object_name, own)
        for loser, when in times.items()
        if loser.isdecimal() and loser != own
    ]


def archived(row: Row, object_name: str, otherwise_ms: int) -> Tombstone:
    """The tombstone of a row of the archived listing."""
    when = fields.epoch_ms(row.archivedAt) or fields.epoch_ms(row.updatedAt) or otherwise_ms
    return Tombstone(CRM, object_name, str(row.id), GoneReason.ARCHIVED.value, when)


def texts_of(row: Row) -> Mapping[str, str | None]:
    """Properties as text, None when empty. Asked two dozen times a row, hence done at once."""
    if isinstance(row, TextRow) and "" not in row.properties.values():
        return row.properties
    return {name: fields.text(value) for name, value in row.properties.items()}


def id_in(value: str | None) -> str | None:
    """An id that a calculated number property may show as "123.0"."""
    if value is None:
        return None
    found = fields.whole(value)
    return value if found is None else str(found)


def url_length(names: Sequence[str]) -> int:
    """How long a comma-joined list of property names is in a URL."""
    return sum(len(name) + 3 for name in names)
