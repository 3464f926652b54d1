"""Errors → the sentence that a person reads and the exit code, in one place.

0 all fine · 1 our bug · 2 usage or configuration · 3 finished, some records parked or failed
4 sign-in or right missing · 5 CRM unreachable or budget spent, try later · 6 stopped by a safety limit
7 not found · 8 changes pending · 9 plan stale or conflict · 10 not set up · 11 another instance holds the
lease · 12 database damaged or newer · 13 disk full · 130 interrupted · 143 terminated
"""

from __future__ import annotations

import errno
import hashlib
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from config.errors import ConfigError, NotSetUp
from config.world import from_epoch
from connectors.errors import (
    AuthFailed,
    ConnectorError,
    NotOffered,
    QuotaSpent,
    Retriable,
    RightMissing,
)
from sync.cli.errors import NotFound, UsageFault
from sync.cli.words import crm_name, unknown
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
from sync.requests import CrmOff
from sync.resync import NobodyThere, NoSuchFeed
from sync.sandbox_process import SandboxFailed

EXIT_CODES: Final[Mapping[int, str]] = {
    0: "all fine",
    1: "a bug of ours",
    2: "usage or configuration",
    3: "finished, some records parked or failed",
    4: "sign-in failed or a right is missing",
    5: "CRM unreachable or budget spent: try later",
    6: "stopped by a safety limit: approval needed",
    7: "not found",
    8: "changes pending (`plan --detailed-exitcode`)",
    9: "plan stale or conflict",
    10: "not set up",
    11: "another instance holds the lease",
    12: "database damaged or newer",
    13: "disk full",
    130: "interrupted; nothing is left half done",
    143: "terminated; nothing is left half done",
}
"""What each exit code means."""


class Ending(NamedTuple):
    """How a command ends: its exit code, and what to tell, one sentence a line."""

    code: int
    lines: list[str]


def ending(error: BaseException) -> Ending:
    """The ending for an error that reached the top of the command line."""
    if isinstance(error, Relayed):
        return Ending(error.exit_code, error.lines)
    for kind, code, words in _RULES:
        if isinstance(error, kind):
            return Ending(code, words(error))
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Ending(13, ["The disk is full. Make room and run the same command again; nothing was lost."])
    return Ending(1, _our_bug(error))


def _our_bug(error: BaseException) -> list[str]:
    return [
        f"Something went wrong that should not have: a bug of mqlsync (reference {reference(error)}).",
        "What was committed is safe; running the same command again is safe too.",
        "Run it with -v to see where it happened, and report that.",
    ]


def reference(error: BaseException) -> str:
    """Eight characters that are the same whenever the same line of our code fails the same way."""
    frames = traceback.extract_tb(error.__traceback__)
    place = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-3:]]
    text = " ".join([type(error).__name__, *place])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _config(error: ConfigError) -> list[str]:
    count = len(error.problems)
    head = (
        "There is a problem in the configuration:"
        if count == 1
        else f"There are {count} problems in the configuration:"
    )
    return [head, *(f"  {problem}" for problem in error.problems)]


def _not_set_up(error: NotSetUp) -> list[str]:
    return [
        f"mqlsync is not set up: there is no mqlsync.toml in {' or '.join(error.searched)}.",
        "Run `mqlsync init` to write one, or say where it is with --config-dir DIR.",
    ]


def _crm(error: ConnectorError) -> str:
    name = crm_name(error.crm) or "The CRM"
    return f"{name} ({error.code})" if error.code else name


def _auth(error: AuthFailed) -> list[str]:
    return [
        f"{_crm(error)}: sign-in failed: {error.message}",
        "Check the credentials in the environment; `mqlsync doctor` says which are used and from where.",
    ]


def _right(error: RightMissing) -> list[str]:
    return [
        f"{_crm(error)}: a right is missing: {error.message}",
        "Give it to the integration user or app; `mqlsync doctor` lists every right that is needed.",
    ]


def _quota(error: QuotaSpent) -> list[str]:
    when = f"from {error.until:%Y-%m-%d %H:%M} UTC on" if error.until else "later"
    return [
        f"{_crm(error)}: no API calls are left for now: {error.message}",
        f"What was pulled is kept. Run the same command again {when}; it goes on where it stopped.",
    ]


