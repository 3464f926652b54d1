"""Four ways of writing that are common in practice, for comparison with ours, on the same clients and seeds.

    blind PATCH           set the value until an answer says 2xx
    read, then write      look first, then write without a condition
    verbatim retry        read, then write; what failed is kept as bytes and sent again as it was
    echo by time window   a change within five minutes of our own write is taken for its echo

Each keeps its notes in memory that survives a crash, as a small database would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.errors import ConnectorError
from connectors.records import Live, OutcomeKind, RecordRef, Write
from tests.proof.arena import STATUS, WANTED, Arena

ECHO_WINDOW = 300.0
"""Seconds after our own write in which a change is held to be that write coming back."""


@dataclass(slots=True)
class Note:
    """What is remembered of one record. `pushed`: when our write was answered; `payload`: what was sent."""

    fields: dict[str, str | None]
    state: str = "open"  # open, written, left
    payload: dict[str, str | None] | None = None
    pushed: float = 0.0


class Blind:
    """Set it until an answer says so."""

    name = "blind PATCH"

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._notes: dict[RecordRef, Note] = {}
        for number, ref in enumerate(arena.records):
            owner = arena.owners["ann" if number % 2 == 0 else "bob"]
            self._notes[ref] = Note({arena.status: WANTED[arena.crm], arena.owner: owner})

    def run(self) -> None:
        """One pass over what is open."""
        wanted = {ref: note.fields for ref, note in self._notes.items() if note.state == "open"}
        try:
            self._send(self._chosen(wanted))
        except ConnectorError:
            return  # the next pass tries again

    def busy(self) -> bool:
        return any(note.state == "open" for note in self._notes.values())

    def belief(self, ref: RecordRef, field: str) -> str:
        note = self._notes[ref]
        if note.state == "written":
            return "written" if field in (note.payload or note.fields) else "left"
        return note.state

    def _chosen(
        self, wanted: dict[RecordRef, dict[str, str | None]]
    ) -> dict[RecordRef, dict[str, str | None]]:
        """What to send of what is wanted."""
        return wanted

    def _send(self, chosen: dict[RecordRef, dict[str, str | None]]) -> None:
        writes = [Write(ref, fields, "", guarded=False) for ref, fields in chosen.items() if fields]
        for write in writes:
            self._notes[write.ref].payload = dict(write.fields)
        if not writes:
            return
        for outcome in self._arena.connector.write(writes):
            if outcome.kind is OutcomeKind.ACCEPTED:
                note = self._notes[outcome.ref]
                note.state, note.pushed = "written", self._arena.world.clock()

    def _read(self, refs: Sequence[RecordRef]) -> dict[RecordRef, Live]:
        if not refs:
            return {}
        arena, ids = self._arena, [ref.id for ref in refs]
        found = arena.connector.read(arena.object, ids, [arena.status, arena.owner], history=False)
        return dict(zip(refs, found, strict=True))

    def _free(self, live: Live) -> dict[str, str | None]:
        """The fields that may be set, by what was just read."""
        arena, fields = self._arena, self._notes[live.ref].fields
        free = {}
        if live.values.get(arena.status) in STATUS[arena.crm]["from"]:
            free[arena.status] = fields[arena.status]
        if live.values.get(arena.owner) in (None, arena.queue):
            free[arena.owner] = fields[arena.owner]
        return free


class ReadThenWrite(Blind):
    """Look whether it may be set, then set it."""

    name = "read, then write"

    def _chosen(
        self, wanted: dict[RecordRef, dict[str, str | None]]
    ) -> dict[RecordRef, dict[str, str | None]]:
        chosen = {}
        for ref, live in self._read(list(wanted)).items():
            chosen[ref] = self._free(live)
            if not chosen[ref]:
                self._notes[ref].state = "left"
        return chosen


class Verbatim(ReadThenWrite):
    """What failed once is sent again as it was."""

    name = "verbatim retry"

    def _chosen(
        self, wanted: dict[RecordRef, dict[str, str | None]]
    ) -> dict[RecordRef, dict[str, str | None]]:
        kept = {ref: payload for ref in wanted if (payload := self._notes[ref].payload)}
        fresh = {ref: fields for ref, fields in wanted.items() if ref not in kept}
        return {**kept, **super()._chosen(fresh)}


class EchoWindow(ReadThenWrite):
    """Keeps its fields in line with its notes; a change soon after its own write is no news to it."""

    name = "echo by time window"

    def run(self) -> None:
        super().run()
        written = [ref for ref, note in self._notes.items() if note.state == "written" and note.payload]
        try:
            self._send(self._drifted(written))
        except ConnectorError:
            return

    def _drifted(self, refs: Sequence[RecordRef]) -> dict[RecordRef, dict[str, str | None]]:
        again: dict[RecordRef, dict[str, str | None]] = {}
        for ref, live in self._read(refs).items():
            note = self._notes[ref]
            payload = note.payload or {}
            changed = {name for name, value in payload.items() if live.values.get(name) != value}
            modified = live.modified_ms / 1000 or self._modified(ref)
            if changed and modified > note.pushed + ECHO_WINDOW:
                note.payload = {name: value for name, value in payload.items() if name not in changed}
            elif changed:
                again[ref] = payload
        return again

    def _modified(self, ref: RecordRef) -> float:
        """When the record last changed, as every list of changes tells."""
        record = self._arena.sandbox.store.get(ref.crm, ref.object, ref.id)
        return 0.0 if record is None else record.modified


STRATEGIES = (Blind, ReadThenWrite, Verbatim, EchoWindow)
