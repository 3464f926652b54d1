"""Undo for all-or-none requests: what records were like before a transaction touched them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sandbox.ledger import Ledger

if TYPE_CHECKING:
    from connectors.sandbox.store import Record, Table

_STATE = ("values", "modified", "modified_by", "stamp", "gone", "gone_at", "merged_into", "versions")


class Journal:
    """Remembers the first state of every record touched since it was opened."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._mark = len(ledger)
        self._first: dict[int, tuple[Table, Record, dict[str, Any] | None]] = {}

    def remember(self, table: Table, record: Record, *, born: bool = False) -> None:
        """Call before a change; `born`: the record is new."""
        if id(record) not in self._first:
            self._first[id(record)] = (table, record, None if born else _state(record))

    def undo(self) -> None:
        """Put everything back, ledger included."""
        for table, record, state in reversed(list(self._first.values())):
            if state is None:
                table.rows.pop(record.id, None)
            else:
                for name, value in state.items():
                    setattr(record, name, value)
                table.rows.setdefault(record.id, record)
            table.touched(record)
        self._ledger.truncate(self._mark)


def _state(record: Record) -> dict[str, Any]:
    state = {name: getattr(record, name) for name in _STATE}
    state["values"] = dict(record.values)
    if record.versions is not None:
        state["versions"] = {name: list(known) for name, known in record.versions.items()}
    return state
