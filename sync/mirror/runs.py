"""Runs and their reports, and the few facts that the mirror keeps about itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.engine import Connection

MATCHED_ROUND = "matched_round"
SCORED_ROUND = "scored_round"
PEOPLE_WENT = "people_went"
"""Set when people went, or became part of others: what hangs on them has to follow."""


class RunStamp(Protocol):
    """What the mirror must know of the run that stores something."""

    @property
    def run_id(self) -> str:
        """The run."""
        ...

    @property
    def now(self) -> int:
        """The moment of the run, epoch seconds."""
        ...


@dataclass(frozen=True, slots=True)
class RunView:
    """One run as it is listed. `state`: the outcome, "running", or "killed" when a later run began."""

    run_id: str
    kind: str
    state: str
    started_at: int
    finished_at: int | None
    report: Mapping[str, Any]


def get_meta(conn: Connection, key: str) -> str | None:
    """A fact about this mirror."""
    found = conn.execute(text("SELECT value FROM meta WHERE key = :key"), {"key": key}).scalar()
    return None if found is None else str(found)


def set_meta(conn: Connection, key: str, value: str | None) -> None:
    """Remember a fact, or forget it (None)."""
    if value is None:
        conn.execute(text("DELETE FROM meta WHERE key = :key"), {"key": key})
        return
    conn.execute(
        text(
            "INSERT INTO meta (key, value) VALUES (:key, :value) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        ),
        {"key": key, "value": value},
    )


def meta_like(conn: Connection, prefix: str) -> dict[str, str]:
    """All facts whose key begins with `prefix`, by the rest of the key."""
    rows = conn.execute(
        text("SELECT key, value FROM meta WHERE key >= :low AND key < :high ORDER BY key"),
        {"low": prefix, "high": prefix + "\U0010ffff"},
    )
    return {key.removeprefix(prefix): value for key, value in rows}


def current_round(conn: Connection) -> int:
    """The round of matching that will look at what is stored now."""
    return int(get_meta(conn, MATCHED_ROUND) or 0) + 1


def scoring_round(conn: Connection) -> int:
    """The round of scoring that will look at the people whom something happens to now (`score_round`)."""
    return int(get_meta(conn, SCORED_ROUND) or 0) + 1


def begin_run(conn: Connection, run: RunStamp, kind: str) -> None:
    """Write down that a run has begun; until it is finished its outcome is unknown."""
    conn.execute(
        text("INSERT INTO run (id, kind, started_at, report) VALUES (:id, :kind, :now, '{}')"),
        {"id": run.run_id, "kind": kind, "now": run.now},
    )


def finish_run(conn: Connection, run_id: str, finished_at: int, report: Mapping[str, Any]) -> None:
    """Write down how a run ended; `report` is the JSON of `sync --json`."""
    conn.execute(
        text("UPDATE run SET finished_at = :at, outcome = :outcome, report = :report WHERE id = :id"),
        {
            "id": run_id,
            "at": finished_at,
            "outcome": str(report.get("outcome", "failed")),
            "report": json.dumps(report, separators=(",", ":")),
        },
    )


def runs(conn: Connection, limit: int = 50) -> list[RunView]:
    """The last runs, newest first.

    One pipeline runs at a time, so a run without an outcome that is not the newest was killed.
    """
    rows = conn.execute(
        text(
            "SELECT id, kind, started_at, finished_at, outcome, report FROM run "
            "ORDER BY started_at DESC, id DESC LIMIT :limit"
        ),
        {"limit": limit},
    ).all()
    newest = conn.execute(text("SELECT id FROM run ORDER BY started_at DESC, id DESC LIMIT 1")).scalar()
    return [
        RunView(
            run_id=row.id,
            kind=row.kind,
            state=row.outcome or ("running" if row.id == newest else "killed"),
            started_at=row.started_at,
            finished_at=row.finished_at,
            report=json.loads(row.report),
        )
        for row in rows
    ]


def latest_of_each_kind(conn: Connection, since: int, until: int) -> list[RunView]:
    """Of each kind the newest run that began between these moments and ended by itself, newest first."""
    rows = conn.execute(
        text(
            "SELECT id, kind, started_at, finished_at, outcome, report FROM run WHERE id IN ("
            "SELECT id FROM (SELECT id, row_number() "
            "OVER (PARTITION BY kind ORDER BY started_at DESC, id DESC) AS place FROM run "
            "WHERE outcome IS NOT NULL AND outcome <> 'killed' "
            "AND started_at BETWEEN :since AND :until) "
            "AS placed WHERE place = 1) ORDER BY started_at DESC, id DESC"
        ),
        {"since": since, "until": until},
    )
    return [
        RunView(row.id, row.kind, row.outcome, row.started_at, row.finished_at, json.loads(row.report))
        for row in rows
    ]


def last_run(conn: Connection) -> RunView | None:
    """The newest run."""
    found = runs(conn, limit=1)
    return found[0] if found else None


def close_killed(conn: Connection, but: str) -> list[str]:
    """Give runs that never ended, other than the one under way, their outcome: their process was killed."""
    rows = conn.execute(
        text("SELECT id FROM run WHERE outcome IS NULL AND id <> :but ORDER BY started_at, id"), {"but": but}
    )
    found = list(rows.scalars())
    conn.execute(text("UPDATE run SET outcome = 'killed' WHERE outcome IS NULL AND id <> :but"), {"but": but})
    return found