def _retriable(error: Retriable) -> list[str]:
    return [
        f"{_crm(error)}: cannot be reached or does not answer properly: {error.message}",
        "What was pulled is kept. Run the same command again later; it goes on where it stopped.",
    ]


def _not_offered(error: NotOffered) -> list[str]:
    return [
        f"{_crm(error)}: this account has no {error.what}: {error.message}",
        "Take it out of mqlsync.toml, or create it in the CRM.",
    ]


def _other_crm(error: ConnectorError) -> list[str]:
    return [f"{_crm(error)}: {error.message}", "Run `mqlsync doctor` to see what else is wrong there."]


def _held(error: LeaseHeld) -> list[str]:
    until = from_epoch(error.until)
    return [
        f"Another mqlsync works on this database: {error.holder} (until {until:%H:%M:%S} UTC at least).",
        "Wait for it to finish, or stop it, and run the same command again.",
    ]


def _lost(_: LeaseLost) -> list[str]:
    return [
        "This process stood still, or was cut off from its database, and another mqlsync took over.",
        "It recorded nothing more. The other one reads back what was sent. Nothing needs repair.",
    ]


def _damaged(error: DatabaseDamaged) -> list[str]:
    return [
        f"The database is damaged: {error.where}: {error.detail}",
        "Nothing was written to it; `mqlsync db verify` says more. Every record can be pulled again: keep",
        "the damaged file, set another database_url, and run `mqlsync sync --full`.",
    ]


def _newer(error: DatabaseNewer) -> list[str]:
    return [
        f"The database was migrated by a newer mqlsync: {error.where} has schema {error.found}.",
        f"This version knows {error.known}. Use the newer version.",
    ]


def _locked(error: DatabaseLocked) -> list[str]:
    return [
        f"Another program has locked the database for {error.waited:.0f} s: {error.where}",
        "Close it, or try again later.",
    ]


def _full(error: DiskFull) -> list[str]:
    return [
        f"The disk is full: {error.where}.",
        "What did not fit was not kept, nothing else is lost. Make room and run the same command again.",
    ]


def _unreachable(error: DatabaseUnreachable) -> list[str]:
    return [
        f"The database server does not answer: {error.where}: {error.detail}",
        "What was committed is kept. Run the same command again when it does; the daemon goes on by itself.",
    ]


def _refused(error: DatabaseRefused) -> list[str]:
    return [
        f"The database server refuses: {error.where}: {error.detail}",
        "Check user and rights there, and the password: MQLSYNC_DATABASE_URL, MQLSYNC_DATABASE_URL_FILE or",
        "PGPASSFILE.",
    ]


def _unusable(error: DatabaseUnusable) -> list[str]:
    return [
        f"The database cannot be used: {error.where}: {error.detail}",
        "Check database_url, and that this user may write to the file and its folder.",
    ]


def _not_sqlite(_: NotSqlite) -> list[str]:
    return [
        "The mirror is on PostgreSQL, which has its own tools for this:",
        "  pg_dump --format=custom --file=mirror.dump URL       copies it, also while the daemon runs",
        "  pg_restore --clean --if-exists --dbname=URL mirror.dump       puts it back; stop the daemon first",
        "  mqlsync db restored       says so: before you approve a plan again nothing is written to a CRM",
        "URL is database_url without `+psycopg`; give the password by PGPASSFILE.",
    ]


def _moved(error: MirrorMoved) -> list[str]:
    return [
        f"The mirror {error.old} was moved to {error.where}; nothing is written from it any more.",
        "Set database_url to the new one. To go back, `mqlsync db copy` it into another new database.",
    ]


def _not_empty(error: NotEmpty) -> list[str]:
    return [
        f"{error.where} is not empty: there are rows in {error.table}; nothing was copied.",
        "Name a database without rows of mqlsync.",
    ]


