"""What was done to the CRMs, append-only: each row's hash covers the row before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, false, func, insert, or_, select

from connectors.records import RecordRef
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


class Act(NamedTuple):
    """One act as it was kept."""

    n: int
    at: int
    run_id: str
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


def acts(
    conn: Connection, limit: int, *, run_id: str | None = None, records: Collection[RecordRef] | None = None
) -> list[Act]:
    """The last acts, newest first: of one run (by the beginning of its id), on some records, or all."""
    columns = [AUDIT.c[name] for name in Act._fields]
    query = select(*columns).order_by(AUDIT.c.n.desc()).limit(limit)
    if run_id is not None:
        query = query.where(AUDIT.c.run_id.startswith(run_id, autoescape=True))
    if records is not None:
        subjects = (f"{ref.crm}.{ref.object}.{ref.id}" for ref in sorted(records))
        own = (
            or_(AUDIT.c.subject == one, AUDIT.c.subject.startswith(one + ".", autoescape=True))
            for one in subjects
        )
        query = query.where(or_(false(), *own))
    return [
        Act(row.n, row.at, row.run_id, row.actor, row.action, row.subject, json.loads(row.detail))
        for row in conn.execute(query)
    ]


def head(conn: Connection) -> tuple[int, str]:
    """How many acts there are, and the hash of the last: whoever keeps it can tell that none was cut off."""
    return conn.execute(select(func.count()).select_from(AUDIT)).scalar_one(), _last(conn)


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
