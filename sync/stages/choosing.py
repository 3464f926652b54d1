"""Which intents go out together: all fields of a record in one request, and what has to go by itself.

Paused fields, records with a write under way, what waits for a first record to be tried (`canary`), fields
that were refused beside others and records that were refused for others are told apart here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from connectors.base import Connector
from connectors.records import RecordRef
from sync.context import Context
from sync.mirror import outbox
from sync.mirror.outbox import Row, scopes_of
from sync.stages.canary import Canary
from sync.stages.late import worked_by_people

WINDOW = 4
"""Intents that are looked at to fill one batch, per record that it may hold."""


def _scopes(row: Row) -> set[str]:
    """The pauses that would hold an intent."""
    return set(scopes_of(row.crm, row.object, row.field))


class Chooser:
    """What of one CRM is still to be sent in this run, in order, and the next batch of it.

    `alone`: intents that go without the other fields of their record. `single`: records that go without
    others. `begun`: intents whose field was emptied in this run and not set yet: they go next, paused or not.
    """

    def __init__(self, ctx: Context, connector: Connector) -> None:
        self._ctx = ctx
        self._connector = connector
        self._refs: dict[str, RecordRef] = {}
        self.canary = Canary(ctx, connector.crm)
        self.work: deque[str] = deque()
        self.alone: set[str] = set()
        self.single: set[RecordRef] = set()
        self.begun: set[str] = set()

    def begin(self, rows: Sequence[Row]) -> None:
        """Take these up; records of which people work by a field come first."""
        careful = worked_by_people(rows)
        self.work = deque(row.id for row in sorted(rows, key=lambda row: row.ref not in careful))
        self._refs = {row.id: row.ref for row in rows}

    def put_back(self, again: Sequence[str]) -> None:
        """Intents that are to be decided again in this run: emptied fields next, all others at the end."""
        self.work.extendleft(one for one in again if one in self.begun)
        self.work.extend(one for one in again if one not in self.begun)

    def next_batch(self) -> list[Row]:
        """What goes out next; empty where nothing of what was looked at may go."""
        batch, rest = self._choose(self._window())
        self.work.extendleft(reversed(rest))
        return batch

    def _window(self) -> list[str]:
        """The next intents, never only some of a record's."""
        able, work = self._connector.capabilities, self.work
        size = WINDOW * max(able.write_batch, able.plain_batch)
        window = [work.popleft() for _ in range(min(len(work), size))]
        last = self._refs.get(window[-1])
        while work and last is not None and self._refs.get(work[0]) == last:
            window.append(work.popleft())
        return window

    def _choose(self, window: Sequence[str]) -> tuple[list[Row], list[str]]:
        """The next batch out of these intents, and those that come after it.

        Paused fields, records with a write under way, and what is newer than a change that is half done
        are in neither: they wait for a later run. A field that this run has emptied is still filled, once.
        """
        with self._ctx.mirror.read() as conn:
            known = outbox.by_ids(conn, window)
            paused = outbox.pauses(conn).keys()
            queued = [known[one] for one in window if one in known and known[one].state == "queued"]
            half_done = {(row.ref, row.field) for row in queued if row.step is not None}
            queued = [row for row in queued if row.step or (row.ref, row.field) not in half_done]
            queued = [row for row in queued if not self.canary.holds(row)]
            queued = [row for row in queued if row.id in self.begun or not paused & _scopes(row)]
            busy = outbox.busy(conn, {row.ref for row in queued})
        free = [row for row in queued if row.ref not in busy]
        batch = self._next_batch(free)
        taken = {row.id for row in batch}
        self.begun -= taken
        return batch, [row.id for row in free if row.id not in taken]

    def _next_batch(self, rows: Sequence[Row]) -> list[Row]:
        """The intents of as many records of one object as one request may hold, in the order of `rows`."""
        chosen: dict[RecordRef, list[Row]] = {}
        if rows and (rows[0].ref in self.single or self.canary.alone(self._fields_of(rows))):
            rows = [row for row in rows if row.ref == rows[0].ref]
        else:
            rows = [row for row in rows if row.ref not in self.single]
        careful, able = worked_by_people(rows), self._connector.capabilities
        with_people = bool(rows) and rows[0].ref in careful
        size = min(able.read_batch, able.write_batch) if with_people else able.plain_batch
        for row in rows:
            other = row.object != rows[0].object or (row.ref in careful) is not with_people
            if other or (row.ref not in chosen and len(chosen) == size):
                continue
            chosen.setdefault(row.ref, []).append(row)
        batch = []
        for fields in chosen.values():
            alone = [row for row in fields if row.id in self.alone]
            batch += alone[:1] or fields
        return batch

    @staticmethod
    def _fields_of(rows: Sequence[Row]) -> list[Row]:
        """Everything that the first record of these gets."""
        return [row for row in rows if row.ref == rows[0].ref]
