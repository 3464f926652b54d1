"""What a CRM must be able to do for us, in the words used everywhere else.

One contract suite (`tests/contract`) runs over every implementation: the dict in `connectors.memory`,
Salesforce and HubSpot. A further CRM is a new package beside them that passes the same suite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from connectors.records import (
    Capabilities,
    Cursor,
    Feed,
    Identity,
    Limits,
    Live,
    NewTask,
    Offered,
    Outcome,
    Owner,
    Page,
    RecordRef,
    Write,
)


class Connector(Protocol):
    """One signed-in CRM account. Raises only the families of `connectors.errors`."""

    @property
    def crm(self) -> str:
        """`salesforce`, `hubspot`, ..."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """Batch sizes, and whether a write can be conditional."""
        ...

    @property
    def calls(self) -> int:
        """API calls made so far by this object."""
        ...

    def sign_in(self) -> Identity:
        """Sign in (or check the given token) and say who we are. Raises AuthFailed."""
        ...

    def feeds(self) -> Sequence[Feed]:
        """Every feed this configuration pulls, in pulling order."""
        ...

    def changes(self, feed: Feed, cursor: Cursor | None) -> Iterator[Page]:
        """Pages from `cursor` (None: from the beginning) to the server's present.

        Each page carries the cursor to store with it; going on from any page's cursor, in a new
        process, misses nothing. The last page has `complete` set. Rows may come twice, never not at all.
        Raises NotOffered when the account lacks the feed, RightMissing when we may not read it.
        """
        ...

    def fetch(self, object_name: str, ids: Sequence[str]) -> Page:
        """The current rows of these ids, as a page of that object's people feed (cursor meaningless).

        Ids that are gone come back as tombstones with their survivor where there is one.
        """
        ...

    def find(self, email: str) -> Sequence[RecordRef]:
        """Live person records with this address (exact, case-folded), for one-off look-ups only."""
        ...

    def ids(self, object_name: str, after: str = "") -> Iterator[Sequence[str]]:
        """Every live id of an object, in batches, for sweeps. Raises NotOffered and RightMissing.

        `after`: the last id of a listing that was cut short; only what followed it need come.
        """
        ...

    def read(
        self, object_name: str, ids: Sequence[str], fields: Sequence[str], *, history: bool = True
    ) -> Sequence[Live]:
        """The live state of these records, in the order asked; at most `capabilities.read_batch` ids.

        Without `history` the versions of the fields are not asked for, and `capabilities.plain_batch` ids
        are the most.
        """
        ...

    def write(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Send these writes, at most `capabilities.write_batch`, one per record; outcomes in order.

        Where none of them is guarded, `capabilities.plain_batch` are the most.

        Never creates. Raises for the whole call only what concerns the account (QuotaSpent, AuthFailed);
        a lost answer is Outcome UNKNOWN for every write it may have carried.
        """
        ...

    def create_task(self, task: NewTask) -> Outcome:
        """Make a task or note beside a record, once: nothing here repeats it. Its `ref` when ACCEPTED.

        Raises QuotaSpent, AuthFailed and Retriable when it surely was not made; a lost answer is UNKNOWN.
        """
        ...

    def find_task(self, task: NewTask) -> RecordRef | None:
        """The task or note that carries this mark; None when there is none."""
        ...

    def task_right(self, kind: str) -> str | None:
        """Why our user may make no task (or note); "" when it may, None when the CRM does not tell."""
        ...

    def owners(self) -> Sequence[Owner]:
        """Users and queues, inactive ones too."""
        ...

    def offered(self, object_name: str, field: str) -> Offered:
        """What values the CRM offers for a field."""
        ...

    def limits(self) -> Limits:
        """The daily quota as last heard."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
