"""What the CRMs' own ledger says of what mqlsync did to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sync.demo.telling import Edit

SCORE_FIELDS: Final = ("mql_score__c", "mql_score")
"""A score may come back to a value that it had; nobody decided that twice."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How often each thing happened.

    `created_deleted_merged`: records to which mqlsync did that. `edits_covered`: values of people over which
    mqlsync wrote for a moment, and which it put back.
    """

    written: int
    verified: int
    created_deleted_merged: int
    written_twice: int
    edits: int
    edits_standing: int
    edits_covered: int

    @property
    def kept(self) -> bool:
        """Whether every promise was."""
        wrong = self.created_deleted_merged + self.written_twice
        return not wrong and self.edits_standing == self.edits

    def rows(self) -> list[tuple[str, str]]:
        """For people."""
        return [
            ("fields written by mqlsync", f"{self.written:,}"),
            ("of them verified by reading back", f"{self.verified:,}"),
            ("records created, deleted or merged by mqlsync", f"{self.created_deleted_merged:,}"),
            ("decisions written twice", f"{self.written_twice:,}"),
            ("edits by people that stand", f"{self.edits_standing:,} of {self.edits:,}"),
            ("of them covered for a moment and put back (HubSpot)", f"{self.edits_covered:,}"),
        ]

    def to_json(self) -> dict[str, int]:
        """For programs."""
        return asdict(self)


def judge(
    ledger: Sequence[Mapping[str, Any]], edits: Sequence[Edit], kept: Sequence[Edit], verified: int
) -> Judgement:
    """Count in the ledger; `kept` are those of the `edits` by people whose values stand at the end."""
    ours = [entry for entry in ledger if entry["author"] == "worker"]
    times = Counter((e["crm"], e["id"], e["field"], e["after"]) for e in ours)
    by_people = {(e.crm, e.id, name, value) for e in kept for name, value in e.fields.items()}
    twice = [
        key
        for key, number in times.items()
        if number > 1 and key not in by_people and key[2].lower() not in SCORE_FIELDS
    ]
    alone = [entry for entry in ours if entry["field"].startswith("#")]
    covered = [e for e in ours if (e["crm"], e["id"], e["field"], e["before"]) in by_people]
    return Judgement(len(ours), verified, len(alone), len(twice), len(edits), len(kept), len(covered))
