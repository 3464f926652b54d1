"""What was done to the CRMs, append-only: each row's hash covers the row before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table, insert, select

from sync.mirror.engine import Connection
from sync.mirror.tables import AuditRow

AUDIT: Final[Table] = AuditRow.metadata.tables["audit"]
ROOT: Final = "0" * 64
"""What the first row follows."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. `subject` names the field of the record (`salesforce.Lead.00Q….Status`)."""

    action: str
    subject: str
    detail: Mapping[str, Any]


def append(
    conn: Connection, entries: Sequence[Entry], *, at: int, run_id: str, actor: str = "mqlsync"
) -> None:
    """Add acts to the chain, within the caller's transaction."""
    previous = _last(conn)
    rows = []
    for entry in entries:
        detail = json.dumps(entry.detail, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        row = {
            "at": at,
            "run_id": run_id,
            "actor": actor,
            "action": entry.action,
            "subject": entry.subject,
            "detail": detail,
            "previous": previous,
        }
        previous = row["hash"] = _hash(row)
        rows.append(row)
    if rows:
        conn.execute(insert(AUDIT), rows)


def broken_at(conn: Connection) -> int | None:
    """The number of the first row that does not follow from the one before; None: the chain holds."""
    previous = ROOT
    names = ("n", "at", "run_id", "actor", "action", "subject", "detail", "previous", "hash")
    for row in conn.execute(select(*(AUDIT.c[name] for name in names)).order_by(AUDIT.c.n)).mappings():
        if row["previous"] != previous or row["hash"] != _hash(dict(row)):
            return int(row["n"])
        previous = row["hash"]
    return None


def _last(conn: Connection) -> str:
    found = conn.execute(select(AUDIT.c.hash).order_by(AUDIT.c.n.desc()).limit(1)).scalar()
    return ROOT if found is None else str(found)


def _hash(row: Mapping[str, Any]) -> str:
    names = ("previous", "at", "run_id", "actor", "action", "subject", "detail")
    return hashlib.sha256("\x1f".join(str(row[name]) for name in names).encode()).hexdigest()
