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
from typing import Any, Final, NamedTuple
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
    RightMissing,
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
_NOT_THERE: Final = (404, 405, 501)  # statuses of a server without that way of writing
_LONG_AGO: Final = "Sat, 01 Jan 2000 00:00:00 GMT"

LOST_IN_A_ROW: Final = 2
"""So many requests without an answer, and the way counts as broken: the rest is not sent."""


class Item(NamedTuple):
    """A write ready to go: its place in the caller's list, and its fields as JSON wants them."""

    place: int
    write: Write
    body: dict[str, Any]


Outcomes = dict[int, Outcome]
"""By place in the caller's list."""

Road = Callable[[Sequence[Item]], Outcomes]
"""How a group of items is sent in one request."""


class Unsendable(ValueError):
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
        items, found = self._prepare(writes)
        stopped: ConnectorError | None = None
        asked, lost = 0, 0
        for group, road in self._groups(items):
            if stopped is None:
                try:
                    found |= road(group)
                    asked += 1
                except (QuotaSpent, AuthFailed) as error:
                    if asked == 0:
                        raise
                    stopped = error
                except Retriable as error:
                    stopped = error
            if stopped is not None:
                found |= {item.place: _unsent(item.write, stopped) for item in group}
                continue
            silent = all(found[item.place].kind is OutcomeKind.UNKNOWN for item in group)
            lost = lost + 1 if silent else 0
            if lost >= LOST_IN_A_ROW:
                stopped = Retriable("not sent after lost answers", crm=CRM, code=NOT_SENT)
        return [found[place] for place in range(len(writes))]

    def _prepare(self, writes: Sequence[Write]) -> tuple[list[Item], Outcomes]:
        """What can be sent, and the outcomes of what cannot."""
        items: list[Item] = []
        settled: Outcomes = {}
        for place, write in enumerate(writes):
            try:
                items.append(Item(place, write, self._body(write)))
            except Unsendable as error:
                settled[place] = refused(write, ErrorDetail(str(error), "not a value of this field"))
            except (NotOffered, RightMissing) as error:
                settled[place] = refused(write, ErrorDetail("INVALID_TYPE", error.message))
            except Retriable as error:
                settled[place] = _unsent(write, error)
        return items, settled

    def _groups(self, items: Sequence[Item]) -> Iterator[tuple[Sequence[Item], Road]]:
        """What goes into one request together, and by which road."""
        guarded = [item for item in items if item.write.guarded]
        free = [item for item in items if not item.write.guarded]
        composite = len(guarded) > 1 and self._may_compose(guarded[0].write)
        size = COMPOSITE_PARTS if composite else 1
        for start in range(0, len(guarded), size):
            group = guarded[start : start + size]
            yield group, self._send_composite if len(group) > 1 else self._send_single
        size = COLLECTION_ROWS if self._collections else 1
        for start in range(0, len(free), size):
            yield free[start : start + size], self._send_collection

    # The three roads

    def _send_single(self, group: Sequence[Item]) -> Outcomes:
        """One PATCH each; more than one only where the roads below turned out to be closed."""
        found: Outcomes = {}
        for place, write, body in group:
            try:
                reply = self._api.send("PATCH", _path(write), body, {**_AUTO_ASSIGN, **_condition(write)})
            except OutcomeUnknown as error:
                found[place] = _lost(write, error)
            else:
                found[place] = outcome_of(write, reply.status, _readable(reply))
        return found

    def _send_composite(self, group: Sequence[Item]) -> Outcomes:
        parts = [
            {
                "method": "PATCH",
                "url": f"{self._api.version_path}/{_path(write)}",
                "referenceId": f"w{place}",
                "httpHeaders": {**_AUTO_ASSIGN, **_condition(write)},
                "body": body,
            }
            for place, write, body in group
        ]
        request = {"allOrNone": False, "compositeRequest": parts}
        try:
            reply = self._api.send("POST", "composite", request, _AUTO_ASSIGN)
        except OutcomeUnknown as error:
            return {item.place: _lost(item.write, error) for item in group}
        if reply.status in _NOT_THERE:
            self._composite = False
            return self._send_single(group)
        if reply.status >= 300:
            return {place: outcome_of(write, reply.status, _readable(reply)) for place, write, _ in group}
        answers = _by_reference(_readable(reply))
        return {place: outcome_of(write, *answers.get(f"w{place}", (0, None))) for place, write, _ in group}

    def _send_collection(self, group: Sequence[Item]) -> Outcomes:
        rows = [
            {"attributes": {"type": write.ref.object}, "id": write.ref.id, **body} for _, write, body in group
        ]
        request = {"allOrNone": False, "records": rows}
        try:
            reply = self._api.send("PATCH", "composite/sobjects", request, _AUTO_ASSIGN)
        except OutcomeUnknown as error:
            return {item.place: _lost(item.write, error) for item in group}
        if reply.status in _NOT_THERE:
            self._collections = False
            return self._send_single(group)
        answers = _readable(reply)
        if reply.status >= 300:
            return {place: outcome_of(write, reply.status, answers) for place, write, _ in group}
        if not isinstance(answers, list) or len(answers) != len(group):
            answers = [None] * len(group)  # nobody can tell which answer is whose
        return {item.place: outcome_of_row(item.write, row) for item, row in zip(group, answers, strict=True)}

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
