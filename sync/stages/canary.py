"""One record first: a field that this configuration never wrote is tried before many records get it.

Preflight finds what a description tells. A flow that sets every value back, a rule that describes itself to
nobody, or a mapping that is accepted and wrong show only when something is written. So of many records one
goes alone; the others follow when its value was read back, and wait when it came to nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from connectors.records import RefusalClass
from sync.context import Context
from sync.core.cases import Why
from sync.mirror import outbox
from sync.mirror.outbox import Row
from sync.mirror.runs import get_meta, set_meta
from sync.reports import RunProblem

TELLING = 3
"""So many first records that tell nothing (a person was faster, a rule of that record): enough was tried."""

_BAD = frozenset(
    {RefusalClass.OUR_CONFIG.value, RefusalClass.OTHER.value, Why.SILENT.value, Why.OVERRIDDEN.value}
)

Field = tuple[str, str]
"""Object and field."""


class Canary:
    """Which fields of one CRM go to one record first, in one run."""

    def __init__(self, ctx: Context, crm: str) -> None:
        self._ctx = ctx
        self._key = f"{crm}.canary"
        self._crm = crm
        with ctx.mirror.read() as conn:
            mapping, fields = json.loads(get_meta(conn, self._key) or '["", []]')
        self._proved: set[Field] = set(map(tuple, fields)) if mapping == ctx.mapping_hash else set()
        self._waiting: Counter[Field] = Counter()  # records that are to get it, per field that needs a first
        self._tried: Counter[Field] = Counter()
        self._held: set[Field] = set()

    def begin(self, records: Mapping[Field, int]) -> None:
        """Of the fields that are to be sent to so many records each, find those that need a first one."""
        least = self._ctx.settings.writeback.canary
        for field, number in records.items():
            if least and number >= least and field not in self._proved:
                self._waiting[field] = number

    def holds(self, row: Row) -> bool:
        """Whether the first record of this field came to nothing: then the others wait for a later run."""
        return (row.object, row.field) in self._held

    def alone(self, rows: Iterable[Row]) -> bool:
        """Whether a record that gets these fields has to go first."""
        return any((row.object, row.field) in self._waiting for row in rows)

    def look(self, batch: Sequence[Row]) -> list[RunProblem]:
        """What became of a batch: fields that are proved now, and what somebody should know."""
        first = [row for row in batch if (row.object, row.field) in self._waiting]
        if not first:
            return []
        with self._ctx.mirror.read() as conn:
            ended = outbox.by_ids(conn, (row.id for row in first))
        problems = []
        for row in ended.values():
            field = (row.object, row.field)
            if row.state == "verified":
                self._proved.add(field)
                self._waiting.pop(field, None)
            elif row.why in _BAD:
                problems.append(self._failed(row, self._waiting.pop(field, 1) - 1))
                self._held.add(field)
            else:
                self._tried[field] += 1
                if self._tried[field] >= TELLING:
                    self._waiting.pop(field, None)
        with self._ctx.mirror.write() as conn:
            set_meta(conn, self._key, json.dumps([self._ctx.mapping_hash, sorted(self._proved)]))
        return problems

    def _failed(self, row: Row, others: int) -> RunProblem:
        message = (
            f"{row.object}.{row.field} was tried on {row.record_id} first and came to nothing ({row.why}); "
            f"{others} others wait"
        )
        remedy = "`mqlsync failed list` says why; the next run tries one record again"
        return RunProblem("CANARY_FAILED", self._crm, message, remedy, 3)
