"""Records of one table in the order of a key, kept lazily: a page of a keyset costs what it returns.

An entry whose record has moved on stays behind until the next rebuild; its key gives it away.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.sandbox.store import Record, Table

Key = tuple[Any, ...]


class Index:
    """Registers itself with the table, which tells it of every record that changes."""

    def __init__(self, table: Table, key: Callable[[Record], Key]) -> None:
        self._table = table
        self._key = key
        self._keys: list[Key] = []
        self._records: list[Record] = []
        self._added = 0
        self.pending: list[Record] = list(table)
        table.indexes.append(self)

    def between(self, low: Key | None, high: Key | None) -> Iterator[Record]:
        """Records with low ≤ key ≤ high in the order of the key; None is no bound."""
        self._refresh()
        keys, records, rows, key = self._keys, self._records, self._table.rows, self._key
        place = 0 if low is None else bisect_left(keys, low)
        while place < len(keys):
            known, record = keys[place], records[place]
            if high is not None and known > high:
                return
            if rows.get(record.id) is record and key(record) == known:
                yield record
            place += 1

    def _refresh(self) -> None:
        if not self.pending:
            return
        if len(self.pending) + self._added > 1000 + len(self._keys) // 10:
            self._rebuild()
        else:
            for record in self.pending:
                self._insert(record)
        self.pending.clear()

    def _rebuild(self) -> None:
        self._records = sorted(self._table, key=self._key)
        self._keys = [self._key(record) for record in self._records]
        self._added = 0

    def _insert(self, record: Record) -> None:
        key = self._key(record)
        place = bisect_left(self._keys, key)
        if place < len(self._keys) and self._keys[place] == key and self._records[place] is record:
            return
        self._keys.insert(place, key)
        self._records.insert(place, record)
        self._added += 1
