"""Letting go of what is over, table by table, each by its own clock."""

# ruff: noqa: S608 (statements are put together from the table below; values are bound)

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import text

from sync.mirror import copies
from sync.mirror.engine import Connection
from sync.mirror.runs import get_meta, set_meta

DAY: Final = 86_400  # seconds
LOOKED: Final = "retention.looked_at"

_ENDED: Final = "'verified', 'conflict', 'parked', 'superseded'"

CLOCKS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "request_answers": (
        ("request", "DELETE FROM request WHERE state IN ('done', 'broken') AND finished_at <= :before"),
    ),
    "runs": (
        ("run", "DELETE FROM run WHERE started_at <= :before AND outcome IS NOT NULL"),
        ("refused_owner", "DELETE FROM refused_owner WHERE at <= :before"),
        ("turn", "DELETE FROM turn WHERE state <> 'reserved' AND at <= :before"),
    ),
    "spell_readings": (("spell_reading", "DELETE FROM spell_reading WHERE day < :before_day"),),
    "changes": (
        (
            "plan_item",
            "DELETE FROM plan_item WHERE intent_id IN (SELECT id FROM intent "
            f"WHERE state IN ({_ENDED}) AND done_at <= :before)",
        ),
        ("intent", f"DELETE FROM intent WHERE state IN ({_ENDED}) AND done_at <= :before"),
    ),
    "plans": (
        (
            "plan_item",
            "DELETE FROM plan_item WHERE digest IN (SELECT digest FROM plan "
            "WHERE state <> 'pending' AND created_at <= :before)",
        ),
        (
            "plan",
            "DELETE FROM plan WHERE state <> 'pending' AND created_at <= :before "
            "AND digest NOT IN (SELECT plan_digest FROM intent WHERE plan_digest IS NOT NULL)",
        ),
    ),
    "audit_words": (
        ("audit_detail", "DELETE FROM audit_detail WHERE n IN (SELECT n FROM audit WHERE at <= :before)"),
    ),
    "gone_records": (
        (
            "person_record",
            "UPDATE person_record SET email = NULL, additional_emails = NULL, first_name = NULL, "
            "last_name = NULL, job_title = NULL, company_name = NULL, country = NULL, state = NULL, "
            "city = NULL, fields = '{}', raw = '{}', email_key = NULL, additional_keys = NULL, "
            "email_domain = NULL WHERE gone AND raw <> '{}' AND EXISTS (SELECT 1 FROM tombstone t "
            "WHERE t.crm = person_record.crm AND t.object = person_record.object "
            "AND t.id = person_record.id AND t.at_ms <= :before_ms)",
        ),
    ),
    "hand_offs": (
        ("hand_off", "DELETE FROM hand_off WHERE closed_at <= :before"),
        (
            "hand_off_task",
            "DELETE FROM hand_off_task WHERE done_at <= :before "
            "AND spell_id NOT IN (SELECT spell_id FROM hand_off)",
        ),
    ),
}
"""Setting → (table, statement). `before` is in epoch seconds; `_ms`: milliseconds, `_day`: days."""


def due(conn: Connection, now: int) -> bool:
    """Whether a day has passed since the clocks were looked at."""
    return now - int(get_meta(conn, LOOKED) or 0) >= DAY


def prune(conn: Connection, keep: Mapping[str, int], now: int) -> dict[str, int]:
    """Delete what is older than `keep` (setting → seconds, 0: for good) allows; rows per table."""
    done: dict[str, int] = {}
    for setting, steps in CLOCKS.items():
        if not keep[setting]:
            continue
        before = now - keep[setting]
        values = {"before": before, "before_ms": before * 1000, "before_day": before // DAY}
        for table, statement in steps:
            clause = text(statement)
            bound = {name: values[name] for name in clause.compile().params}
            count = conn.execute(clause, bound).rowcount
            if count:
                done[table] = done.get(table, 0) + count
    copies.forget_gone(conn)
    set_meta(conn, LOOKED, str(now))
    return done
