"""A task or note beside a contact: made by one POST with its association, found again by its mark.

A task carries the mark in its subject, a note in its body. They are looked for among those that are
associated with the contact and were made since: the search index may be late, associations are not. Of notes
no other text than that of those few is read, and none is kept.
Sources: HubSpot's "Activities | Tasks" and "Activities | Notes" pages (`hs_timestamp` is required;
association types 204, task to contact, and 202, note to contact).
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from connectors import fields
from connectors.errors import (
    AuthFailed,
    BrokenReply,
    ConnectorError,
    OutcomeUnknown,
    QuotaSpent,
    Retriable,
)
from connectors.hubspot.account import Account
from connectors.hubspot.associations import Associations
from connectors.hubspot.reader import Batch, Named, Row
from connectors.hubspot.records import CONTACTS, read_row
from connectors.hubspot.replies import CRM, Reply, code_of, problem, property_of
from connectors.records import NewTask, Outcome, OutcomeKind, RecordRef, RefusalClass

TASK_SCOPE: Final = "crm.objects.contacts.write"
"""What a token needs to make either ("Scope requirements" on both pages)."""
READ: Final = 100
"""Records in one batch read."""


class _Kind(NamedTuple):
    """One kind: its object, the type of its association with a contact, where its mark stands."""

    object: str
    to_contact: int
    marked: str


KINDS: Final[Mapping[str, _Kind]] = {
    "task": _Kind("tasks", 204, "hs_task_subject"),
    "note": _Kind("notes", 202, "hs_note_body"),
}


class Tasks:
    """Makes and finds tasks and notes of one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._associations = Associations(account)

    def create(self, task: NewTask) -> Outcome:
        """What came of making it. Raises QuotaSpent, AuthFailed or Retriable: it surely was not made."""
        kind = KINDS[task.kind]
        try:
            reply = self._account.write("objects", _body(task, kind), object=kind.object)
        except (QuotaSpent, AuthFailed):
            raise
        except OutcomeUnknown as error:
            return Outcome(task.ref, OutcomeKind.UNKNOWN, error.code, error.message)
        except Retriable:
            raise
        except ConnectorError as error:
            return Outcome(task.ref, OutcomeKind.UNKNOWN, error.code, error.message)
        if not reply.ok:
            return _refused(task, reply)
        try:
            made = str(fields.from_json(reply.body, Named).id)
        except ValueError:
            return Outcome(task.ref, OutcomeKind.UNKNOWN, "broken_reply", "no id in the answer")
        return Outcome(RecordRef(CRM, kind.object, made), OutcomeKind.ACCEPTED)

    def find(self, task: NewTask) -> RecordRef | None:
        """The task or note with that mark beside the contact; None when there is none."""
        kind = KINDS[task.kind]
        linked = self._associations.read(CONTACTS, [task.ref.id], kind.object).get(task.ref.id)
        if linked is None:
            raise BrokenReply(f"the {kind.object} of a contact cannot be read", crm=CRM, code="broken_reply")
        dated = self._read(kind.object, list(linked), "hs_createdate")
        young = [one for one, at in dated.items() if (fields.epoch_ms(at) or task.since_ms) >= task.since_ms]
        words = self._read(kind.object, young, kind.marked)
        made = next((one for one, text in words.items() if task.mark in (text or "")), None)
        return None if made is None else RecordRef(CRM, kind.object, made)

    def _read(self, object_name: str, ids: list[str], field: str) -> dict[str, str | None]:
        """Id → one property."""
        found: dict[str, str | None] = {}
        for start in range(0, len(ids), READ):
            inputs = [{"id": one} for one in ids[start : start + READ]]
            body = {"inputs": inputs, "properties": [field]}
            answer = self._account.read(Batch, "batch_read", body=body, object=object_name)
            rows = (read_row(raw, object_name) for raw in answer.value.results)
            found |= {
                str(row.id): fields.text(row.properties.get(field)) for row in rows if isinstance(row, Row)
            }
        return found


def _body(task: NewTask, kind: _Kind) -> dict[str, Any]:
    """Bodies are shown as HTML, so that what somebody typed is escaped."""
    words = html.escape(task.body, quote=False)
    if task.kind == "note":
        properties = {"hs_timestamp": _moment(task.made_ms), "hs_note_body": f"{words}<br>{task.mark}"}
    else:
        properties = {
            "hs_timestamp": _moment(task.due_ms),
            "hs_task_subject": task.subject,
            "hs_task_body": words,
            "hs_task_status": "NOT_STARTED",
        }
    if task.owner_id is not None:
        properties["hubspot_owner_id"] = task.owner_id
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind.to_contact}]
    return {"properties": properties, "associations": [{"to": {"id": task.ref.id}, "types": types}]}


def _moment(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def _refused(task: NewTask, reply: Reply) -> Outcome:
    body = problem(reply)
    code, field = code_of(body) or str(reply.status), property_of(body)
    refusal = RefusalClass.AUTH if reply.status == 403 else RefusalClass.OUR_CONFIG
    if field == "hubspot_owner_id":
        refusal = RefusalClass.OWNER
    return Outcome(task.ref, OutcomeKind.REFUSED, code, f"{field}: {code}" if field else code, refusal)
