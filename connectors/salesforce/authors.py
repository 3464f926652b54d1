"""Who is behind a user id: we, a person, or automation; and what stands in field history.

Source: Object Reference, User (UserType), LeadHistory, ContactHistory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from connectors.errors import NotOffered, RecordRejected, RightMissing
from connectors.records import Author, FieldVersion, Owner
from connectors.salesforce import records, soql
from connectors.salesforce.api import Api
from connectors.salesforce.feeds import USER_FIELDS
from connectors.salesforce.reader import fields_of, query_all
from connectors.salesforce.schema import Schema
from connectors.salesforce.values import as_text, is_id, parse_ms

IDS_PER_QUERY: Final = 400
QUEUE_PREFIX: Final = "00G"

_HISTORY: Final[Mapping[str, tuple[str, str]]] = {
    "Lead": ("LeadHistory", "LeadId"),
    "Contact": ("ContactHistory", "ContactId"),
}

Versions = dict[str, dict[str, tuple[FieldVersion, ...]]]
"""Record id → field → versions, newest first."""


class Authors:
    """Looks users up, afresh for every read: whether an owner is active must be true now."""

    def __init__(self, api: Api, schema: Schema) -> None:
        self._api = api
        self._schema = schema

    def users(self, ids: Iterable[str]) -> dict[str, Owner]:
        """The users among these ids; queues are made up from their prefix."""
        wanted = sorted({known for known in ids if known})
        found = {
            known: records.owner_of_queue({"Id": known}) for known in wanted if known.startswith(QUEUE_PREFIX)
        }
        people = [known for known in wanted if known not in found]
        fields = self._schema.existing("User", USER_FIELDS) if people else ()
        for start in range(0, len(people), IDS_PER_QUERY):
            where = [soql.is_in("Id", people[start : start + IDS_PER_QUERY])]
            for row in fields_of(query_all(self._api, soql.select(fields, "User", where))):
                owner = records.owner_of_user(row, self._api.user_id)
                found[owner.id] = owner
        return found

    def author(self, user_id: str, users: Mapping[str, Owner]) -> Author:
        """Who that user is. A user that we may not see is taken for a person: never trample one."""
        if not user_id:
            return Author.UNKNOWN
        if user_id == self._api.user_id:
            return Author.US
        user = users.get(user_id)
        return Author.AUTOMATION if user is not None and user.kind == "integration" else Author.PERSON

    def history(self, object_name: str, ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, Any]]:
        """The history rows of these fields, newest first; none where the org tracks nothing."""
        if object_name not in _HISTORY or not ids or not fields:
            return []
        history, parent = _HISTORY[object_name]
        if not self._schema.has(history):
            return []
        names = [_history_name(name) for name in fields]
        columns = ("Id", parent, "Field", "NewValue", "CreatedById", "CreatedDate")
        rows: list[dict[str, Any]] = []
        for start in range(0, len(ids), IDS_PER_QUERY):
            where = [soql.is_in(parent, ids[start : start + IDS_PER_QUERY]), soql.is_in("Field", names)]
            text = soql.select(columns, history, where, ("CreatedDate DESC", "Id DESC"))
            try:
                rows += fields_of(query_all(self._api, text))
            except (NotOffered, RightMissing, RecordRejected):
                return []
        return rows

    def versions(
        self,
        object_name: str,
        rows: Sequence[Mapping[str, Any]],
        fields: Sequence[str],
        users: Mapping[str, Owner],
    ) -> Versions:
        """History rows as versions of the fields asked for."""
        if object_name not in _HISTORY:
            return {}
        history, parent = _HISTORY[object_name]
        by_name = {_history_name(name): name for name in fields}
        found: dict[str, dict[str, list[FieldVersion]]] = {}
        for row in rows:
            name, at = by_name.get(str(row.get("Field"))), parse_ms(row.get("CreatedDate"))
            value = as_text(row.get("NewValue"))
            if name is None or at is None:
                continue
            if name.endswith("Id") and value is not None and not is_id(value):
                continue  # a look-up is listed twice: by name, and by id
            author = self.author(str(row.get("CreatedById") or ""), users)
            version = FieldVersion(value, at, author, history)
            found.setdefault(str(row.get(parent)), {}).setdefault(name, []).append(version)
        return {key: {name: tuple(all_) for name, all_ in per.items()} for key, per in found.items()}


def _history_name(field: str) -> str:
    """How history calls a field: standard look-ups by their relationship (`Owner`, `Account`)."""
    return field.removesuffix("Id") if field.endswith("Id") and not field.endswith("__c") else field
