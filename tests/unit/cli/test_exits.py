"""Every error has a sentence and an exit code; nobody is shown a traceback unasked."""

from __future__ import annotations

import errno
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import connectors.errors
from config.errors import ConfigError, NotSetUp, Problem
from connectors.errors import AuthFailed, ConnectorError, NotOffered, QuotaSpent, Retriable, RightMissing
from sync.cli.errors import NotFound, UsageFault
from sync.cli.exits import EXIT_CODES, ending, reference
from sync.demo.telling import DemoFailed
from sync.handover import NotCarriedOut, Relayed
from sync.mirror.backup import FileInTheWay, MirrorBusy, NotSqlite
from sync.mirror.copying import Differs, NotEmpty
from sync.mirror.lease import LeaseHeld, LeaseLost
from sync.mirror.moved import MirrorMoved
from sync.mirror.outbox import OutboxRaced
from sync.mirror.plans import NoSuchPlan, PlanOver, SeveralPlans
from sync.mirror.unusable import (
    DatabaseDamaged,
    DatabaseLocked,
    DatabaseNewer,
    DatabaseRefused,
    DatabaseUnreachable,
    DatabaseUnusable,
    DiskFull,
)
from sync.reports import EXIT_PRECEDENCE
from sync.requests import CrmOff
from sync.resync import NobodyThere, NoSuchFeed
from sync.sandbox_process import SandboxFailed

ROOT = Path(__file__).resolve().parents[3]

CASES: list[tuple[BaseException, int, str]] = [
    (ConfigError([Problem("is missing", "x.toml", 3, "a.b")]), 2, "x.toml:3: a.b: is missing"),
    (UsageFault("Say which."), 2, "Say which."),
    (NotSetUp(["/etc/mqlsync", "/home/x"]), 10, "mqlsync init"),
    (NotFound("Nobody here."), 7, "Nobody here."),
    (
        AuthFailed("the token is revoked", crm="hubspot", code="EXPIRED"),
        4,
        "HubSpot (EXPIRED): sign-in failed",
    ),
    (RightMissing("needs crm.objects.contacts.read", crm="hubspot"), 4, "HubSpot: a right is missing"),
    (
        QuotaSpent("250,000 used", crm="hubspot", until=datetime(2026, 11, 3, tzinfo=UTC)),
        5,
        "from 2026-11-03 00:00 UTC on",
    ),
    (Retriable("timed out", crm="salesforce"), 5, "Salesforce: cannot be reached"),
    (NotOffered("no such column", what="MQL_Score__c", crm="salesforce"), 2, "has no MQL_Score__c"),
    (LeaseHeld("daemon on host, process 7", 1_800_000_000), 11, "daemon on host, process 7"),
    (LeaseLost(), 11, "another mqlsync took over"),
    (DatabaseDamaged("/x.db", "malformed"), 12, "/x.db: malformed"),
    (DatabaseNewer("/x.db", "0009", "0003"), 12, "schema 0009"),
    (DiskFull("/x.db", 0), 13, "The disk is full: /x.db"),
    (OSError(errno.ENOSPC, "No space left on device"), 13, "The disk is full"),
    (DatabaseLocked("/x.db", 30.0), 5, "locked the database for 30 s"),
    (DatabaseUnusable("/x.db", "unable to open"), 2, "Check database_url"),
    (DatabaseUnreachable("db.example:5432", "connection refused"), 5, "does not answer: db.example:5432"),
    (DatabaseRefused("db.example:5432", "no password"), 4, "Check user and rights there"),
    (MirrorMoved("/x.db", "db.example:5432"), 2, "Set database_url to the new one"),
    (NotEmpty("db.example:5432", "person"), 2, "there are rows in person"),
    (Differs("person", 7, 6), 1, "person read back is not what was copied"),
    (NoSuchPlan("abc"), 7, "There is no plan abc"),
    (NoSuchPlan(None), 7, "No plan waits"),
    (SeveralPlans(["a1", "b2"]), 2, "a1, b2"),
    (PlanOver("a1", "expired"), 9, "Plan a1 is expired"),
    (OutboxRaced("i1", "sent"), 11, "Another mqlsync changed the outbox"),
    (NobodyThere("ann@example.com"), 7, "Nobody is ann@example.com"),
    (NoSuchFeed("hubspot", "contact", ["contacts"]), 2, "did you mean 'contacts'?"),
    (NotSqlite(), 2, "pg_dump"),
    (FileInTheWay(Path("/x.db")), 2, "/x.db exists already"),
    (MirrorBusy(), 11, "Another mqlsync"),
    (NotCarriedOut("the daemon ended while it was at it"), 5, "handed to the daemon, and the daemon ended"),
    (CrmOff("hubspot"), 2, "hubspot has no credentials and is off"),
    (Relayed(9, ["Plan a1 is expired; nothing was sent."]), 9, "Plan a1 is expired"),
    (SandboxFailed("no line"), 1, "did not start: no line"),
    (DemoFailed("an edit is gone"), 1, "an edit is gone"),
    (ValueError("secret-canary of ann@example.com"), 1, "a bug of mqlsync"),
]


@pytest.mark.parametrize(
    ("error", "code", "part"), CASES, ids=[type(error).__name__ for error, _, _ in CASES]
)
def test_error_to_sentence_and_code(error: BaseException, code: int, part: str) -> None:
    end = ending(error)
    assert end.code == code
    assert part in "\n".join(end.lines)
    assert all(0 < len(line) <= 250 for line in end.lines)
    assert "secret-canary" not in "\n".join(end.lines)


def test_every_code_is_explained() -> None:
    assert {ending(error).code for error, _, _ in CASES} <= set(EXIT_CODES)
    assert set(EXIT_PRECEDENCE) <= set(EXIT_CODES)


def test_every_family_of_connector_errors_has_words() -> None:
    families = [
        kind
        for kind in vars(connectors.errors).values()
        if isinstance(kind, type) and issubclass(kind, ConnectorError)
    ]
    assert len(families) > 8
    for kind in families:
        error = kind("it happened", what="x") if kind is NotOffered else kind("it happened")
        end = ending(error)
        assert "it happened" in "\n".join(end.lines)
        assert len(end.lines) > 1, f"{kind.__name__} says nothing about what to do"


def test_every_error_that_names_its_exit_code_has_that_one() -> None:
    known = {type(error).__name__: code for error, code, _ in CASES}
    told = re.compile(r'^class (\w+)\([^)]*\):.*\n    """(?:(?!""")[\s\S])*?Exit code (\d+)', re.MULTILINE)
    found: dict[str, int] = {}
    for package in ("config", "connectors", "scoring", "sync"):
        for path in (ROOT / package).rglob("*.py"):
            found |= {name: int(code) for name, code in told.findall(path.read_text(encoding="utf-8"))}
    assert len(found) > 10
    assert {name: known.get(name) for name in found} == found


def test_the_reference_of_a_bug_is_short_and_the_same_each_time() -> None:
    def fail(text: str) -> str:
        try:
            raise KeyError(text)
        except KeyError as error:
            return reference(error)

    first, second = (fail(text) for text in ("a", "b"))
    assert first == second
    assert len(first) == 8
