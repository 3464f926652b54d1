"""Writing: guarded updates one by one or in composite requests, unguarded ones as collections.

    guarded    PATCH with If-Unmodified-Since: nobody's later edit is overwritten (412 → conflict).
               Several of them share a /composite request of up to 25, each with its own header, once a
               probe has shown that the server honours the header there; else they go one by one.
    unguarded  /composite/sobjects, up to 200 a request.

Every request carries `Sforce-Auto-Assign: FALSE`: else an assignment rule changes the owner behind it.
Nothing is ever created: records are addressed by id, 404 is an answer and no invitation.
Sources: REST API Developer Guide, "Composite", "Update Multiple Records", conditional requests,
"Assignment Rule Header".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from connectors.errors import (
    AuthFailed,
    BrokenReply,
    ConnectorError,
    Fatal,
    NotOffered,
    OutcomeUnknown,
    QuotaSpent,
    Retriable,
)
from connectors.records import Outcome, OutcomeKind, RefusalClass, Write
from connectors.retry import NOT_SENT
from connectors.salesforce.api import Api
from connectors.salesforce.http import CRM, ErrorDetail, Reply, decode
from connectors.salesforce.refusals import outcome_of, outcome_of_row, refused
from connectors.salesforce.schema import FieldInfo, Schema
from connectors.salesforce.values import http_date, parse_ms

WRITE_BATCH: Final = 200
COMPOSITE_PARTS: Final = 25
COLLECTION_ROWS: Final = 200
PROBES: Final = 3

_AUTO_ASSIGN: Final[Mapping[str, str]] = {"Sforce-Auto-Assign": "FALSE"}
_LONG_AGO: Final = "Sat, 01 Jan 2000 00:00:00 GMT"

Indexed = tuple[int, Write]
"""A write with its place in the caller's list."""


class Unsendable(ValueError):  # noqa: N818 (a state of a write, worded as one)
    """A write that cannot be put into a request; the text is a code."""


class Writer:
    """Sends writes. `composite` None: found out by a probe; True or False: settled."""

    def __init__(self, api: Api, schema: Schema, *, composite: bool | None = None) -> None:
        self._api = api
        self._schema = schema
        self._composite = composite
        self._probes_left = PROBES
        self._collections = True

    def write(self, writes: Sequence[Write]) -> list[Outcome]:
        """Outcomes in the order of the writes. Raises QuotaSpent or AuthFailed if nothing was sent."""
        refs = [write.ref for write in writes]
        if len(writes) > WRITE_BATCH or len(set(refs)) != len(refs):
            raise Fatal("a batch is too large or names a record twice", crm=CRM, code="BATCH")
        found: dict[int, Outcome] = {}
        stopped: ConnectorError | None = None
        sent = False
        for group, send in self._groups(list(enumerate(writes)), found):
            if stopped is None:
                try:
                    found |= send(group)
                    sent = True
                except (QuotaSpent, AuthFailed) as error:
                    if not sent:
                        raise
                    stopped = error
                except Retriable as error:
                    stopped = error
            if stopped is not None:
                found |= {place: _unsent(write, stopped) for place, write in group}
            elif any(found[place].kind is OutcomeKind.UNKNOWN for place, _ in group):
                # The way is broken or the server is ill; what has not been sent stays certain.
                stopped = Retriable("not sent after a lost answer", crm=CRM, code=NOT_SENT)
        return [found[place] for place in range(len(writes))]

    def _groups(
        self, writes: Sequence[Indexed], found: dict[int, Outcome]
    ) -> Iterator[tuple[list[Indexed], Callable[[list[Indexed]], dict[int, Outcome]]]]:
        """What goes into one request together, and by which road; unsendable writes are settled here."""
        bodies: dict[int, dict[str, Any]] = {}
        for place, write in writes:
            try:
                bodies[place] = self._body(write)
            except Unsendable as error:
                code = str(error)
                found[place] = refused(write, ErrorDetail(code, "the value does not suit the field"))
        ready = [(place, write) for place, write in writes if place in bodies]
        guarded = [item for item in ready if item[1].guarded]
        free = [item for item in ready if not item[1].guarded]
        composite = len(guarded) > 1 and self._may_compose(guarded[0][1])
        size = COMPOSITE_PARTS if composite else 1
        for start in range(0, len(guarded), size):
            chunk = guarded[start : start + size]
            road = self._send_composite if len(chunk) > 1 else self._send_single
            yield chunk, lambda group, road=road: road(group, bodies)  # type: ignore[misc]
        size = COLLECTION_ROWS if self._collections else 1
        for start in range(0, len(free), size):
            yield free[start : start + size], lambda group: self._send_collection(group, bodies)

    # The three roads

    def _send_single(
        self, group: Sequence[Indexed], bodies: Mapping[int, dict[str, Any]]
    ) -> dict[int, Outcome]:
        (place, write), *_ = group
        headers = {**_AUTO_ASSIGN, **_condition(write)}
        try:
            reply = self._api.send("PATCH", _path(write), bodies[place], headers)
        except OutcomeUnknown as error:
            return {place: _lost(write, error)}
        return {place: outcome_of(write, reply.status, _readable(reply))}

    def _send_composite(
        self, group: Sequence[Indexed], bodies: Mapping[int, dict[str, Any]]
    ) -> dict[int, Outcome]:
        parts = [
            {
                "method": "PATCH",
                "url": f"{self._api.version_path}/{_path(write)}",
                "referenceId": f"w{place}",
                "httpHeaders": {**_AUTO_ASSIGN, **_condition(write)},
                "body": bodies[place],
            }
            for place, write in group
        ]
        try:
            reply = self._api.send(
                "POST", "composite", {"allOrNone": False, "compositeRequest": parts}, _AUTO_ASSIGN
            )
        except OutcomeUnknown as error:
            return {place: _lost(write, error) for place, write in group}
        if reply.status in (404, 405):
            self._composite = False
            found: dict[int, Outcome] = {}
            for item in group:
                found |= self._send_single([item], bodies)
            return found
        if reply.status >= 300:
            return {place: outcome_of(write, reply.status, _readable(reply)) for place, write in group}
        answers = _by_reference(_readable(reply))
        return {place: outcome_of(write, *answers.get(f"w{place}", (0, None))) for place, write in group}

    def _send_collection(
        self, group: Sequence[Indexed], bodies: Mapping[int, dict[str, Any]]
    ) -> dict[int, Outcome]:
        rows = [
            {"attributes": {"type": write.ref.object}, "id": write.ref.id, **bodies[place]}
            for place, write in group
        ]
        try:
            reply = self._api.send(
                "PATCH", "composite/sobjects", {"allOrNone": False, "records": rows}, _AUTO_ASSIGN
            )
        except OutcomeUnknown as error:
            return {place: _lost(write, error) for place, write in group}
        if reply.status in (404, 405):
            self._collections = False
            found: dict[int, Outcome] = {}
            for item in group:
                found |= self._send_single([item], bodies)
            return found
        body = _readable(reply)
        if reply.status >= 300:
            return {place: outcome_of(write, reply.status, body) for place, write in group}
        if not isinstance(body, list) or len(body) != len(group):
            body = [None] * len(group)  # nobody can tell which answer is whose
        return {place: outcome_of_row(write, row) for (place, write), row in zip(group, body, strict=True)}

    # Whether composite requests keep conditions

    def _may_compose(self, write: Write) -> bool:
        """Ask the server once: a read that must fail its condition, inside a composite request."""
        if self._composite is None:
            self._composite = self._probe(write)
            self._probes_left -= 1
            if self._composite is None and self._probes_left <= 0:
                self._composite = False
        return self._composite is True

    def _probe(self, write: Write) -> bool | None:
        part = {
            "method": "GET",
            "url": f"{self._api.version_path}/{_path(write)}?fields=Id",
            "referenceId": "probe",
            "httpHeaders": {"If-Unmodified-Since": _LONG_AGO},
        }
        try:
            answer = self._api.post("composite", {"allOrNone": False, "compositeRequest": [part]})
        except (QuotaSpent, AuthFailed):
            raise
        except NotOffered:
            return False
        except ConnectorError:
            return None
        status, _ = _by_reference(answer).get("probe", (0, None))
        if status == 412:
            return True
        return False if status == 200 else None

    # Bodies

    def _body(self, write: Write) -> dict[str, Any]:
        """The fields as JSON wants them: numbers and booleans are not text. Raises Unsendable."""
        if write.guarded and parse_ms(write.base) is None:
            raise Unsendable("NO_BASE")
        info = self._schema.describe(write.ref.object)
        return {name: _json_value(value, info.fields.get(name)) for name, value in write.fields.items()}


