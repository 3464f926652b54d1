"""Writes: one batch update by record ids, and what is known of each of them from the answer.

An input succeeded only if its id is in `results`; it failed if `errors` names it; otherwise nobody knows,
and the read-back decides. A refusal of the whole batch (400) does not say whose fault it was: then all are
innocent (nothing was written), and the caller decides anew and sends them singly. HubSpot has no
conditional write; `Write.base` is compared by the caller before and after.

Sources: HubSpot's "Batch update" page and OpenAPI (200, 207 with `errors[].context.ids`,
`objectWriteTraceId`); issue threads of the official clients for the texts of refusals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from connectors import fields
from connectors.errors import (
    AuthFailed,
    ConnectorError,
    Fatal,
    OutcomeUnknown,
    QuotaSpent,
    Retriable,
)
from connectors.hubspot.account import Account
from connectors.hubspot.reader import Batch, Problem, Row, row_of
from connectors.hubspot.replies import CRM, Reply, code_of, contexts_of, invalid_values, problem, property_of
from connectors.records import WARNING, Offered, Outcome, OutcomeKind, RefusalClass, Write

WRITE_BATCH: Final = 50
PLAIN_BATCH: Final = 100  # what HubSpot takes; read back without history, in one call
BATCH_REFUSED: Final = "BATCH_REFUSED"
"""Code of the innocent: the batch was refused as a whole; decide anew and send singly."""

VALUE_DIFFERS: Final = "VALUE_DIFFERS"
"""Code of an accepted write whose answer shows another value (a lifecycle stage never goes back)."""

OWNER: Final = "hubspot_owner_id"

_CONFIG: Final = frozenset({
    "INVALID_OPTION", "PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE", "INVALID_INTEGER", "INVALID_DOUBLE",
    "INVALID_LONG", "INVALID_DATE", "INVALID_NUMERIC", "INVALID_BOOLEAN", "PROPERTY_VALUE_TOO_LONG",
    "READ_ONLY", "INVALID_LIFECYCLE_STAGE",
})  # fmt: skip
_OWNER_CODES: Final = frozenset({"INVALID_OWNER", "INVALID_OWNER_ID", "OWNER_NOT_FOUND", "INVALID_USER_ID"})
_GONE: Final = frozenset({"OBJECT_NOT_FOUND", "RESOURCE_NOT_FOUND", "NOT_FOUND", "CONTACT_DOES_NOT_EXIST"})
_ADMIN: Final = frozenset(
    {"VALIDATION_ERROR", "PROPERTY_VALIDATION_FAILED", "INVALID_REGEX", "REGEX_MISMATCH"}
)


class Writer:
    """Sends writes of one account. `offered` tells what a property takes; `forget` is called with an
    object when HubSpot refuses what was offered."""

    def __init__(
        self,
        account: Account,
        offered: Callable[[str, str], Offered],
        forget: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._account = account
        self._offered = offered
        self._forget = forget

    def write(self, writes: Sequence[Write]) -> list[Outcome]:
        """One outcome per write, in order. Raises only QuotaSpent and AuthFailed (nothing was written)."""
        refs = [write.ref for write in writes]
        most = WRITE_BATCH if any(write.guarded for write in writes) else PLAIN_BATCH
        if len(writes) > most or len(set(refs)) != len(refs):
            raise Fatal("a batch is too large or names a record twice", crm=CRM)
        outcomes: dict[str, Outcome] = {}
        for object_name in dict.fromkeys(ref.object for ref in refs):
            group = [write for write in writes if write.ref.object == object_name]
            answers = self._send(object_name, group)
            if any(outcome.refusal is RefusalClass.OUR_CONFIG for outcome in answers):
                self._forget(object_name)
            outcomes |= {f"{object_name}:{outcome.ref.id}": outcome for outcome in answers}
        return [outcomes[f"{ref.object}:{ref.id}"] for ref in refs]

    def _send(self, object_name: str, group: Sequence[Write]) -> list[Outcome]:
        body = {"inputs": [_input(number, write) for number, write in enumerate(group)]}
        try:
            reply = self._account.write("batch_update", body, object=object_name)
        except (QuotaSpent, AuthFailed):
            raise
        except OutcomeUnknown as error:
            return [Outcome(write.ref, OutcomeKind.UNKNOWN, error.code, error.message) for write in group]
        except Retriable as error:  # had no effect for certain, and patience ran out
            return _all(group, error, RefusalClass.TRANSIENT)
        except ConnectorError as error:
            return [Outcome(write.ref, OutcomeKind.UNKNOWN, error.code, error.message) for write in group]
        return _judged(reply, group) if reply.ok else self._refused(reply, group)

    def _refused(self, reply: Reply, group: Sequence[Write]) -> list[Outcome]:
        """Outcomes by a refusal of the whole call: nothing was written."""
        body = problem(reply)
        if reply.status == 403:
            code = code_of(body) or "MISSING_SCOPES"
            message = "the token may not write this"
            return [Outcome(w.ref, OutcomeKind.REFUSED, code, message, RefusalClass.AUTH) for w in group]
        if len(group) == 1:
            return [_refusal(group[0], body, reply.status)]
        guilty = _named(body, group) or _guilty_by_value(body, group) or self._not_offered(body, group)
        return [
            _refusal(write, body, reply.status) if number in guilty else _innocent(write)
            for number, write in enumerate(group)
        ]

    def _not_offered(self, body: Mapping[str, Any], group: Sequence[Write]) -> set[int]:
        """Whoever wants what the named property does not take, by its description."""
        field = property_of(body)
        if not field:
            return set()
        try:
            offered = self._offered(group[0].ref.object, field)
        except ConnectorError:
            return set()
        return {
            number
            for number, write in enumerate(group)
            if field in write.fields and not _takes(offered, write.fields[field])
        }


def _input(number: int, write: Write) -> dict[str, Any]:
    """Exactly the fields of the write; "" clears one."""
    properties = {name: "" if value is None else value for name, value in write.fields.items()}
    return {"id": write.ref.id, "objectWriteTraceId": str(number), "properties": properties}


def _judged(reply: Reply, group: Sequence[Write]) -> list[Outcome]:
    """Outcomes by a 2xx answer."""
    try:
        batch = fields.from_json(reply.body, Batch)
    except ValueError:
        message = "HubSpot's answer to a write cannot be read"
        return [Outcome(write.ref, OutcomeKind.UNKNOWN, "broken_reply", message) for write in group]
    rows = {str(row.id): row for raw in batch.results if isinstance(row := row_of(raw), Row)}
    named = {number: entry for entry in batch.errors or () for number in _guilty(entry, group)}
    return [_one(write, rows.get(write.ref.id), named.get(number)) for number, write in enumerate(group)]


def _one(write: Write, row: Row | None, refusal: Problem | None) -> Outcome:
    if row is not None:
        differs = sorted(name for name, value in write.fields.items() if _differs(row, name, value))
        warnings = "; ".join(sorted({warning.category or "warning" for warning in row.warnings or ()}))
        if differs:
            return Outcome(
                write.ref, OutcomeKind.ACCEPTED, VALUE_DIFFERS, f"{', '.join(differs)} {warnings}".strip()
            )
        return Outcome(write.ref, OutcomeKind.ACCEPTED, WARNING if warnings else "", warnings)
    if refusal is not None:
        body = {"message": refusal.message, "category": refusal.category, "subCategory": refusal.subCategory}
        return _refusal(write, body, 207)
    return Outcome(write.ref, OutcomeKind.UNKNOWN, "NOT_IN_RESULTS", "the answer does not name the record")


def _differs(row: Row, name: str, value: str | None) -> bool:
    return name in row.properties and fields.text(row.properties[name]) != (value or None)


def _guilty(entry: Problem, group: Sequence[Write]) -> list[int]:
    """Whom an error names: by record ids or by our trace ids, the positions in the batch."""
    context = entry.context or {}
    said = {name: {str(value) for value in _listed(values)} for name, values in context.items()}
    ids = said.get("ids", set()) | said.get("id", set()) | said.get("objectId", set())
    traces = said.get("objectWriteTraceId", set())
    return [number for number, write in enumerate(group) if write.ref.id in ids or str(number) in traces]


def _listed(values: object) -> Sequence[object]:
    return values if isinstance(values, list) else [values]


def _named(body: Mapping[str, Any], group: Sequence[Write]) -> set[int]:
    """Whom a refusal names by record ids or trace ids."""
    return {number for context in contexts_of(body) for number in _guilty(Problem(context=context), group)}


def _takes(offered: Offered, value: str | None) -> bool:
    if not (offered.exists and offered.writable):
        return False
    return value is None or offered.values is None or value in offered.values


def _guilty_by_value(body: Mapping[str, Any], group: Sequence[Write]) -> set[int]:
    """A validation failure quotes property and value, not the record: whoever wanted that value there."""
    found: set[int] = set()
    for field, text in invalid_values(body):
        for number, write in enumerate(group):
            value = write.fields.get(field)
            if field in write.fields and text.startswith(f"{value or ''} "):
                found.add(number)
    return found


def _innocent(write: Write) -> Outcome:
    message = "another record of the batch was refused; nothing was written"
    return Outcome(write.ref, OutcomeKind.REFUSED, BATCH_REFUSED, message, RefusalClass.INNOCENT)


def _refusal(write: Write, body: Mapping[str, Any], status: int) -> Outcome:
    """One write's refusal: its class, HubSpot's code word and the property it names."""
    code, field = code_of(body) or str(status), property_of(body)
    if code in _GONE or status == 404:
        return Outcome(write.ref, OutcomeKind.MOVED, code, "the record is gone")
    if status == 409:
        return Outcome(write.ref, OutcomeKind.CONFLICT, code, "the record conflicts with another one")
    message = f"{field}: {code}" if field else code
    return Outcome(write.ref, OutcomeKind.REFUSED, code, message, _class(code, field, write))


def _class(code: str, field: str, write: Write) -> RefusalClass:
    about_owner = field == OWNER or (not field and set(write.fields) == {OWNER})
    if code in _OWNER_CODES or (about_owner and code in _CONFIG | _ADMIN):
        return RefusalClass.OWNER
    if code in _CONFIG:
        return RefusalClass.OUR_CONFIG
    if code in _ADMIN:
        return RefusalClass.ADMIN_RULE
    return RefusalClass.TRANSIENT if code in ("RATE_LIMITS", "RATE_LIMIT") else RefusalClass.OTHER


def _all(group: Sequence[Write], error: ConnectorError, refusal: RefusalClass) -> list[Outcome]:
    return [Outcome(write.ref, OutcomeKind.REFUSED, error.code, error.message, refusal) for write in group]
