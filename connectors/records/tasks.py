"""The task or note that a hand-off may leave beside a record, and the mark by which it is known as ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from connectors.records.refs import RecordRef

MARK: Final = re.compile(r"\bmqlsync:[0-9a-f]{12}\b")
"""What every task and note of ours carries in its words; no two carry the same."""

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task, or a note, that is to be made once for a person's record.

    `kind`: "task" or "note". `mark` stands in `subject`, or, of a note, in `body`. `owner_id` None: nobody
    in particular. `due_ms`, `due_day` (ISO): when somebody ought to have acted. `made_ms`: when it was
    decided on.
    """

    kind: str
    ref: RecordRef
    owner_id: str | None
    subject: str
    body: str
    mark: str
    due_ms: int
    due_day: str
    made_ms: int

    @property
    def since_ms(self) -> int:
        """Since when one may be there, by whichever clock."""
        return self.made_ms - DAY_MS
