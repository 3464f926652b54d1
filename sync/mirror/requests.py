"""What commands ask of the daemon while it holds the lease, and what became of it.

    waiting ─a─► taken ─b─► done
                       └─c─► broken

    a  the daemon takes the oldest that has not expired: one UPDATE that only one process can win
    b  carried out; `answer` holds what the command prints, or the sentences of the error that ended it
    c  whoever took it ended, or lost the lease, before b; its next holder says so

A command that no longer waits deletes its row: while it is `waiting`, so that nobody carries it out, or
after it has read the end. The daemon deletes what is left: answers hold personal data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table, delete, insert, or_, select, update

from sync.mirror.engine import Connection
from sync.mirror.tables import RequestRow

REQUEST: Final[Table] = RequestRow.metadata.tables["request"]
KEPT: Final = 3_600  # seconds that an answer waits for somebody to read it


@dataclass(frozen=True, slots=True)
class Ask:
    """What a command wants done. `arguments` are plain JSON values."""

    kind: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request as its asker sees it. `progress`: what, done, total. Times are epoch seconds."""

    id: str
    ask: Ask
    state: str
    expires_at: int
    lease_epoch: int | None
    progress: tuple[str, int, int | None] | None
    exit_code: int | None
    answer: Mapping[str, Any] | None


def hand_in(conn: Connection, request_id: str, ask: Ask, asked_by: str, now: int, expires_at: int) -> None:
    """Put a request where the daemon finds it."""
    conn.execute(
        insert(REQUEST).values(
            id=request_id,
            kind=ask.kind,
            arguments=json.dumps(dict(ask.arguments)),
            asked_by=asked_by,
            asked_at=now,
            expires_at=expires_at,
            state="waiting",
        )
    )


def keep(conn: Connection, request_id: str, expires_at: int) -> None:
    """Its asker still waits."""
    conn.execute(update(REQUEST).where(REQUEST.c.id == request_id).values(expires_at=expires_at))


def withdraw(conn: Connection, request_id: str) -> bool:
    """Take it back; False when somebody has taken it already, or it is gone."""
    gone = conn.execute(delete(REQUEST).where(REQUEST.c.id == request_id, REQUEST.c.state == "waiting"))
    return gone.rowcount == 1


def forget(conn: Connection, request_id: str) -> None:
    """The asker knows how it ended."""
    conn.execute(delete(REQUEST).where(REQUEST.c.id == request_id))


def any_waiting(conn: Connection) -> bool:
    """Whether there may be something to take."""
    return conn.execute(select(REQUEST.c.id).where(REQUEST.c.state == "waiting").limit(1)).first() is not None


def take(conn: Connection, lease_epoch: int, now: int) -> RequestView | None:
    """The oldest request that still holds, from now on ours alone. Deletes those that expired."""
    tidy(conn, now)
    query = (
        select(REQUEST.c.id)
        .where(REQUEST.c.state == "waiting")
        .order_by(REQUEST.c.asked_at, REQUEST.c.id)
        .limit(1)
    )
    found = conn.execute(query).scalar_one_or_none()
    if found is None:
        return None
    mine = (REQUEST.c.id == found) & (REQUEST.c.state == "waiting")
    taken = conn.execute(update(REQUEST).where(mine).values(state="taken", lease_epoch=lease_epoch))
    return look(conn, found) if taken.rowcount == 1 else None


def tidy(conn: Connection, now: int) -> None:
    """Delete requests that nobody waits for any more, and ends that nobody came for."""
    stale = (REQUEST.c.state == "waiting") & (REQUEST.c.expires_at <= now)
    unread = REQUEST.c.state.in_(("done", "broken")) & (REQUEST.c.finished_at <= now - KEPT)
    conn.execute(delete(REQUEST).where(or_(stale, unread)))


def note_progress(conn: Connection, request_id: str, what: str, done: int, total: int | None) -> None:
    """How far it is, for its asker to show."""
    text = json.dumps([what, done, total])
    conn.execute(update(REQUEST).where(REQUEST.c.id == request_id).values(progress=text))


def finish(
    conn: Connection, request_id: str, lease_epoch: int, exit_code: int, answer: Mapping[str, Any], now: int
) -> None:
    """It was carried out, well or not. Nothing happens when it is no longer ours."""
    mine = (
        (REQUEST.c.id == request_id) & (REQUEST.c.state == "taken") & (REQUEST.c.lease_epoch == lease_epoch)
    )
    conn.execute(
        update(REQUEST)
        .where(mine)
        .values(state="done", exit_code=exit_code, answer=json.dumps(dict(answer)), finished_at=now)
    )


def break_off(conn: Connection, lease_epoch: int, now: int) -> int:
    """Those that earlier holders of the lease took and did not finish; called by the holder of this one."""
    left = (REQUEST.c.state == "taken") & (REQUEST.c.lease_epoch != lease_epoch)
    return conn.execute(update(REQUEST).where(left).values(state="broken", finished_at=now)).rowcount


def look(conn: Connection, request_id: str) -> RequestView | None:
    """How it stands; None when it has expired."""
    row = conn.execute(select(REQUEST).where(REQUEST.c.id == request_id)).one_or_none()
    if row is None:
        return None
    progress = json.loads(row.progress) if row.progress else None
    return RequestView(
        id=row.id,
        ask=Ask(row.kind, json.loads(row.arguments)),
        state=row.state,
        expires_at=row.expires_at,
        lease_epoch=row.lease_epoch,
        progress=(progress[0], progress[1], progress[2]) if progress else None,
        exit_code=row.exit_code,
        answer=json.loads(row.answer) if row.answer else None,
    )
