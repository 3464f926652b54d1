"""How the mirror itself is: fresh, whole, and how large."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table, func, select, text
from sqlmodel import SQLModel

from sync.mirror import audit, rowhash
from sync.mirror.engine import Connection
from sync.mirror.tables import FeedCursor

CURSOR: Final[Table] = FeedCursor.metadata.tables["feed_cursor"]
PEOPLE_FEEDS: Final = ("salesforce.Lead", "salesforce.Contact", "hubspot.contacts")
MANY: Final = 20  # lines of a damage report; more say nothing new


def fresh_since(conn: Connection) -> dict[str, int]:
    """Per CRM, since when (epoch seconds) every person record that it showed is stored."""
    query = (
        select(CURSOR.c.crm, func.min(CURSOR.c.completed_at))
        .where(CURSOR.c.feed.in_(PEOPLE_FEEDS), CURSOR.c.completed_at.is_not(None))
        .group_by(CURSOR.c.crm)
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def damage(conn: Connection) -> list[str]:
    """What is broken in the database, in words; an empty list means that all checks passed."""
    found: list[str] = []
    if conn.dialect.name == "sqlite":
        rows = conn.execute(text(f"PRAGMA integrity_check({MANY})")).scalars()
        found += [f"integrity check: {row}" for row in rows if row != "ok"]
        for row in conn.execute(text("PRAGMA foreign_key_check")).all()[:MANY]:
            found.append(f"row {row[1]} of {row[0]} points to a row of {row[2]} that is not there")
    for table in rowhash.COVERED:
        for key in rowhash.damaged(conn, table)[:MANY]:
            found.append(f"row {key} of {table} is not what was written: its hash does not fit")
    if found:
        return found  # what is damaged need not even be readable
    broken = audit.broken_at(conn)
    if broken is not None:
        found.append(f"audit row {broken} does not follow from the one before it: it was changed")
    return found


def sizes(conn: Connection) -> dict[str, int]:
    """Rows per table, by name."""
    tables = sorted(SQLModel.metadata.tables.values(), key=lambda table: table.name)
    return {
        table.name: conn.execute(select(func.count()).select_from(table)).scalar_one() for table in tables
    }
