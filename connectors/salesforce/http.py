"""What a reply of Salesforce means: status and body → error family, and the facts in its headers.

    REST errors are a JSON array [{"errorCode", "message", "fields"}]; the token endpoint answers
    {"error", "error_description"}; gateways answer HTML or nothing. Whatever cannot be read is judged
    by its status alone. No body, token or person's data gets into an error: messages are scrubbed.

Sources: REST API Developer Guide, "Status Codes and Error Responses", "Limits", "Limit Info Header".
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from connectors.errors import (
    AuthFailed,
    BrokenReply,
    Conflict,
    ConnectorError,
    Fatal,
    Moved,
    NotOffered,
    QuotaSpent,
    RecordRejected,
    Retriable,
    RightMissing,
)

CRM: Final = "salesforce"

SESSION_CODES: Final = frozenset({"INVALID_SESSION_ID", "INVALID_AUTH_HEADER"})
"""401 with one of these: the token is dead, a new one helps."""

WORDLESS: Final = (400, 402, 406, 409, 411, 413, 415, 422)
"""Statuses that say no to this request alone, also where no word of Salesforce's goes with them."""

LONG_CALL: Final = 20.0
"""Seconds. Too many calls that take this long at once: it is no use to ask again much sooner."""

NOT_MADE: Final = (501, 505)
"""5xx that no patience mends: the server has no such thing."""