def _json_value(value: str | None, field: FieldInfo | None) -> Any:
    if value is None or field is None:
        return value
    if field.is_number:
        try:
            number = float(value)
        except ValueError:
            raise Unsendable("NUMBER_EXPECTED") from None
        return int(number) if number.is_integer() else number
    if field.type == "boolean":
        if value.lower() not in ("true", "false"):
            raise Unsendable("BOOLEAN_EXPECTED")
        return value.lower() == "true"
    return value


def _path(write: Write) -> str:
    return f"sobjects/{quote(write.ref.object, safe='')}/{quote(write.ref.id, safe='')}"


def _condition(write: Write) -> dict[str, str]:
    """The guard; nothing for an unguarded write."""
    base = parse_ms(write.base)
    if not write.guarded or base is None:
        return {}
    return {"If-Unmodified-Since": http_date(base)}


def _readable(reply: Reply) -> Any:
    """The body as JSON; None when empty, a text that says so when it is something else."""
    if not reply.body.strip():
        return None
    try:
        return decode(reply.body)
    except BrokenReply:
        return "unreadable"


def _by_reference(body: Any) -> dict[str, tuple[int, Any]]:
    """referenceId → (status, body) of a composite answer; what is not as documented is left out."""
    entries = body.get("compositeResponse") if isinstance(body, dict) else None
    found: dict[str, tuple[int, Any]] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            reference, status = entry.get("referenceId"), entry.get("httpStatusCode")
            if isinstance(reference, str) and isinstance(status, int):
                found[reference] = (status, entry.get("body"))
    return found


def _lost(write: Write, error: OutcomeUnknown) -> Outcome:
    return Outcome(write.ref, OutcomeKind.UNKNOWN, error.code, error.message)


def _unsent(write: Write, error: ConnectorError) -> Outcome:
    """A write that surely did not leave, because of what happened to an earlier one."""
    refusal = RefusalClass.TRANSIENT
    if isinstance(error, QuotaSpent):
        refusal = RefusalClass.QUOTA
    elif isinstance(error, AuthFailed):
        refusal = RefusalClass.AUTH
    return Outcome(write.ref, OutcomeKind.REFUSED, error.code or NOT_SENT, error.message, refusal)
