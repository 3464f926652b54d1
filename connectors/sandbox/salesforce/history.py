"""Field history: a row per change of a tracked field (Object Reference, "LeadHistory", "ContactHistory")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectors.sandbox.salesforce.ids import looks_like_id
from connectors.sandbox.salesforce.org import CRM, Org
from connectors.sandbox.store import Record

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.saving import Saver

_NAMES = {"OwnerId": "Owner", "AccountId": "Account"}


def track(org: Org, record: Record, before: Mapping[str, Any], saver: Saver) -> None:
    """Write history rows for what differs from `before` now. An owner gives two rows: ids, and names."""
    for name in org.switches.sf_tracked.get(record.object, ()):
        if name not in before or before[name] == record.get(name):
            continue
        old, new = before[name], record.get(name)
        _row(org, record, name, old, new, saver)
        if looks_like_id(old) or looks_like_id(new):
            _row(org, record, name, _title(org, old), _title(org, new), saver)


def _title(org: Org, record_id: str | None) -> Any:
    record = org.lookup(record_id)
    return record.get("Name") if record is not None else None


def _row(org: Org, record: Record, field: str, old: Any, new: Any, saver: Saver) -> None:
    kind = "EntityId" if looks_like_id(old) or looks_like_id(new) else "Text"
    values = {
        f"{record.object}Id": record.id,
        "Field": _NAMES.get(field, field),
        "DataType": kind,
        "OldValue": old,
        "NewValue": new,
    }
    org.store.create(
        CRM, f"{record.object}History", values, at=saver.at, author="system", actor=saver.actor, silent=True
    )
