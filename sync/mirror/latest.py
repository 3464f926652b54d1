"""The records that changed last."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Table, select

from sync.mirror.engine import Connection
from sync.mirror.tables import PersonRow

RECORD: Final[Table] = PersonRow.metadata.tables["person_record"]


def latest(conn: Connection, crm: str, name: str, limit: int) -> list[str]:
    """Ids of the live records of an object, the one that changed last first."""
    mine = (RECORD.c.crm == crm, RECORD.c.object == name, RECORD.c.gone.is_(False))
    query = select(RECORD.c.id).where(*mine).order_by(RECORD.c.modified_ms.desc(), RECORD.c.id).limit(limit)
    return list(conn.execute(query).scalars())
