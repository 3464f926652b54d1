"""How far each feed is stored."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from connectors.records import Cursor, Feed
from sync.mirror import rowhash
from sync.mirror.engine import Connection


@dataclass(frozen=True, slots=True)
class Stored:
    """A feed's cursor, when it was stored, and when the feed was last read to its end (epoch seconds)."""

    cursor: Cursor
    stored_at: int
    completed_at: int | None


def load(conn: Connection, feed: Feed) -> Stored | None:
    """The cursor of a feed, None before its first page.

    A damaged one is none: the feed is read from its beginning, which loses nothing.
    """
    if rowhash.damaged(conn, "feed_cursor", "feed = :feed", feed=feed.name):
        return None
    row = conn.execute(
        text("SELECT cursor, stored_at, completed_at FROM feed_cursor WHERE feed = :feed"),
        {"feed": feed.name},
    ).one_or_none()
    return None if row is None else Stored(Cursor.from_json(row.cursor), row.stored_at, row.completed_at)


def save(conn: Connection, feed: Feed, cursor: Cursor, now: int, *, complete: bool) -> None:
    """Store the cursor that follows a page, in the transaction of that page's rows."""
    conn.execute(
        text(
            "INSERT INTO feed_cursor (feed, crm, cursor, stored_at, completed_at) "
            "VALUES (:feed, :crm, :cursor, :now, :completed) ON CONFLICT (feed) DO UPDATE SET "
            "cursor = excluded.cursor, stored_at = excluded.stored_at, "
            "completed_at = COALESCE(excluded.completed_at, feed_cursor.completed_at)"
        ),
        {
            "feed": feed.name,
            "crm": feed.crm,
            "cursor": cursor.to_json(),
            "now": now,
            "completed": now if complete else None,
        },
    )


def reset(conn: Connection, crm: str | None = None, feed: str | None = None) -> int:
    """Forget cursors (all, of a CRM, of a feed), so that the next pass reads from the beginning."""
    done = conn.execute(
        text(
            "DELETE FROM feed_cursor WHERE (CAST(:crm AS TEXT) IS NULL OR crm = :crm) "
            "AND (CAST(:feed AS TEXT) IS NULL OR feed = :feed)"
        ),
        {"crm": crm, "feed": feed},
    )
    return done.rowcount


def rewind(conn: Connection, feed: Feed, since_ms: int, now: int) -> None:
    """Let the next pass of a feed begin at `since_ms` again; never later than it would have begun.

    A feed that was not read to its end yet goes on where it is: nothing before that has been passed.
    """
    stored = load(conn, feed)
    if stored is None or stored.cursor.since_ms is None:
        return
    earlier = Cursor(since_ms=min(stored.cursor.since_ms, since_ms))
    save(conn, feed, earlier, now, complete=False)
