"""Merges that go in a circle: of such records none is left, whatever each CRM page said by itself."""

from __future__ import annotations

from typing import Final

from connectors.records import RecordRef
from sync.mirror.dialect import sql
from sync.mirror.engine import Connection
from sync.mirror.matching import DEEPEST

CIRCLES: Final = (
    "WITH RECURSIVE walk (crm, object, id, at_object, at_id, depth) AS ("
    "SELECT crm, object, id, to_object, to_id, 1 FROM tombstone WHERE to_id IS NOT NULL "
    "UNION ALL SELECT w.crm, w.object, w.id, t.to_object, t.to_id, w.depth + 1 FROM walk w "
    "JOIN tombstone t ON t.crm = w.crm AND t.object = w.at_object AND t.id = w.at_id "
    "WHERE t.to_id IS NOT NULL AND w.depth < :deepest AND NOT (w.at_object = w.object AND w.at_id = w.id)) "
    "SELECT DISTINCT crm, object, id FROM walk WHERE at_object = object AND at_id = id "
    "ORDER BY crm, object, id"
)


def merged_in_circles(conn: Connection) -> list[RecordRef]:
    """Records that went into others which, up to thirty merges on, went into them."""
    rows = conn.execute(sql(conn, CIRCLES), {"deepest": DEEPEST})
    return [RecordRef(row.crm, row.object, row.id) for row in rows]
