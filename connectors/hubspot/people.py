"""HubSpot contacts → canonical records, a page at a time. Pure, given the options.

People are what there is most of, so a page of them is built column by column: one pass over the rows for each
fact, not a call for each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from connectors import fields
from connectors.hubspot.reader import Row
from connectors.hubspot.records import CONTACTS, created_of, id_in, mapped_fields, texts_of
from connectors.hubspot.replies import CRM
from connectors.options import PullOptions
from connectors.records import PersonRecord


def people(
    rows: Sequence[Row], keys: Sequence[tuple[int, str]], raws: Sequence[str], options: PullOptions
) -> list[PersonRecord]:
    """Contacts; `keys`: of each row what `modified_of` says; `raws`: its JSON."""
    count, known = len(rows), [texts_of(row) for row in rows]
    nothing = [None] * count

    def text(name: str) -> list[str | None]:
        return [one.get(name) for one in known]

    status = options.status_field.get(CONTACTS)
    columns: tuple[Iterable[Any], ...] = (
        repeat(CRM, count),
        repeat(CONTACTS, count),
        [str(row.id) for row in rows],
        text("email"),
        [value and _addresses(value) for value in text("hs_additional_emails")],
        text("firstname"),
        text("lastname"),
        text("jobtitle"),
        text("company"),
        [value and id_in(value) for value in text("associatedcompanyid")],
        nothing,  # employees: a contact's are a range
        text("industry"),
        text("country"),
        text("state"),
        text("city"),
        text("hs_analytics_source"),
        text(status) if status else nothing,
        text("lifecyclestage"),
        text("hubspot_owner_id"),
        [value and fields.flag(value) for value in text("hs_email_optout")],
        nothing,  # record types are Salesforce's
        text("salesforceleadid"),
        text("salesforcecontactid"),
        [created_of(row) for row in rows],
        [modified_ms for modified_ms, _ in keys],
        [version for _, version in keys],
        [mapped_fields(row, CONTACTS, options) for row in rows],
        raws,
    )
    return list(map(PersonRecord._make, zip(*columns, strict=True)))


def _addresses(joined: str) -> str | None:
    return fields.json_list(fields.split_list(joined))
