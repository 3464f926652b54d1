"""What can be wrong with the database behind the mirror, and what of that a driver's error means."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Final

from sync.mirror.room import no_room

MAY_BE_FULL: Final = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
UNUSABLE: Final = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_IOERR,
)
REFUSED: Final = ("authentication failed", "no password supplied", "no pg_hba.conf entry", "role ")


class DatabaseUnusable(Exception):
    """The database cannot be opened, read or written as it should. `where` is the file or the URL."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(f"{where}: {detail}")
        self.where = where
        self.detail = detail


class DatabaseDamaged(DatabaseUnusable):
    """The file is not a database, or parts of it contradict each other. Exit code 12."""


class DatabaseNewer(DatabaseUnusable):
    """A newer mqlsync migrated this database: we do not know revision `found`. Exit code 12."""

    def __init__(self, where: str, found: str, known: str) -> None:
        super().__init__(where, f"schema {found} is newer than {known}")
        self.found = found
        self.known = known


class DatabaseLocked(DatabaseUnusable):
    """Another process held the database for `waited` seconds. Try later."""

    def __init__(self, where: str, waited: float) -> None:
        super().__init__(where, f"locked by another process for {waited:.0f} s")
        self.waited = waited


class DatabaseUnreachable(DatabaseUnusable):
    """The server does not answer, or broke off: nothing of the transaction was kept. Exit code 5."""


class DatabaseRefused(DatabaseUnusable):
    """The server does not let us in, or not do what is needed. Exit code 4."""


class DiskFull(DatabaseUnusable):
    """No room left where the database lies; nothing of the transaction was kept. Exit code 13."""

    def __init__(self, where: str, free_bytes: int | None) -> None:
        super().__init__(where, "the disk is full" if free_bytes is None else f"{free_bytes} bytes are free")
        self.free_bytes = free_bytes


def known_trouble(
    error: BaseException | None, where: str, path: Path | None, waited: float
) -> DatabaseUnusable | None:
    """Our error for a driver's error, or None when it is about a statement and not about the database."""
    detail = str(error)
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return DatabaseDamaged(where, detail)
        full = code == sqlite3.SQLITE_FULL
        if full or (code in MAY_BE_FULL and path is not None and no_room(path)):
            return DiskFull(where, None if path is None else shutil.disk_usage(path.parent).free)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return DatabaseLocked(where, waited)
        if code in UNUSABLE:
            return DatabaseUnusable(where, detail)
        return None
    return _trouble_of_server(error, where, detail, waited)


def _trouble_of_server(
    error: BaseException | None, where: str, detail: str, waited: float
) -> DatabaseUnusable | None:
    """The same for what psycopg raises. What fails before there is a session has no SQLSTATE."""
    state = getattr(error, "sqlstate", None) or ""
    if not state and type(error).__name__ == "OperationalError":
        said = detail.rpartition("FATAL:")[2].strip().splitlines()[0]
        if any(words in said for words in REFUSED):
            return DatabaseRefused(where, said)
        if said.endswith("does not exist"):
            return DatabaseUnusable(where, said)
        return DatabaseUnreachable(where, said)
    if state == "53100":  # disk_full
        return DiskFull(where, None)
    if state in ("XX001", "XX002"):  # data_corrupted, index_corrupted
        return DatabaseDamaged(where, detail)
    if state in ("42501", "28000", "28P01"):  # insufficient_privilege, invalid authorization, wrong password
        return DatabaseRefused(where, detail)
    if state in ("40P01", "55P03"):  # deadlock_detected, lock_not_available
        return DatabaseLocked(where, waited)
    if state.startswith(("08", "57")) or state == "53300":  # connection exception, operator intervention
        return DatabaseUnreachable(where, detail)
    if state in ("25006", "53200"):  # read_only_sql_transaction, out_of_memory
        return DatabaseUnusable(where, detail)
    return None
