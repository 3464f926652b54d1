"""What an error of a connector means for the run: its code, its words, its exit code, and what it stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connectors.errors import (
    AuthFailed,
    BrokenReply,
    Conflict,
    ConnectorError,
    Fatal,
    NotOffered,
    QuotaSpent,
    RecordRejected,
    Retriable,
    RightMissing,
)
from sync.core.codes import prefixed
from sync.core.window import PagesInCircles
from sync.reports import RunProblem


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem, and whether more calls to this CRM make sense in this run.

    `answered`: the CRM did answer, if only with an error of its own; it may be this one address that is ill.
    """

    problem: RunProblem
    stops_crm: bool
    answered: bool = False


@dataclass(frozen=True, slots=True)
class _Family:
    code: str
    exit_code: int
    stops_crm: bool
    remedy: str


FAMILIES: Final[tuple[tuple[type[Exception], _Family], ...]] = (
    (
        AuthFailed,
        _Family("AUTH_FAILED", 4, True, "check the credentials; `mqlsync doctor` says what is missing"),
    ),
    (
        QuotaSpent,
        _Family("QUOTA_SPENT", 5, True, "nothing is lost: the next run goes on where this one stopped"),
    ),
    (
        BrokenReply,
        _Family("BROKEN_REPLY", 5, False, "nothing of that page was used; run again"),
    ),
    (
        Retriable,
        _Family("UNREACHABLE", 5, True, "check the connection; the next run goes on where this one stopped"),
    ),
    (
        RightMissing,
        _Family("RIGHT_MISSING", 4, False, "give the integration user the right; `mqlsync doctor` names it"),
    ),
    (
        NotOffered,
        _Family("NOT_OFFERED", 2, False, "take it out of mqlsync.toml, or create it in the CRM"),
    ),
    (
        RecordRejected,
        _Family("REFUSED", 3, False, "look the code up in the CRM's API reference; the next run asks again"),
    ),
    (
        PagesInCircles,
        _Family("PAGES_IN_CIRCLES", 5, False, "the server repeats itself; run again, or read with --full"),
    ),
    (
        ConnectorError,
        _Family("UNEXPECTED", 1, True, "run again with -v and report what it says"),
    ),
)
"""The first family that an error belongs to decides."""


def judge(error: ConnectorError | PagesInCircles, crm: str, where: str) -> Trouble:
    """The trouble that an error is; `where` is the feed or the act that met it."""
    kind = RecordRejected if _is_a_no(error) else type(error)
    family = next(family for known, family in FAMILIES if issubclass(kind, known))
    code = error.code if isinstance(error, ConnectorError) and error.code else family.code
    message = error.message if isinstance(error, ConnectorError) else str(error)
    if isinstance(error, QuotaSpent) and error.until is not None:
        message += f", until {error.until:%Y-%m-%dT%H:%M:%SZ}"
    problem = RunProblem(prefixed(crm, code), crm, f"{where}: {message}", family.remedy, family.exit_code)
    answered = isinstance(error, Retriable) and error.status is not None and error.status >= 500
    return Trouble(problem, family.stops_crm, answered)


def _is_a_no(error: ConnectorError | PagesInCircles) -> bool:
    """A definite answer to this one request that no other family explains."""
    status = error.status if isinstance(error, (Conflict, Fatal)) else None
    return status is not None and 400 <= status < 500
