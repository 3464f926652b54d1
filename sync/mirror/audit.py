"""What was done to the CRMs, append-only: each row's hash covers the row before it.

The chain names nobody. A row holds a keyed pseudonym of its subject and the SHA-256 of its salted words; the
words themselves lie in `audit_detail`. There they can be deleted, for erasure or by age, and the chain holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, bindparam, false, func, insert, or_, select, update
from sqlalchemy.engine import Connection

from connectors.records import RecordRef
from sync.mirror import pseudonyms
from sync.mirror.dialect import in_batches
from sync.mirror.runs import get_meta, set_meta
from sync.mirror.tables import AuditDetail, AuditRow

AUDIT: Final[Table] = AuditRow.metadata.tables["audit"]
WORDS: Final[Table] = AuditDetail.metadata.tables["audit_detail"]
ROOT: Final = "0" * 64
"""What the first row follows."""

OLD_CHAIN: Final = "audit.old_chain"
"""Set by the migration that parted words from chain, until `carry` has run."""

BATCH: Final = 1_000
"""Rows that are read, or by `carry` rewritten, in one go."""

CARRIED: Final = ("subject", "detail", "previous", "hash")
HASHED: Final = ("previous", "at", "run_id", "actor", "action", "subject", "detail")


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
    if not entries:
        return
    number, previous = _last(conn)
    key = pseudonyms.key(conn)
    rows, words = [], []
    for n, entry in enumerate(entries, number + 1):
        detail = json.dumps(entry.detail, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        salt = pseudonyms.new_salt()
        row = {
            "n": n,
            "at": at,
            "run_id": run_id,
            "actor": actor,
            "action": entry.action,
            "subject": pseudonyms.pseudonym(key, entry.subject),
            "detail": pseudonyms.digest(salt, detail),
            "previous": previous,
        }
        previous = row["hash"] = _hash(row)
        rows.append(row)
        words.append({"n": n, "subject": entry.subject, "detail": detail, "salt": salt})
    conn.execute(insert(AUDIT), rows)
    conn.execute(insert(WORDS), words)


class Act(NamedTuple):
    """One act as it was kept. Without its words `subject` is the pseudonym and `detail` is None."""

    n: int
    at: int
    run_id: str
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any] | None


def acts(
    conn: Connection, limit: int, *, run_id: str | None = None, records: Collection[RecordRef] | None = None
) -> list[Act]:
    """The last acts, newest first: of one run (by the beginning of its id), on some records, or all."""
    columns = [AUDIT.c[name] for name in ("n", "at", "run_id", "actor", "action", "subject")]
    query = (
        select(*columns, WORDS.c.subject.label("plain"), WORDS.c.detail.label("words"))
        .select_from(AUDIT.outerjoin(WORDS, WORDS.c.n == AUDIT.c.n))
        .order_by(AUDIT.c.n.desc())
        .limit(limit)
    )
    if run_id is not None:
        query = query.where(AUDIT.c.run_id.startswith(run_id, autoescape=True))
    if records is not None:
        subjects = (f"{ref.crm}.{ref.object}.{ref.id}" for ref in sorted(records))
        own = (
            or_(WORDS.c.subject == one, WORDS.c.subject.startswith(one + ".", autoescape=True))
            for one in subjects
        )
        query = query.where(or_(false(), *own))
    return [
        Act(*row[:5], row.subject, None)
        if row.words is None
        else Act(*row[:5], row.plain, json.loads(row.words))
        for row in conn.execute(query)
    ]


def head(conn: Connection) -> tuple[int, str]:
    """How many acts there are, and the hash of the last: whoever keeps it can tell that none was cut off."""
    return conn.execute(select(func.count()).select_from(AUDIT)).scalar_one(), _last(conn)[1]


def broken_at(conn: Connection) -> int | None:
    """The number of the first row that does not follow from the one before, or whose words are other ones.

    None: the chain holds. Words that are gone break nothing.
    """
    known = pseudonyms.keys(conn)
    previous = ROOT
    for row in _with_words(conn):
        if row["previous"] != previous or row["hash"] != _hash(row) or not _fits(row, known):
            return int(row["n"])
        previous = row["hash"]
    return None


def carry(conn: Connection, now: int) -> None:
    """Carry the chain of a mirror whose audit held plain words over into one that names nobody.

    Every row is hashed anew, in order, and a last one seals the old chain: its length and head, which
    whoever kept them can compare. Where the old chain was broken the new one is, too. Nothing happens
    when there is no old chain.
    """
    if get_meta(conn, OLD_CHAIN) is None:
        return
    key = pseudonyms.key(conn)
    count, old, new, broken = 0, ROOT, ROOT, False
    for rows in _batches(conn):
        chain, words = [], []
        for row in rows:
            count += 1
            salt = pseudonyms.new_salt()
            hidden = {
                **row,
                "subject": pseudonyms.pseudonym(key, row["subject"]),
                "detail": pseudonyms.digest(salt, row["detail"]),
                "previous": new,
            }
            holds = row["previous"] == old and row["hash"] == _hash(row)
            new = hidden["hash"] = _hash(hidden) if holds or broken else row["hash"]
            broken, old = broken or not holds, row["hash"]
            chain.append(
                {f"b_{name}": hidden[name] for name in ("n", "subject", "detail", "previous", "hash")}
            )
            words.append({"b_n": row["n"], "b_salt": salt})
        conn.execute(_set(AUDIT, *CARRIED), chain)
        conn.execute(_set(WORDS, "salt"), words)
    append(conn, [Entry("seal", "audit", {"acts": count, "head": old})], at=now, run_id="")
    set_meta(conn, OLD_CHAIN, None)


def _batches(conn: Connection) -> Iterator[list[dict[str, Any]]]:
    done = -1
    while True:
        query = select(AUDIT).where(AUDIT.c.n > done).order_by(AUDIT.c.n).limit(BATCH)
        rows = [dict(row) for row in conn.execute(query).mappings()]
        if not rows:
            return
        yield rows
        done = rows[-1]["n"]


def _set(table: Table, *names: str) -> Any:
    values: dict[str, Any] = {name: bindparam(f"b_{name}") for name in names}
    return update(table).where(table.c.n == bindparam("b_n")).values(**values)


def _with_words(conn: Connection) -> Iterator[Mapping[str, Any]]:
    query = (
        select(
            AUDIT,
            WORDS.c.subject.label("plain"),
            WORDS.c.detail.label("words"),
            WORDS.c.salt,
        )
        .select_from(AUDIT.outerjoin(WORDS, WORDS.c.n == AUDIT.c.n))
        .order_by(AUDIT.c.n)
    )
    for rows in in_batches(conn, query, BATCH):
        yield from (dict(row._mapping) for row in rows)


def _fits(row: Mapping[str, Any], known: Sequence[bytes]) -> bool:
    if row["words"] is None:
        return True
    named = any(row["subject"] == pseudonyms.pseudonym(key, row["plain"]) for key in known)
    return named and row["detail"] == pseudonyms.digest(row["salt"], row["words"])


def _last(conn: Connection) -> tuple[int, str]:
    """Number and hash of the last row."""
    found = conn.execute(select(AUDIT.c.n, AUDIT.c.hash).order_by(AUDIT.c.n.desc()).limit(1)).first()
    return (0, ROOT) if found is None else (found.n, found.hash)


def _hash(row: Mapping[str, Any]) -> str:
    return hashlib.sha256("\x1f".join(str(row[name]) for name in HASHED).encode()).hexdigest()
