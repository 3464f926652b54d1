"""Records of both CRMs: current values, versions of what changed, stamps, and how they ended.

A record holds only values that are set (an unset field is absent), and history only for fields that changed
after creation: the first version of any other field is its creation. Values are what the CRM's own half put
in; the store never interprets them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from connectors.sandbox.index import Index
from connectors.sandbox.journal import Journal
from connectors.sandbox.ledger import Ledger


class Version(NamedTuple):
    """One value a field had, from `at` on."""

    at: float
    value: Any
    author: str
    actor: str
    source: str
    """CRM-specific origin, e.g. HubSpot's sourceType; "" when the half derives it from author."""


class Record:
    """One row of one object. Read it freely; change it only through the store."""

    __slots__ = (
        "author", "cache", "created", "created_by", "extra", "gone", "gone_at", "id", "merged_into",
        "modified", "modified_by", "object", "stamp", "values", "versions",
    )  # fmt: skip

    def __init__(self, object_name: str, record_id: str, values: dict[str, Any], at: float) -> None:
        self.object = object_name
        self.id = record_id
        self.values = values
        self.created = at
        self.modified = at
        self.stamp = at
        """System stamp; `modified` and `stamp` are equal unless a change was made with `touch="stamp"`."""
        self.author = "seed"
        """Author of the creation."""
        self.created_by = ""
        self.modified_by = ""
        self.gone = ""
        """"" (alive), deleted, archived or merged. An erased record is not in its table at all."""
        self.gone_at = 0.0
        self.merged_into = ""
        self.versions: dict[str, list[Version]] | None = None
        self.cache: Any = None
        """For the half's rendering; emptied at every change."""
        self.extra: Any = None
        """For the half; kept."""

    def get(self, field: str) -> Any:
        return self.values.get(field)

    def history(self, field: str) -> list[Version]:
        """All versions of a field, newest first; its creation included when it had a value then."""
        changed = self.versions.get(field) if self.versions else None
        if changed is not None:
            return changed[::-1]
        if field not in self.values:
            return []
        return [Version(self.created, self.values[field], self.author, self.created_by, "")]


class Table:
    """All records of one object by id, in order of creation."""

    def __init__(self, crm: str, name: str) -> None:
        self.crm = crm
        self.name = name
        self.rows: dict[str, Record] = {}
        self.revision = 0
        """Grows with every change of any row."""
        self.new_id: Callable[[], str] | None = None
        """Set by the half when it registers the object."""
        self.indexes: list[Index] = []

    def touched(self, record: Record) -> None:
        """To be called at every change of a record."""
        self.revision += 1
        record.cache = None
        for index in self.indexes:
            index.pending.append(record)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.rows.values())

    def __len__(self) -> int:
        return len(self.rows)

    def alive(self) -> Iterator[Record]:
        return (record for record in self.rows.values() if not record.gone)


