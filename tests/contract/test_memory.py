"""The contract on the dict."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from connectors.base import Connector
from connectors.memory import NATIVE_NAMES, MemoryConnector
from connectors.records import Author, Owner, RecordRef, Write
from tests.contract.subjects import Subject
from tests.contract.suite import ConnectorContract
from tests.world import SimulatedWorld


class MemorySubject:
    """A dict with the manners of one CRM."""

    has_http = False
    merge_keeps_survivor = True

    def __init__(self, crm: str) -> None:
        self.world = SimulatedWorld()
        self.memory = MemoryConnector(crm, self.world)
        self.people = "Lead" if crm == "salesforce" else "contacts"
        names = NATIVE_NAMES[self.people]
        self.status_field, self.owner_field = names["status"], names["owner_id"]
        self.status_values = ("New", "MQL", "Working")
        self.memory.options[self.people, self.status_field] = self.status_values
        self.memory.add_owner(Owner(crm, "ann", "ann@example.com", "Ann", "person", True))
        self.memory.add_owner(Owner(crm, "ex", "ex@example.com", "Ex", "person", False))

    def connector(self) -> Connector:
        return self.memory

    def forget_credentials(self) -> Connector:
        raise AssertionError("a dict asks for no credentials")

    def create(self, **canonical: str | None) -> RecordRef:
        return self.memory.put(self.people, f"id{len(self.memory.records)}", **canonical)

    def create_many(self, count: int) -> list[RecordRef]:
        return [self.create(email=f"bulk-{n}@example.com", last_name=f"Bulk {n}") for n in range(count)]

    def edit(self, ref: RecordRef, **canonical: str | None) -> None:
        self.memory.edit(ref, Author.PERSON, **canonical)

    def delete(self, ref: RecordRef) -> None:
        self.memory.delete(ref)

    def merge(self, loser: RecordRef, winner: RecordRef) -> RecordRef:
        self.memory.merge(loser, winner)
        return winner

    def values(self, ref: RecordRef) -> Mapping[str, str | None]:
        return self.memory.records[ref].fields

    def holds(self, ref: RecordRef, name: str) -> str | None:
        return self.values(ref).get(NATIVE_NAMES[ref.object].get(name, name))

    def count(self) -> int:
        return len(self.memory.records)

    def worker_writes(self) -> list[tuple[str, str]]:
        return [
            (ref.id, name)
            for ref, record in self.memory.records.items()
            for name, versions in record.versions.items()
            for version in versions
            if version.source == "API:mqlsync"
        ]

    def before_next_write(self, action: Callable[[], None]) -> None:
        def once(_: Write) -> None:
            self.memory.before_write = None
            action()

        self.memory.before_write = once

    def fault(self, name: str, *, writes: bool = False, count: int = 1) -> None:
        raise AssertionError("a dict has no way to it")

    def expire_tokens(self) -> None:
        """A dict issues none."""

    def pass_time(self, seconds: float) -> None:
        self.world.advance(seconds)

    def close(self) -> None:
        self.memory.close()


class TestMemoryAsSalesforce(ConnectorContract):
    def make(self) -> Subject:
        return MemorySubject("salesforce")


class TestMemoryAsHubSpot(ConnectorContract):
    def make(self) -> Subject:
        return MemorySubject("hubspot")
