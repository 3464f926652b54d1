"""What really happened in the two CRMs: the judge of every test, never read by the product.

One `Entry` per changed field. A record's birth and end are entries too, with a field name that starts with
`#`: `#created`, `#deleted`, `#archived`, `#restored`, `#merged` (after = the survivor's id), `#converted`,
`#erased`. Creations by the seed are left out, so that a million seeded records cost nothing here.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Entry(NamedTuple):
    n: int
    """From 1, without gaps, in the order of the effects."""
    at: float
    crm: str
    object: str
    id: str
    field: str
    before: Any
    after: Any
    author: str
    """worker (an API client), person, automation, seed or system."""
    actor: str
    """Who exactly: a user id, an app id, the name of a rule."""
    request: int
    """Number of the HTTP request that caused it, 0 for none."""


class Ledger:
    """Append-only."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(
        self,
        *,
        at: float,
        crm: str,
        object_name: str,
        record_id: str,
        field: str,
        before: Any,
        after: Any,
        author: str,
        actor: str,
        request: int,
    ) -> None:
        number = len(self._entries) + 1
        self._entries.append(
            Entry(number, at, crm, object_name, record_id, field, before, after, author, actor, request)
        )

    def truncate(self, length: int) -> None:
        """Forget what was rolled back."""
        del self._entries[length:]

    def entries(
        self, since: int = 0, *, author: str = "", crm: str = "", record_id: str = "", field: str = ""
    ) -> list[Entry]:
        """Entries with a number above `since`, in order, filtered by whatever is given."""
        return [
            entry
            for entry in self._entries[since:]
            if (not author or entry.author == author)
            and (not crm or entry.crm == crm)
            and (not record_id or entry.id == record_id)
            and (not field or entry.field == field)
        ]
