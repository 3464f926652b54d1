"""A subject of the contract suite: a connector, and hands to act on its CRM as people would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from connectors.base import Connector
from connectors.records import RecordRef
from tests.world import SimulatedWorld


class Subject(Protocol):
    """What the suite needs to know and do. `people` is the object the suite works with."""

    world: SimulatedWorld
    people: str
    status_field: str
    owner_field: str
    status_values: tuple[str, str, str]  # three values that the CRM offers
    has_http: bool
    merge_keeps_survivor: bool  # False: a merge makes a new record

    def connector(self) -> Connector:
        """A new connector on the same CRM, not signed in."""
        ...

    def forget_credentials(self) -> Connector:
        """A connector with a wrong secret."""
        ...

    def create(self, **canonical: str | None) -> RecordRef:
        """A new person record by canonical names: email, first_name, last_name, job_title, status."""
        ...

    def create_many(self, count: int) -> list[RecordRef]:
        """So many person records that share one modification time; e-mails `bulk-N@example.com`."""
        ...

    def edit(self, ref: RecordRef, **canonical: str | None) -> None:
        """A person changes fields in the CRM's own screen."""
        ...

    def delete(self, ref: RecordRef) -> None:
        """A person deletes (archives) the record."""
        ...

    def merge(self, loser: RecordRef, winner: RecordRef) -> RecordRef:
        """A person merges two records; returns the survivor."""
        ...

    def values(self, ref: RecordRef) -> Mapping[str, str | None]:
        """What the CRM holds, by its own field names."""
        ...

    def holds(self, ref: RecordRef, name: str) -> str | None:
        """What the CRM holds in the field of that canonical name."""
        ...

    def count(self) -> int:
        """How many person records the CRM holds, gone ones included."""
        ...

    def worker_writes(self) -> list[tuple[str, str]]:
        """(record id, field) of every effect that the connector has had so far."""
        ...

    def before_next_write(self, action: Callable[[], None]) -> None:
        """Run `action` after the connector has sent its next write and before it takes effect."""
        ...

    def fault(self, name: str, *, writes: bool = False, count: int = 1) -> None:
        """Arm 503, html, cut, empty, drop_before, drop_after or quota for the next `count` requests."""
        ...

    def expire_tokens(self) -> None:
        """Every token issued so far is dead; signing in again works."""
        ...

    def pass_time(self, seconds: float) -> None:
        """Let the CRM's clock go on."""
        ...

    def close(self) -> None:
        """Let everything go."""
        ...
