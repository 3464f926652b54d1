"""What the two subjects on the sandbox share: hands on its store, its ledger as judge, its faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from connectors.records import RecordRef
from connectors.sandbox.faults import Match
from connectors.sandbox.sandbox import Sandbox
from tests.world import SimulatedWorld

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "503": {"kind": "status", "status": 503, "body": "Service Unavailable"},
    "html": {"kind": "html", "status": 200},
    "cut": {"kind": "cut"},
    "empty": {"kind": "empty", "status": 200},
    "drop_before": {"kind": "drop_before"},
    "drop_after": {"kind": "drop_after"},
}


class SandboxSubject:
    """One half of the sandbox. Subclasses name the objects and build the connector."""

    has_http = True
    crm: ClassVar[str]
    people: ClassVar[str]
    status_field: ClassVar[str]
    owner_field: ClassVar[str]
    status_values: ClassVar[tuple[str, str, str]]
    names: ClassVar[Mapping[str, str]]  # canonical → the CRM's field
    data_path: ClassVar[str]  # requests that faults may hit: everything but signing in
    write_method: ClassVar[str]
    write_path: ClassVar[str]
    quota: ClassVar[Mapping[str, Any]]

    def __init__(self) -> None:
        self.world = SimulatedWorld()
        self.sandbox = Sandbox(clock=self.world.clock).start()
        self.prepare()
        self.since = len(self.sandbox.ledger)

    def prepare(self) -> None:
        """Owners and whatever else the suite expects to be there."""
        raise NotImplementedError

    def create(self, **canonical: str | None) -> RecordRef:
        values = self.native(canonical)
        record_id = self.sandbox.create(self.crm, self.people, values)
        return RecordRef(self.crm, self.people, record_id)

    def create_many(self, count: int) -> list[RecordRef]:
        return [self.create(email=f"bulk-{n}@example.com", last_name=f"Bulk {n}") for n in range(count)]

    def edit(self, ref: RecordRef, **canonical: str | None) -> None:
        self.sandbox.edit(ref.crm, ref.object, ref.id, self.native(canonical), author="person")

    def delete(self, ref: RecordRef) -> None:
        self.sandbox.delete(ref.crm, ref.object, ref.id)

    def merge(self, loser: RecordRef, winner: RecordRef) -> RecordRef:
        survivor = self.sandbox.merge(self.crm, self.people, winner.id, loser.id)
        return RecordRef(self.crm, self.people, survivor)

    def values(self, ref: RecordRef) -> Mapping[str, str | None]:
        record = self.sandbox.store.get(ref.crm, ref.object, ref.id)
        assert record is not None
        return dict(record.values)

    def holds(self, ref: RecordRef, name: str) -> str | None:
        return self.values(ref).get(self.names[name])

    def count(self) -> int:
        return len(self.sandbox.store.table(self.crm, self.people))

    def worker_writes(self) -> list[tuple[str, str]]:
        entries = self.sandbox.ledger.entries(self.since, author="worker", crm=self.crm)
        return [(entry.id, entry.field) for entry in entries]

    def before_next_write(self, action: Callable[[], None]) -> None:
        match = Match(self.crm, self.write_method, self.write_path)
        self.sandbox.steps.before(match, lambda _: action())

    def fault(self, name: str, *, writes: bool = False, count: int = 1) -> None:
        path, method = (self.write_path, self.write_method) if writes else (self.data_path, "")
        what = self.quota if name == "quota" else FAULTS[name]
        self.sandbox.faults.arm(crm=self.crm, method=method, path=path, count=count, **what)

    def expire_tokens(self) -> None:
        self.sandbox.expire_tokens(self.crm)

    def pass_time(self, seconds: float) -> None:
        self.world.advance(seconds)

    def close(self) -> None:
        self.sandbox.stop()
        assert self.sandbox.errors == []

    def native(self, canonical: Mapping[str, str | None]) -> dict[str, str | None]:
        return {self.names[name]: value for name, value in canonical.items()}