def _differs(error: Differs) -> list[str]:
    return [
        f"{error.table} read back is not what was copied ({error.rows} rows, {error.read} read back).",
        "Nothing was kept in the new database and the old one is as it was: this is a bug of mqlsync.",
    ]


def _in_the_way(error: FileInTheWay) -> list[str]:
    return [f"{error.file} exists already; nothing was done."]


def _busy(_: MirrorBusy) -> list[str]:
    return ["Another mqlsync works on this mirror. Stop it, then run the same command again."]


def _no_plan(error: NoSuchPlan) -> list[str]:
    if error.digest is None:
        return ["No plan waits for approval."]
    return [f"There is no plan {error.digest}.", "`mqlsync plan` shows the present one and its digest."]


def _several_plans(error: SeveralPlans) -> list[str]:
    return [f"{len(error.digests)} plans are meant by that: name one of {', '.join(error.digests)}."]


def _plan_over(error: PlanOver) -> list[str]:
    return [f"Plan {error.digest} is {error.state}; nothing was sent.", "`mqlsync plan` makes a new one."]


def _raced(_: OutboxRaced) -> list[str]:
    return [
        "Another mqlsync changed the outbox at the same time; this one stopped and recorded nothing more.",
        "Run the same command again: what was sent is read back first.",
    ]


def _nobody(error: NobodyThere) -> list[str]:
    return [f"Nobody is {error.who}, neither in the mirror nor in a CRM.", "Check the address, id or URL."]


def _no_feed(error: NoSuchFeed) -> list[str]:
    return [f"{unknown(f'object of {error.crm}', error.object, error.known)}."]


def _not_carried_out(error: NotCarriedOut) -> list[str]:
    return [
        f"This was handed to the daemon, and {error.why}.",
        "Whatever it finished is kept and will not be done twice; run the same command again.",
    ]


def _crm_off(error: CrmOff) -> list[str]:
    return [f"{error.crm} has no credentials and is off; `mqlsync doctor` says which variables to set"]


def _sandbox(error: SandboxFailed) -> list[str]:
    return [f"The simulated CRMs did not start: {error}", "Run it again with -v, and report what it says."]


def _demo(error: DemoFailed) -> list[str]:
    return [f"The demo did not end as it should have: {error}", "This is a bug of mqlsync: please report it."]


def _message(error: Exception) -> list[str]:
    return str(error).splitlines()


_RULES: Final[tuple[tuple[type[BaseException], int, Callable[[Any], list[str]]], ...]] = (
    (ConfigError, 2, _config),
    (UsageFault, 2, _message),
    (NotFound, 7, _message),
    (NotSetUp, 10, _not_set_up),
    (AuthFailed, 4, _auth),
    (RightMissing, 4, _right),
    (QuotaSpent, 5, _quota),
    (Retriable, 5, _retriable),
    (NotOffered, 2, _not_offered),
    (ConnectorError, 1, _other_crm),
    (LeaseHeld, 11, _held),
    (LeaseLost, 11, _lost),
    (DatabaseDamaged, 12, _damaged),
    (DatabaseNewer, 12, _newer),
    (DiskFull, 13, _full),
    (DatabaseLocked, 5, _locked),
    (DatabaseUnreachable, 5, _unreachable),
    (DatabaseRefused, 4, _refused),
    (DatabaseUnusable, 2, _unusable),
    (NoSuchPlan, 7, _no_plan),
    (SeveralPlans, 2, _several_plans),
    (PlanOver, 9, _plan_over),
    (OutboxRaced, 11, _raced),
    (NotSqlite, 2, _not_sqlite),
    (MirrorMoved, 2, _moved),
    (NotEmpty, 2, _not_empty),
    (Differs, 1, _differs),
    (FileInTheWay, 2, _in_the_way),
    (MirrorBusy, 11, _busy),
    (NotCarriedOut, 5, _not_carried_out),
    (CrmOff, 2, _crm_off),
    (NobodyThere, 7, _nobody),
    (NoSuchFeed, 2, _no_feed),
    (SandboxFailed, 1, _sandbox),
    (DemoFailed, 1, _demo),
)
"""Error → exit code and words; the first row that fits. Narrow kinds stand before wide ones."""
