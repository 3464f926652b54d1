"""Rows as connectors deliver them, with everything that a test does not care about filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from connectors.records import (
    CompanyRecord,
    Cursor,
    DealRecord,
    EngagementRecord,
    Feed,
    FeedKind,
    Link,
    LinkSet,
    Page,
    PersonRecord,
    Tombstone,
)
from sync.mirror import store
from sync.mirror.engine import Mirror
from sync.reports import FeedCounts

T0 = 1_790_000_000_000
"""Epoch milliseconds of the first change in most tests."""


@dataclass(frozen=True)
class Stamp:
    """A run."""

    run_id: str = "r1"
    now: int = T0 // 1000 + 3600


CRM_OF = {"contacts": "hubspot", "companies": "hubspot", "deals": "hubspot"}


def crm_of(object_name: str) -> str:
    return CRM_OF.get(object_name, "salesforce")


def person(object_name: str, id_: str, email: str | None = None, **fields: Any) -> PersonRecord:
    values: dict[str, Any] = dict.fromkeys(PersonRecord._fields)
    values.update(crm=crm_of(object_name), object=object_name, id=id_, email=email, created_ms=T0)
    values.update(modified_ms=T0, version="v", fields="{}", raw="{}")
    values.update(fields)
    return PersonRecord(**values)


def company(object_name: str, id_: str, **fields: Any) -> CompanyRecord:
    values: dict[str, Any] = dict.fromkeys(CompanyRecord._fields)
    values.update(crm=crm_of(object_name), object=object_name, id=id_, created_ms=T0)
    values.update(modified_ms=T0, version="v", fields="{}", raw="{}")
    values.update(fields)
    return CompanyRecord(**values)


def deal(object_name: str, id_: str, **fields: Any) -> DealRecord:
    values: dict[str, Any] = dict.fromkeys(DealRecord._fields)
    values.update(crm=crm_of(object_name), object=object_name, id=id_, is_closed=False, is_won=False)
    values.update(created_ms=T0, modified_ms=T0, version="v", fields="{}", raw="{}")
    values.update(fields)
    return DealRecord(**values)


def engagement(id_: str, kind: str = "page_view", **fields: Any) -> EngagementRecord:
    values: dict[str, Any] = dict.fromkeys(EngagementRecord._fields)
    values.update(crm="hubspot", source="hubspot.web_event", id=id_, kind=kind, occurred_at=T0 // 1000)
    values.update(is_bot=False, deleted=False, modified_ms=T0, raw="{}")
    values.update(fields)
    return EngagementRecord(**values)


def links(from_object: str, from_id: str, to_object: str, *to_ids: str) -> LinkSet:
    crm = crm_of(from_object)
    made = tuple(Link(crm, from_object, from_id, to_object, to_id, "279", False) for to_id in to_ids)
    return LinkSet(crm, from_object, from_id, to_object, made)


def gone(object_name: str, id_: str, reason: str = "deleted", at_ms: int = T0, **to: Any) -> Tombstone:
    return Tombstone(crm_of(object_name), object_name, id_, reason, at_ms, **to)


def page(*rows: Any, object_name: str = "contacts", position: str = "1", **fields: Any) -> Page:
    """A page with these rows, each put where its type belongs."""
    crm = crm_of(object_name)
    kinds = {
        "PersonRecord": "people",
        "CompanyRecord": "companies",
        "DealRecord": "deals",
        "EngagementRecord": "engagements",
        "LinkSet": "links",
        "Owner": "owners",
        "Tombstone": "tombstones",
        "Poison": "poison",
    }
    sorted_rows: dict[str, tuple[Any, ...]] = {}
    for row in rows:
        name = kinds[type(row).__name__]
        sorted_rows[name] = (*sorted_rows.get(name, ()), row)
    seen = len(rows) - len(sorted_rows.get("tombstones", ()))
    made: dict[str, Any] = {
        "feed": Feed(f"{crm}.{object_name}", crm, object_name, FeedKind.PEOPLE),
        "cursor": Cursor(position=position),
        "server_ms": T0,
        "complete": True,
        "seen": seen,
        **sorted_rows,
        **fields,
    }
    return Page(**made)


def save(
    mirror: Mirror, *rows: Any, stamp: Stamp = Stamp(), direct: bool = False, **fields: Any
) -> FeedCounts:
    """Store rows as one page, in a transaction of its own."""
    with mirror.write() as conn:
        if direct:
            return store.save_rows(conn, page(*rows, **fields), stamp, direct=True)
        return store.save_page(conn, page(*rows, **fields), stamp)


def select(mirror: Mirror, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    """Rows of a query, as tuples."""
    with mirror.read() as conn:
        return [tuple(row) for row in conn.execute(text(sql), values)]
