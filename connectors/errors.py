"""Error families, named by what happens next.

ConnectorError                 carries crm, code, message; never a body, a token or a person's data
├── Retriable(delay)           wait and do it again: 429 of a burst limit, 5xx, timeouts, lost connections
│   └── BrokenReply            a 2xx that is not what was asked for: HTML, cut JSON, wrong counts
├── QuotaSpent(until)          the day's calls are gone: the run is deferred
├── AuthFailed                 signing in failed for good
├── RightMissing               signed in, but not allowed (scope, permission, API disabled)
├── NotOffered(what)           this account has no such object, field or endpoint
├── RecordRejected(code)       the CRM refused one record; park it
├── Conflict                   somebody wrote since we read; decide again
├── Moved(to)                  the record is gone; `to` is its survivor where there is one
├── OutcomeUnknown             a write may or may not have happened; read back first
└── Fatal                      none of the above: our mistake or a broken server; stop
"""

from __future__ import annotations

from datetime import datetime

from connectors.records.refs import RecordRef


class ConnectorError(Exception):
    """Anything a CRM or the way to it did to us."""

    def __init__(self, message: str, *, crm: str = "", code: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.crm = crm
        self.code = code
        self.status = status


class Retriable(ConnectorError):
    """Worth another try after `delay` seconds (None: the policy's own back-off)."""

    def __init__(
        self,
        message: str,
        *,
        delay: float | None = None,
        crm: str = "",
        code: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(message, crm=crm, code=code, status=status)
        self.delay = delay


class BrokenReply(Retriable):
    """A reply that cannot be believed; nothing of it is used."""


class QuotaSpent(ConnectorError):
    """No calls left until `until` (None: unknown, try at the next run)."""

    def __init__(self, message: str, *, until: datetime | None = None, crm: str = "", code: str = "") -> None:
        super().__init__(message, crm=crm, code=code)
        self.until = until


class AuthFailed(ConnectorError):
    """The credentials are wrong, expired or revoked."""


class RightMissing(ConnectorError):
    """The credentials are good, the right is missing."""


class NotOffered(ConnectorError):
    """The account does not have `what` (an object, a field or an endpoint)."""

    def __init__(
        self, message: str, *, what: str, crm: str = "", code: str = "", status: int | None = None
    ) -> None:
        super().__init__(message, crm=crm, code=code, status=status)
        self.what = what


class RecordRejected(ConnectorError):
    """The CRM refused this record; others are unaffected."""


class Conflict(ConnectorError):
    """The record changed after we read it."""


class Moved(ConnectorError):
    """The record is gone, perhaps into another one."""

    def __init__(self, message: str, *, to: RecordRef | None = None, crm: str = "", code: str = "") -> None:
        super().__init__(message, crm=crm, code=code)
        self.to = to


class OutcomeUnknown(ConnectorError):
    """The request left, no usable answer came; it may have had its effect."""


class Fatal(ConnectorError):
    """Nothing here knows what to do about it."""
