"""A reply of HubSpot that is not a success → the error family that says what happens next. Pure.

Messages are put together from the status, the kind of call and HubSpot's own code words. HubSpot's free
text is never repeated: it may quote a person's data.

Sources: HubSpot's "API usage guidelines" and "Error handling" pages; bodies as reported in the issues of
the official clients (`policyName` TEN_SECONDLY_ROLLING, SECONDLY, DAILY; the message where it is absent).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from connectors.errors import (
    AuthFailed,
    Conflict,
    ConnectorError,
    Fatal,
    NotOffered,
    QuotaSpent,
    RecordRejected,
    Retriable,
    RightMissing,
)

CRM: Final = "hubspot"
TEN_SECONDLY: Final = "TEN_SECONDLY_ROLLING"
SECONDLY: Final = "SECONDLY"
DAILY: Final = "DAILY"
LONGEST_PAUSE: Final = 120.0  # seconds; told to wait longer, a run ends as deferred instead of standing still
LONGEST_BAN: Final = 86_400.0  # seconds; no limit of HubSpot lasts longer than a day
LOCKED_WAIT: Final = 2.0  # seconds; the least that HubSpot asks for after 423

_WAIT: Final[Mapping[str, float]] = {TEN_SECONDLY: 10.0, SECONDLY: 1.0}
_CODE: Final = re.compile(r"[A-Z][A-Z0-9_.]{2,60}")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def server_ms(self) -> int | None:
        """The server's clock by its Date header, epoch ms (whole seconds)."""
        moment = _http_date(self.headers.get("date", ""))
        return None if moment is None else int(moment.timestamp()) * 1000


def problem(reply: Reply) -> dict[str, Any]:
    """The error object of a body; empty when the body is no JSON object."""
    try:
        found = json.loads(reply.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def code_of(body: Mapping[str, Any]) -> str:
    """HubSpot's most precise code word in an error object, "" when it has none.

    Validation failures carry a JSON list inside the message (`"error":"INVALID_OPTION"`); elsewhere the
    word stands in `errors[].code`, `subCategory`, `category` or `errorType`.
    """
    inner = re.search(r'"error"\s*:\s*"([A-Z_]+)"', str(body.get("message") or ""))
    if inner:
        return inner[1]
    details = body.get("errors")
    first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
    words = (first.get("code"), first.get("subCategory"), body.get("subCategory"), body.get("category"),
             body.get("errorType"), body.get("error"))  # fmt: skip
    return next(
        (word for word in words if isinstance(word, str) and _CODE.fullmatch(word.upper())), ""
    ).upper()


def contexts_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The `context` objects of an error object and of the errors in it: ids, scopes, trace ids."""
    inner = body.get("errors")
    said = [body, *(inner if isinstance(inner, list) else [])]
    found = [entry.get("context") for entry in said if isinstance(entry, Mapping)]
    return [context for context in found if isinstance(context, dict)]


def property_of(body: Mapping[str, Any]) -> str:
    """The property that a validation failure names, "" when it names none."""
    message = str(body.get("message") or "")
    named = re.search(r'"name"\s*:\s*"([a-z0-9_]{1,100})"', message) or re.search(
        r'[Pp]roperty "([a-z0-9_]{1,100})"', message
    )
    return named[1] if named else ""


def invalid_values(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(property, HubSpot's sentence about its value) of a validation failure: the list inside its message.

    The sentence begins with the value. It is for comparing only, never for showing.
    """
    _, bracket, rest = str(body.get("message") or "").partition("[")
    try:
        entries = json.JSONDecoder().raw_decode(bracket + rest)[0] if bracket else []
    except ValueError:
        return []
    return [
        (str(entry.get("name") or ""), str(entry.get("message") or ""))
        for entry in entries
        if isinstance(entry, dict)
    ]


def policy_of(reply: Reply, body: Mapping[str, Any]) -> str:
    """Which limit a 429 speaks of: by policyName, then by the message, then by the daily header."""
    said = f"{body.get('policyName') or ''} {body.get('message') or ''}".upper()
    if "TEN_SECONDLY" in said:
        return TEN_SECONDLY
    if "SECONDLY" in said:
        return SECONDLY
    if DAILY in said or reply.headers.get("x-hubspot-ratelimit-daily-remaining") == "0":
        return DAILY
    return ""


def failure(reply: Reply, what: str, now: datetime, zone_offset: timedelta | None) -> ConnectorError:
    """The family of a reply outside 2xx. `what` names the call; `zone_offset` is the account's, for the
    moment at which its daily quota starts anew (midnight there)."""
    body, status = problem(reply), reply.status
    code = code_of(body)
    message = f"HubSpot answered {status}{f' {code}' if code else ''} to {what}"
    if status == 429:
        return _too_many(reply, body, message, now, zone_offset)
    if status == 401 or (status == 530 and body):
        return AuthFailed(message, crm=CRM, code=code or str(status), status=status)
    if status == 403:
        scopes = _scopes(body)
        asked = f"; the token needs {', '.join(scopes)}" if scopes else ""
        return RightMissing(message + asked, crm=CRM, code=code or "403", status=status)
    if status in (404, 405, 410, 501) or _names_no_type(status, body):
        return NotOffered(message, what=what, crm=CRM, code=code or str(status), status=status)
    if status == 409:
        return Conflict(message, crm=CRM, code=code or "409", status=status)
    if status in (400, 413, 415, 422):
        return RecordRejected(message, crm=CRM, code=code or "400", status=status)
    if status in (408, 423, 425, 477) or status >= 500:
        delay = retry_after(reply, now)
        if status == 423:
            delay = max(LOCKED_WAIT, delay or 0.0)
        return Retriable(message, delay=delay, crm=CRM, code=code or str(status), status=status)
    return Fatal(message, crm=CRM, code=code or str(status), status=status)


def retry_after(reply: Reply, now: datetime) -> float | None:
    """Seconds that Retry-After names, as a number or as a date; None without it."""
    value = reply.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    moment = _http_date(value)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def _too_many(
    reply: Reply, body: Mapping[str, Any], message: str, now: datetime, zone_offset: timedelta | None
) -> ConnectorError:
    policy, named = policy_of(reply, body), retry_after(reply, now)
    if policy == DAILY:
        until = _later(now, named) if named is not None else _midnight(now, zone_offset)
        return QuotaSpent(message, until=until, crm=CRM, code=DAILY)
    if named is not None and named > LONGEST_PAUSE:
        return QuotaSpent(message, until=_later(now, named), crm=CRM, code=policy or "RATE_LIMIT")
    delay = named if named is not None else _WAIT.get(policy, _WAIT[TEN_SECONDLY])
    return Retriable(message, delay=delay, crm=CRM, code=policy or "RATE_LIMIT", status=429)


def _later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=min(seconds, LONGEST_BAN))


def _midnight(now: datetime, zone_offset: timedelta | None) -> datetime | None:
    if zone_offset is None:
        return None
    local = now.astimezone(UTC) + zone_offset
    return local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - zone_offset


def _scopes(body: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for context in contexts_of(body):
        for scopes in context.values():
            found += [str(scope) for scope in (scopes if isinstance(scopes, list) else [scopes])]
    return list(dict.fromkeys(scope for scope in found if re.fullmatch(r"[a-z0-9_.\-]{2,80}", scope)))


def _names_no_type(status: int, body: Mapping[str, Any]) -> bool:
    """400 "Unable to infer object type from: ..." is how an unknown object type is answered."""
    message = str(body.get("message") or "").lower()
    return status == 400 and (
        "infer object type" in message or "invalid_type" in f"{message} {code_of(body)}".lower()
    )


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
