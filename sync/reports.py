"""What a run reports: the counts of `sync --json`, and whether they add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA_VERSION = 1


@dataclass(slots=True)
class FeedCounts:
    """Rows of one object in one run; seen = stored + unchanged + parked, `gone` counts beside."""

    seen: int = 0
    stored: int = 0
    unchanged: int = 0
    parked: int = 0
    gone: int = 0
    calls: int = 0

    def add(self, other: FeedCounts) -> None:
        """Add another page's counts to these."""
        self.seen += other.seen
        self.stored += other.stored
        self.unchanged += other.unchanged
        self.parked += other.parked
        self.gone += other.gone
        self.calls += other.calls

    @property
    def balanced(self) -> bool:
        """Every row that was seen has one fate."""
        return self.seen == self.stored + self.unchanged + self.parked


@dataclass(slots=True)
class MatchCounts:
    """People after matching."""

    people: int = 0
    ambiguous: int = 0


@dataclass(slots=True)
class ScoreCounts:
    """Scores after scoring; `people` is the whole population, `recomputed` those scored in this run."""

    people: int = 0
    recomputed: int = 0
    mql_entered: int = 0
    mql_left: int = 0


@dataclass(slots=True)
class WriteCounts:
    """Every intent that was open at the start of the run or made in it, by its state at the end."""

    decided: int = 0
    verified: int = 0
    waiting: int = 0
    conflict: int = 0
    parked: int = 0
    superseded: int = 0
    calls: int = 0

    @property
    def balanced(self) -> bool:
        """Every decided change has one fate."""
        return self.decided == (self.verified + self.waiting + self.conflict + self.parked + self.superseded)


@dataclass(frozen=True, slots=True)
class RunProblem:
    """Something that a run could not do. `exit_code` is its row of the exit-code table."""

    code: str
    crm: str
    message: str
    remedy: str
    exit_code: int

    def to_json(self) -> dict[str, Any]:
        """As it stands in `problems`."""
        return asdict(self)


EXIT_PRECEDENCE = (12, 13, 1, 4, 2, 6, 5, 9, 3, 0)
"""Several reasons: the first of these is the exit code."""


def exit_code_of(codes: Iterable[int]) -> int:
    """The exit code of a command that has several reasons for one; 0 when it has none."""
    found = set(codes)
    return next((code for code in EXIT_PRECEDENCE if code in found), 0)


OUTCOMES: Mapping[int, str] = {0: "ok", 3: "partial", 9: "partial", 5: "deferred", 6: "blocked"}


@dataclass(slots=True)
class RunReport:
    """One run, as `sync --json` prints it."""

    run_id: str
    pull: dict[str, dict[str, FeedCounts]] = field(default_factory=dict)
    match: MatchCounts = field(default_factory=MatchCounts)
    score: ScoreCounts = field(default_factory=ScoreCounts)
    write: WriteCounts = field(default_factory=WriteCounts)
    problems: list[RunProblem] = field(default_factory=list)
    reconcile: dict[str, int] = field(default_factory=dict)
    """Of a comparison with the CRMs: class → wanted values."""

    @property
    def books_balance(self) -> bool:
        """Whether the counts of every stage add up."""
        feeds = (counts for crm in self.pull.values() for counts in crm.values())
        return self.write.balanced and all(counts.balanced for counts in feeds)

    @property
    def exit_code(self) -> int:
        """The exit code of the command that ran this."""
        codes = {problem.exit_code for problem in self.problems}
        if not self.books_balance:
            codes.add(1)
        parked = sum(counts.parked for crm in self.pull.values() for counts in crm.values())
        if parked or self.write.parked or self.write.conflict:
            codes.add(3)
        return exit_code_of(codes)

    @property
    def outcome(self) -> str:
        """ok, partial, deferred, blocked or failed."""
        return OUTCOMES.get(self.exit_code, "failed")

    def to_json(self) -> dict[str, Any]:
        """The contract of `sync --json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "outcome": self.outcome,
            "pull": {
                crm: {name: asdict(counts) for name, counts in feeds.items()}
                for crm, feeds in self.pull.items()
            },
            "match": asdict(self.match),
            "score": asdict(self.score),
            "write": asdict(self.write),
            "books_balance": self.books_balance,
            "problems": [problem.to_json() for problem in self.problems],
            **({"reconcile": self.reconcile} if self.reconcile else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunReport:
        """What `to_json` gave."""
        return cls(
            run_id=value["run_id"],
            pull={
                crm: {name: FeedCounts(**counts) for name, counts in feeds.items()}
                for crm, feeds in value["pull"].items()
            },
            match=MatchCounts(**value["match"]),
            score=ScoreCounts(**value["score"]),
            write=WriteCounts(**value["write"]),
            problems=[RunProblem(**problem) for problem in value["problems"]],
            reconcile=dict(value.get("reconcile", {})),
        )
