"""Owners in tables: as people call them, where the CRMs (and our JSON) know them by an id."""

from __future__ import annotations

from sync.context import App
from sync.mirror import routing
from sync.mirror.engine import Connection


class OwnerNames:
    """What to show for the value of a field: for an owner's id their address, or the name of a queue."""

    def __init__(self, conn: Connection) -> None:
        self._names = {(one.crm, one.id): one.email or one.name or one.id for one in routing.owners(conn)}

    def __call__(self, crm: str, field: str, value: str | None) -> str | None:
        """The value, unless the field is one that holds an owner and the owner is mirrored."""
        if value is None or "owner" not in field.lower():
            return value
        return self._names.get((crm, value), value)


def owner_names(opened: App) -> OwnerNames:
    """Those that the mirror knows now."""
    with opened.mirror.read() as conn:
        return OwnerNames(conn)
