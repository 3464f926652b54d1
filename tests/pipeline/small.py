"""A small pipeline on a real database: a mirror, dict CRMs and a context for each run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from config.settings import Settings
from config.world import epoch
from connectors.memory import MemoryConnector
from sync.context import Context, RunClock
from sync.mirror.engine import Mirror
from sync.reports import FeedCounts, MatchCounts, RunProblem
from sync.stages.match import match
from sync.stages.pull import Which, pull
from tests.databases import mirror_url
from tests.world import SimulatedWorld

CALLED = {
    "joined": {"sqlite": "group_concat", "postgresql": "string_agg"},
    "place": {"sqlite": "instr", "postgresql": "strpos"},
}
"""`[[word]]` in the text of a query → the function of each database."""


@dataclass
class Small:
    """Everything a test of a stage needs; `run()` gives a context of a new run."""

    mirror: Mirror
    world: SimulatedWorld
    connectors: dict[str, Any]
    settings: Settings = field(default_factory=Settings)
    problems: list[RunProblem] = field(default_factory=list)

    def run(self) -> Context:
        now = epoch(self.world.now())
        clock = RunClock(self.world.new_id(), now, now, now)
        return Context(self.settings, self.world, self.mirror, self.connectors, [], clock)

    def pull(self, crm: str | None = None, *, full: bool = False) -> dict[str, dict[str, FeedCounts]]:
        """Pull one CRM or all of them."""
        ctx = self.run()
        names = [crm] if crm else list(self.connectors)
        self.problems.clear()
        return {name: pull(ctx, name, Which(full=full), on_problem=self.problems.append) for name in names}

    def match(self) -> MatchCounts:
        return match(self.run())

    def sync(self) -> MatchCounts:
        """Pull everything and match."""
        self.pull()
        return self.match()

    def select(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.mirror.read() as conn:
            for word, names in CALLED.items():
                sql = sql.replace(f"[[{word}]]", names[conn.dialect.name])
            return [tuple(row) for row in conn.execute(text(sql), values)]


def small(folder: Path, settings: Settings | None = None) -> Small:
    """Both CRMs as dicts, a fresh mirror."""
    world = SimulatedWorld()
    mirror = Mirror(mirror_url(folder), world)
    made = {crm: MemoryConnector(crm, world) for crm in ("salesforce", "hubspot")}
    return Small(mirror, world, dict(made), settings or Settings())
