"""A Task beside a Lead or Contact: made by one POST, found again by the mark in its subject.

Only `Subject`, `WhoId`, `OwnerId`, `Description` and `ActivityDate` are set: status and priority are the
org's defaults. `Description` cannot be filtered, `Subject` can. A task is looked for in the recycle bin as
well: one that somebody deleted is not made again.
Sources: REST API Developer Guide, "Create a Record"; Object Reference, Task.
"""

from __future__ import annotations

from typing import Any, Final

from connectors.errors import BrokenReply, NotOffered, OutcomeUnknown, RightMissing
from connectors.records import NewTask, Outcome, OutcomeKind, RecordRef, Write
from connectors.salesforce import soql
from connectors.salesforce.api import Api
from connectors.salesforce.http import CRM, ErrorDetail, Reply, decode, error_details
from connectors.salesforce.reader import fields_of, query_page
from connectors.salesforce.refusals import refused
from connectors.salesforce.schema import Schema

TASK: Final = "Task"
SET: Final = ("Subject", "WhoId", "OwnerId", "Description", "ActivityDate")
"""The fields of a new task that we set."""
SUBJECT: Final = 255
"""The most characters of `Subject` (Object Reference, Task)."""


class Tasks:
    """Makes and finds tasks of one org."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def create(self, task: NewTask) -> Outcome:
        """What came of making it. Raises QuotaSpent, AuthFailed or Retriable: it surely was not made."""
        body = _body(task)
        try:
            reply = self._api.send("POST", f"sobjects/{TASK}", body)
        except OutcomeUnknown as error:
            return Outcome(task.ref, OutcomeKind.UNKNOWN, error.code, error.message)
        answer = _readable(reply)
        if 200 <= reply.status < 300:
            made = answer.get("id") if isinstance(answer, dict) and answer.get("success") is True else None
            if isinstance(made, str) and made:
                return Outcome(RecordRef(CRM, TASK, made), OutcomeKind.ACCEPTED)
            return Outcome(task.ref, OutcomeKind.UNKNOWN, f"HTTP_{reply.status}", "no id in the answer")
        details = error_details(answer)
        detail = details[0] if details else ErrorDetail("", f"HTTP {reply.status}")
        if reply.status >= 500 or reply.status == 408:
            return Outcome(
                task.ref, OutcomeKind.UNKNOWN, detail.code or f"HTTP_{reply.status}", detail.message
            )
        return refused(Write(task.ref, body, ""), detail, f"HTTP_{reply.status}")

    def find(self, task: NewTask) -> RecordRef | None:
        """The task with that mark, also after it was deleted; None when there is none."""
        where = [soql.since("CreatedDate", task.since_ms), f"Subject LIKE {soql.quoted(f'%{task.mark}%')}"]
        query = soql.select(("Id", "Subject"), TASK, where, (), 10)
        rows, _ = query_page(self._api, query, deleted=True)
        found = (row for row in fields_of(rows) if task.mark in str(row.get("Subject")))
        made = next((row["Id"] for row in found if isinstance(row.get("Id"), str)), None)
        return None if made is None else RecordRef(CRM, TASK, made)


def missing_right(schema: Schema) -> str:
    """What keeps our user from making a task, by the describe of Task; "" when nothing does."""
    try:
        info = schema.describe(TASK)
    except (NotOffered, RightMissing):
        return f"{CRM} shows our user no object {TASK}"
    if not info.createable:
        return f"our user has no right to create a {TASK}"
    closed = [name for name in SET if name not in info.fields or not info.fields[name].createable]
    return f"our user may not set {', '.join(closed)} of a new {TASK}" if closed else ""


def _body(task: NewTask) -> dict[str, Any]:
    owner = {} if task.owner_id is None else {"OwnerId": task.owner_id}
    return {
        "WhoId": task.ref.id,
        "Subject": task.subject[:SUBJECT],
        "Description": task.body,
        "ActivityDate": task.due_day,
        **owner,
    }


def _readable(reply: Reply) -> Any:
    if not reply.body.strip():
        return None
    try:
        return decode(reply.body)
    except BrokenReply:
        return None