class Store:
    """Everything both CRMs hold. One re-entrant lock: hold it to see a consistent state."""

    def __init__(self, clock: Callable[[], float], ledger: Ledger) -> None:
        self.lock = threading.RLock()
        self.ledger = ledger
        self.request = 0
        """Number of the request being handled, for the ledger; 0 outside of one."""
        self._clock = clock
        self._tables: dict[tuple[str, str], Table] = {}
        self._journals: list[Journal] = []

    # -- reading -------------------------------------------------------------------------------------------

    def table(self, crm: str, object_name: str) -> Table:
        """The table of an object, made empty at first use."""
        key = (crm, object_name)
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = Table(crm, object_name)
        return table

    def tables(self, crm: str = "") -> list[Table]:
        return [table for table in self._tables.values() if not crm or table.crm == crm]

    def get(self, crm: str, object_name: str, record_id: str) -> Record | None:
        """The record, gone or not; None when it never existed or was erased."""
        return self.table(crm, object_name).rows.get(record_id)

    # -- all or none ---------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Journal]:
        """Inside, `journal.undo()` takes back everything done since; without it, all stands."""
        journal = Journal(self.ledger)
        self._journals.append(journal)
        try:
            yield journal
        finally:
            self._journals.remove(journal)

    # -- changing ------------------------------------------------------------------------------------------

    def create(
        self,
        crm: str,
        object_name: str,
        values: Mapping[str, Any],
        *,
        record_id: str | None = None,
        at: float | None = None,
        author: str = "system",
        actor: str = "",
        silent: bool = False,
    ) -> Record:
        """Add a record; None values are left out. The table's `new_id` names it unless `record_id` does.

        `silent`: no ledger entry, for rows that only describe another effect (field history).
        """
        table = self.table(crm, object_name)
        moment = self._clock() if at is None else at
        if record_id is None:
            if table.new_id is None:
                raise LookupError(f"{crm} {object_name} has no ids of its own")
            record_id = table.new_id()
        if record_id in table.rows:
            raise ValueError(f"{object_name} {record_id} exists")
        kept = {name: value for name, value in values.items() if value is not None}
        record = Record(object_name, record_id, kept, moment)
        record.author, record.created_by, record.modified_by = author, actor, actor
        self._remember(table, record, born=True)
        table.rows[record_id] = record
        table.touched(record)
        if author != "seed" and not silent:
            self._note(table, record, "#created", None, record_id, moment, author, actor)
        return record

    def change(
        self,
        crm: str,
        record: Record,
        changes: Mapping[str, Any],
        *,
        at: float | None = None,
        author: str = "system",
        actor: str = "",
        source: str = "",
        touch: str = "both",
        same: bool = False,
    ) -> dict[str, Any]:
        """Set fields; returns {field: value before} of those that really changed.

        `touch`: "both" moves `modified` and `stamp` (also when nothing changed: a save is a save), "stamp"
        the system stamp alone, "none" neither; no stamp ever goes back. `same`: an unchanged value adds a
        version, too.
        """
        table = self.table(crm, record.object)
        moment = self._clock() if at is None else at
        before: dict[str, Any] = {}
        self._remember(table, record)
        for name, value in changes.items():
            old = record.values.get(name)
            if old == value and type(old) is type(value) and not same:
                continue
            self._version(record, name, Version(moment, value, author, actor, source))
            if value is None:
                record.values.pop(name, None)
            else:
                record.values[name] = value
            if old != value:
                before[name] = old
                self._note(table, record, name, old, value, moment, author, actor)
        self._touch(table, record, moment, actor, touch)
        return before

    def remove(
        self,
        crm: str,
        record: Record,
        how: str = "deleted",
        *,
        into: str = "",
        at: float | None = None,
        author: str = "system",
        actor: str = "",
        touch: str = "none",
    ) -> None:
        """Take a record out of sight, `how` = deleted, archived or merged (`into` the survivor's id)."""
        table = self.table(crm, record.object)
        moment = self._clock() if at is None else at
        self._remember(table, record)
        record.gone, record.gone_at, record.merged_into = how, moment, into
        self._note(table, record, f"#{how}", None, into, moment, author, actor)
        self._touch(table, record, moment, actor, touch)

    def restore(
        self,
        crm: str,
        record: Record,
        *,
        at: float | None = None,
        author: str = "system",
        actor: str = "",
        touch: str = "both",
    ) -> None:
        """Bring a removed record back."""
        table = self.table(crm, record.object)
        moment = self._clock() if at is None else at
        self._remember(table, record)
        self._note(table, record, "#restored", record.gone, "", moment, author, actor)
        record.gone, record.gone_at, record.merged_into = "", 0.0, ""
        self._touch(table, record, moment, actor, touch)

    def erase(self, crm: str, record: Record, *, author: str = "system", actor: str = "") -> None:
        """Remove without a trace but the ledger's (hard delete, purge, GDPR delete)."""
        table = self.table(crm, record.object)
        self._remember(table, record)
        del table.rows[record.id]
        table.touched(record)
        self._note(table, record, "#erased", None, None, self._clock(), author, actor)

    def note(
        self, crm: str, record: Record, event: str, after: Any, *, at: float, author: str, actor: str = ""
    ) -> None:
        """Put an event of the half's own (`#converted`) into the ledger."""
        self._note(self.table(crm, record.object), record, event, None, after, at, author, actor)

    # -- inner ---------------------------------------------------------------------------------------------

    def _remember(self, table: Table, record: Record, *, born: bool = False) -> None:
        for journal in self._journals:
            journal.remember(table, record, born=born)

    @staticmethod
    def _version(record: Record, name: str, version: Version) -> None:
        if record.versions is None:
            record.versions = {}
        known = record.versions.get(name)
        if known is None:
            known = record.versions[name] = record.history(name)
        known.append(version)

    @staticmethod
    def _touch(table: Table, record: Record, at: float, actor: str, touch: str) -> None:
        if touch in ("both", "stamp"):
            record.stamp = max(record.stamp, at)
        if touch == "both":
            record.modified = max(record.modified, at)
            record.modified_by = actor or record.modified_by
        table.touched(record)

    def _note(
        self,
        table: Table,
        record: Record,
        field: str,
        before: Any,
        after: Any,
        at: float,
        author: str,
        actor: str,
    ) -> None:
        self.ledger.add(
            at=at,
            crm=table.crm,
            object_name=record.object,
            record_id=record.id,
            field=field,
            before=before,
            after=after,
            author=author,
            actor=actor,
            request=self.request,
        )
