"""Contacts' roles in opportunities, as link sets: Contact → Opportunity.

A set replaces all links of a contact, so for every role that changed all roles of its contact are read.
The first pass reads whole contacts in their order instead, which costs one call per 2,000 roles.
Source: Object Reference, OpportunityContactRole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from connectors.records import Link, LinkSet
from connectors.salesforce import soql
from connectors.salesforce.api import Api
from connectors.salesforce.http import CRM
from connectors.salesforce.reader import Row, fields_of, query_all, query_page
from connectors.salesforce.values import parse_ms

OBJECT: Final = "OpportunityContactRole"
IDS_PER_QUERY: Final = 400
_WANTED: Final = ("Id", "SystemModstamp", "ContactId", "OpportunityId", "Role", "IsPrimary")
_ORDER: Final = ("ContactId", "Id")


class Whole(NamedTuple):
    """Contacts read whole: their links, the last of them, whether that is the end, the newest stamp."""

    sets: list[LinkSet]
    last: str
    end: bool
    newest_ms: int


class Links:
    """Reads roles as link sets."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def of_changed(self, rows: Iterable[Row], fields: Sequence[str]) -> list[LinkSet]:
        """The present links of every contact that a changed (or deleted) role names."""
        contacts = sorted({who for row in fields_of(list(rows)) if (who := _text(row, "ContactId"))})
        sets: list[LinkSet] = []
        for start in range(0, len(contacts), IDS_PER_QUERY):
            chunk = contacts[start : start + IDS_PER_QUERY]
            found = fields_of(query_all(self._api, self._select(fields, soql.is_in("ContactId", chunk))))
            by_contact = {who: list(group) for who, group in groupby(found, key=_contact)}
            sets += [link_set(who, by_contact.get(who, [])) for who in chunk]
        return sets

    def whole(self, after: str, fields: Sequence[str]) -> Whole:
        """Link sets of the contacts behind `after`."""
        where = f"ContactId > {soql.quoted(after)}" if after else "ContactId != null"
        text = self._select(fields, where, soql.PAGE_ROWS)
        rows, done = query_page(self._api, text)
        groups = [(who, list(group)) for who, group in groupby(fields_of(rows), key=_contact) if who]
        end = done and len(rows) < soql.PAGE_ROWS
        if not end and len(groups) > 1:
            groups.pop()  # the page may end inside the last contact
        elif not end and groups:
            who = groups[0][0]
            everything = query_all(self._api, self._select(fields, soql.equals("ContactId", who)))
            groups = [(who, fields_of(everything))]
        sets = [link_set(who, group) for who, group in groups]
        stamps = [parse_ms(row.get("SystemModstamp")) or 0 for _, group in groups for row in group]
        return Whole(sets, groups[-1][0] if groups else after, end or not groups, max(stamps, default=0))

    def _select(self, fields: Sequence[str], where: str, limit: int | None = None) -> str:
        asked = [name for name in _WANTED if name in fields]
        return soql.select(asked, OBJECT, [where], _ORDER, limit)


def link_set(contact: str, rows: Sequence[Mapping[str, Any]]) -> LinkSet:
    """One contact's links; several roles in one opportunity make one link."""
    roles: dict[str, set[str]] = {}
    primary: set[str] = set()
    for row in rows:
        deal = _text(row, "OpportunityId")
        if deal:
            roles.setdefault(deal, set()).update([_text(row, "Role")] if _text(row, "Role") else [])
            if row.get("IsPrimary") is True:
                primary.add(deal)
    links = tuple(
        Link(CRM, "Contact", contact, "Opportunity", deal, ",".join(sorted(names)), deal in primary)
        for deal, names in sorted(roles.items())
    )
    return LinkSet(CRM, "Contact", contact, "Opportunity", links)


def _contact(row: Mapping[str, Any]) -> str:
    return _text(row, "ContactId")


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""
