"""The real stage, on a real database, with something unusual at every point: a person, automation, the
network, a crash. One unusual event a game; the versions that the CRM itself kept are the judge.

The same game with a smaller world and three events is `tests/unit/core/test_writes_interleavings.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.memory import MemoryConnector
from connectors.records import Author, Outcome, OutcomeKind, RecordRef, Write
from tests.databases import forget
from tests.pipeline.write_bench import WRITEBACK, Bench
from tests.unit.core.test_writes_interleavings import Script, all_scripts
from tests.world import SimulatedWorld

RUNS = 4
"""So many runs later everything must be at rest."""

FIELDS = {"salesforce": "Status", "hubspot": "hs_lead_status"}
EDITS = {"salesforce": ("Working", "Recycled"), "hubspot": ("IN_PROGRESS", "IN_PROGRESS")}


class PowerCut(BaseException):
    """The process is gone."""


class Game:
    """One person, one record, one field; whatever the script says happens to it."""

    def __init__(self, folder: Path, crm: str, script: Script) -> None:
        self.world = SimulatedWorld()
        targets = {"salesforce": {"Lead": {"status": WRITEBACK["salesforce"]["Lead"]["status"]}}}
        if crm == "hubspot":
            targets = {"hubspot": {"contacts": {"status": WRITEBACK["hubspot"]["contacts"]["status"]}}}
        self.bench = Bench(folder, self.world, owners=False, writeback=targets)
        self.script, self.field = script, FIELDS[crm]
        self.connector: MemoryConnector = self.bench.connector(crm)
        self.bench.connectors = {crm: self.connector}
        self.ref: RecordRef = self.bench.lead() if crm == "salesforce" else self.bench.contact()
        self.bench.person("p1", self.ref)
        self.apply = self.connector._apply
        self.connector._apply = self.carried  # type: ignore[method-assign]
        self.delayed: list[Write] = []
        self.working = False
        self.world.reached = self.reached  # type: ignore[method-assign]

    def edit(self, value: str | None, author: Author) -> Callable[[], None]:
        def act() -> None:
            self.world.advance(1.5)
            self.connector.edit(self.ref, author, **{self.field: value})

        return act

    def something(self, *, crash: bool) -> None:
        """Between two steps of the worker."""
        person, automation = EDITS[self.ref.crm]
        events: list[Callable[[], None]] = [
            lambda: None,
            self.edit(person, Author.PERSON),
            self.edit(automation, Author.AUTOMATION),
        ]
        if crash:
            events.append(self.cut)
        if self.delayed:
            events.append(self.arrive)
        events[self.script.choose(len(events))]()

    def reached(self, name: str) -> None:
        if self.working and name.startswith("write."):
            if name.endswith("uncommitted"):  # a transaction is open: only a crash can come between
                if self.script.choose(2):
                    self.cut()
            else:
                self.something(crash=True)

    def cut(self) -> None:
        raise PowerCut

    def arrive(self) -> None:
        late, self.delayed = self.delayed, []
        for write in late:
            self.apply(write)

    def carried(self, write: Write) -> Outcome:
        """The network: fine, or it loses the request, delays it, or loses the answer."""
        self.something(crash=False)
        network = self.script.choose(4)
        if network == 0:
            return self.apply(write)
        if network == 2:
            self.delayed.append(write)
        if network == 3:
            self.apply(write)
        return Outcome(write.ref, OutcomeKind.UNKNOWN)

    def play(self) -> None:
        for _ in range(RUNS):
            self.arrive()
            self.world.advance(400)
            self.bench.ctx = self.bench.next_context()
            try:
                self.bench.decide()
                self.working = True
                self.bench.write()
            except PowerCut:
                continue
            finally:
                self.working = False
        self.bench.mirror.close()

    def versions(self) -> list[tuple[str | None, str]]:
        """Everything that stood in the field since, oldest first: value and who wrote it."""
        found = self.connector.records[self.ref].versions[self.field][::-1][1:]
        names = {"API:mqlsync": "us", "CRM_UI:userId:1": "person"}
        return [(version.value, names.get(version.source, "automation")) for version in found]


def judge(game: Game, choices: tuple[int, ...]) -> None:
    found = game.versions()
    authors = [author for _, author in found]
    states = [(row.state, row.why) for row in game.bench.intents()]
    told = f"choices {choices}: {found} {states}"
    assert all(state in ("verified", "superseded", "conflict", "parked") for state, _ in states), told
    assert all(why for _, why in states), told
    if game.ref.crm == "salesforce":
        assert authors.count("us") <= 1, told
        assert "us" not in authors[1:], told
    elif "person" in authors and authors[-1] == "us":
        last = max(n for n, author in enumerate(authors) if author != "us")
        if authors[last] == "person":
            assert found[-1][0] == found[last][0], told
    if not choices:
        assert (states, authors) == ([("verified", "wanted")], ["us"]), told
    if not any(author == "us" for author in authors):
        assert ("verified", "wanted") not in states, told


@pytest.mark.parametrize(("crm", "depth"), [("salesforce", 1), ("hubspot", 1)])
def test_something_unusual_at_every_point(crm: str, depth: int, tmp_path: Path) -> None:
    games: list[Game] = []

    def play(script: Script) -> None:
        forget(tmp_path)
        games[:] = [Game(tmp_path, crm, script)]
        games[0].play()

    count = 0
    for choices in all_scripts(play, depth):
        judge(games[0], choices)
        count += 1
    assert count > 25
