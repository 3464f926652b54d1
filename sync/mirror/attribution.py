"""Whose engagement is it: by record (also one that went into another), else by address.

What a record did that was deleted or archived is nobody's, unless its address says whose: otherwise the
answer would depend on when we first looked.
"""

# ruff: noqa: S608 (statements are put together from our own constants; values are always bound)

from __future__ import annotations

from typing import Final

from sync.mirror.engine import Connection
from sync.mirror.matching import run

PERSON_OF: Final = (
    "COALESCE("
    "(SELECT m.person_id FROM person_member m WHERE m.crm = engagement.crm "
    "AND m.object = engagement.person_object AND m.id = engagement.person_record_id), "
    "(SELECT f.person_id FROM person_former f WHERE f.survives AND f.crm = engagement.crm "
    "AND f.object = engagement.person_object AND f.id = engagement.person_record_id), "
    "(SELECT min(m.person_id) FROM match_key k JOIN person_member m ON [[m=k]] "
    "WHERE k.key = 'email:' || engagement.email_key))"
)
"""The person of an engagement, as members, former members and keys are now."""

SCOPES: Final = (
    "changed = :round",
    "changed <> :round AND (crm, person_object, person_record_id) IN (SELECT crm, object, id FROM w_moved)",
    "changed <> :round AND email_key IN (SELECT substr(key, 7) FROM w_key WHERE key LIKE 'email:%')",
)
"""Engagements that are new or changed, whose record moved, whose address has another owner."""


def attribute(conn: Connection, round_: int) -> None:
    """Resolve the person of every engagement that this round concerns; note whom that touches."""
    for scope in SCOPES:
        moved = f"{scope} AND person_id IS NOT NULL AND person_id [[differs from]] {PERSON_OF}"
        _touch(conn, f"SELECT person_id FROM engagement WHERE {moved}", round_)
        run(
            conn,
            f"UPDATE engagement SET person_id = {PERSON_OF} "
            f"WHERE {scope} AND (person_id IS NULL OR person_id [[differs from]] {PERSON_OF})",
            round=round_,
        )
    _touch(
        conn,
        "SELECT person_id FROM engagement WHERE changed = :round AND person_id IS NOT NULL",
        round_,
    )


def _touch(conn: Connection, people: str, round_: int) -> None:
    run(conn, f"INSERT INTO w_touched {people} ON CONFLICT DO NOTHING", round=round_)