_LIMIT: Final = re.compile(r"(?<!-)\bapi-usage=(\d+)/(\d+)")  # also before "; per-app-api-usage=…"
_COLUMN: Final = re.compile(r"No such column '([\w.]+)' on (?:entity|sobject of type) '?(\w+)", re.IGNORECASE)
_RELATION: Final = re.compile(r"Didn't understand relationship '(\w+)'", re.IGNORECASE)
_TYPE: Final = re.compile(r"sObject type '(\w+)'", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[^\s@'\"<>:;,(]+@[^\s@'\"<>:;,)]+")
_ID: Final = re.compile(r"\b[a-zA-Z0-9]{5}0[a-zA-Z0-9]{9}(?:[A-Z0-9]{3})?\b")
_TOKEN: Final = re.compile(r"\b00D\w{9,}!\S+")
_MESSAGE_LENGTH: Final = 200  # characters

_LACKING: Final = frozenset({"INVALID_TYPE", "INVALID_FIELD", "INVALID_QUERY_FILTER_OPERATOR"})
_RIGHTS: Final = frozenset(
    {
        "API_DISABLED_FOR_ORG",
        "API_CURRENTLY_DISABLED",
        "INSUFFICIENT_ACCESS",
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        "FUNCTIONALITY_NOT_ENABLED",
        "FUNCTIONALITY_TEMPORARILY_UNAVAILABLE",
    }
)
_PASSING: Final = frozenset(
    {
        "SERVER_UNAVAILABLE",
        "QUERY_TIMEOUT",
        "UNABLE_TO_LOCK_ROW",
        "REQUEST_RUNNING_TOO_LONG",
        "INVALID_QUERY_LOCATOR",
    }
)


class Reply(NamedTuple):
    """One HTTP answer, fully read. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes)"


class ErrorDetail(NamedTuple):
    """One entry of an error array, made safe to show."""

    code: str
    message: str
    fields: tuple[str, ...] = ()


def scrub(text: str) -> str:
    """A message without e-mail addresses, record ids and tokens, on one line, at most 200 characters."""
    text = _TOKEN.sub("…", text)
    text = _EMAIL.sub("…@…", text)
    text = _ID.sub("…", text)
    text = " ".join(text.split())
    return text if len(text) <= _MESSAGE_LENGTH else text[: _MESSAGE_LENGTH - 1] + "…"


def error_details(body: Any) -> list[ErrorDetail]:
    """What a decoded error body says: REST array, single object, token endpoint; [] when unreadable."""
    found = []
    for entry in body if isinstance(body, list) else [body]:
        if not isinstance(entry, dict):
            continue
        code = entry.get("errorCode") or entry.get("statusCode") or entry.get("error")
        message = entry.get("message") or entry.get("error_description")
        fields = entry.get("fields")
        if isinstance(code, str):
            names = tuple(str(name) for name in fields) if isinstance(fields, list) else ()
            found.append(
                ErrorDetail(" ".join(code.split()), scrub(message) if isinstance(message, str) else "", names)
            )
    return found


def decode(body: bytes) -> Any:
    """The JSON value in a body. Raises BrokenReply for anything else: empty, cut, HTML, not UTF-8."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BrokenReply("the reply is not JSON", crm=CRM, code="NOT_JSON") from exc


def error_of(reply: Reply) -> ConnectorError:
    """The family of a reply that is no success. 401 is AuthFailed; refreshing comes before asking here."""
    try:
        body = decode(reply.body)
    except BrokenReply:
        body = None
    details = error_details(body)
    first = details[0] if details else ErrorDetail("", f"HTTP {reply.status}")
    message = f"{first.code}: {first.message}" if first.code else first.message
    known = {"crm": CRM, "code": first.code}
    if 300 <= reply.status < 400 and reply.status not in (300, 304):
        return Fatal("a redirect, which is never followed", status=reply.status, crm=CRM, code="REDIRECT")
    quota = _quota(reply, first, message)
    if quota is not None:
        return quota
    if reply.status == 401 or first.code in SESSION_CODES:
        return AuthFailed(message, status=reply.status, **known)
    broken = reply.status >= 500 and reply.status not in NOT_MADE
    if broken or reply.status in (408, 425) or first.code in _PASSING:
        return Retriable(message, delay=retry_after(reply), status=reply.status, **known)
    if reply.status == 412 or first.code == "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE":
        return Conflict(message, status=412, **known)
    return _refusal(reply, first, message)


def _quota(reply: Reply, first: ErrorDetail, message: str) -> ConnectorError | None:
    if first.code == "REQUEST_LIMIT_EXCEEDED":
        if "concurrent" in first.message.lower():
            # Too many calls at once is refused before anything is done: as good as a 429.
            delay = retry_after(reply) or LONG_CALL
            return Retriable(message, delay=delay, crm=CRM, code=first.code, status=429)
        return QuotaSpent(message, crm=CRM, code=first.code)
    if reply.status == 429:
        return Retriable(message, delay=retry_after(reply), crm=CRM, code=first.code, status=429)
    return None


def _refusal(reply: Reply, first: ErrorDetail, message: str) -> ConnectorError:
    known = {"crm": CRM, "code": first.code}
    if first.code in _LACKING:
        return NotOffered(message, what=what_is_lacking(first.message), status=reply.status, **known)
    if first.code == "ENTITY_IS_DELETED":
        return Moved(message, crm=CRM, code=first.code)
    if reply.status in (404, 405, 410) or reply.status in NOT_MADE:
        return NotOffered(message, what="", status=reply.status, **known)
    if reply.status == 403 or first.code in _RIGHTS:
        return RightMissing(message, status=reply.status, **known)
    if first.code and reply.status in (400, 300, 409, 422):
        return RecordRejected(message, status=reply.status, **known)
    if reply.status in WORDLESS:
        return RecordRejected(message, status=reply.status, crm=CRM, code=f"HTTP_{reply.status}")
    return Fatal(message, status=reply.status, **known)


def what_is_lacking(message: str) -> str:
    """`Lead.Foo__c`, `Foo__c` or `CampaignMember`, as far as the message names it; else ""."""
    if match := _COLUMN.search(message):
        return f"{match[2]}.{match[1]}"
    if match := _TYPE.search(message) or _RELATION.search(message):
        return match[1]
    return ""


def api_usage(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """(used, limit) of the account from `Sforce-Limit-Info`; None when the reply does not say."""
    match = _LIMIT.search(headers.get("sforce-limit-info", ""))
    return (int(match[1]), int(match[2])) if match else None


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """The `Date` header; None when absent or unreadable."""
    return _http_date(headers.get("date", ""))


def retry_after(reply: Reply) -> float | None:
    """`Retry-After` in seconds, given as seconds or as a date beside the reply's own; None when absent."""
    text = reply.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    until, now = _http_date(text), server_time(reply.headers)
    return max(0.0, (until - now).total_seconds()) if until is not None and now is not None else None


def _http_date(text: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def says_dead_session(reply: Reply) -> bool:
    """401, whatever its body; or another refusal that names the session."""
    if reply.status not in (400, 403):
        return reply.status == 401
    try:
        details = error_details(decode(reply.body))
    except BrokenReply:
        return False
    return bool(details) and details[0].code in SESSION_CODES
