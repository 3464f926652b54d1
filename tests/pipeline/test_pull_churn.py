"""Salesforce that changes under the reader at every request; afterwards the mirror is what the org holds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import GoneReason
from connectors.salesforce import bulk, soql
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.core import Request
from connectors.sandbox.faults import Match
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from sync.mirror.engine import Mirror
from tests.databases import mirror_url
from tests.pipeline.small import Small
from tests.unit.salesforce.helpers import sandbox_settings
from tests.world import SimulatedWorld

BY_QUERIES, BY_BULK = 10**9, 20
REQUESTS = Match(crm="salesforce", path="/query|/jobs/|/updated|/deleted|/composite$", count=None)


class Churn:
    """People, automation and slow transactions at work in the org, a little at each request."""

    def __init__(self, sandbox: Sandbox, world: SimulatedWorld, seed: int) -> None:
        self.sandbox = sandbox
        self.world = world
        self.chance = random.Random(seed)
        self.locked: dict[str, float] = {}
        self.acts = 0

    def live(self, object_name: str) -> list[str]:
        """Records that a person could touch now: a slow transaction holds its row until it commits."""
        now = self.world.clock()
        return [
            row.id
            for row in self.sandbox.store.table("salesforce", object_name).alive()
            if not row.get("IsConverted") and self.locked.get(row.id, 0.0) <= now
        ]

    def at_request(self, _request: Request) -> None:
        self.world.advance(self.chance.choice((0, 0, 1, 1, 30)))
        for _ in range(self.chance.choice((0, 1, 2))):
            self.act()

    def act(self) -> None:
        self.acts += 1
        name = self.chance.choice(("Lead", "Lead", "Contact", "Account"))
        ids = self.live(name)
        what: Callable[[str, list[str]], None] = self.chance.choices(
            (
                self.create,
                self.edit,
                self.edit_late,
                self.touch,
                self.delete,
                self.merge,
                self.convert,
                self.log,
            ),
            (3, 8, 2, 1, 1, 1, 1, 2),
        )[0]
        if len(ids) > 3 or what == self.create:
            what(name, ids)

    def create(self, name: str, _: list[str]) -> None:
        told = f"N{self.acts}"
        values = {"Account": {"Name": told}, "Contact": {"LastName": told}}
        lead = {"LastName": told, "Company": "Acme"}
        self.sandbox.create("salesforce", name, values.get(name, lead))

    def edit(self, name: str, ids: list[str]) -> None:
        field = "Name" if name == "Account" else "LastName"
        self.sandbox.edit("salesforce", name, self.chance.choice(ids), {field: f"E{self.acts}"})

    def edit_late(self, name: str, ids: list[str]) -> None:
        record, seconds = self.chance.choice(ids), self.chance.choice((5.0, 60.0, 400.0))
        self.locked[record] = self.world.clock() + seconds
        field = "Name" if name == "Account" else "LastName"
        self.sandbox.salesforce.edit_late(name, record, {field: f"Late{self.acts}"}, seconds=seconds)

    def touch(self, name: str, ids: list[str]) -> None:
        self.sandbox.salesforce.touch(name, self.chance.choice(ids))

    def delete(self, name: str, ids: list[str]) -> None:
        if name != "Account":  # it would take its contacts along, some of which a transaction may hold
            self.sandbox.delete("salesforce", name, self.chance.choice(ids))

    def merge(self, name: str, ids: list[str]) -> None:
        winner, loser = self.chance.sample(ids, 2)
        self.sandbox.merge("salesforce", name, winner, loser)

    def convert(self, name: str, ids: list[str]) -> None:
        if name == "Lead":
            self.sandbox.convert(self.chance.choice(ids))

    def log(self, name: str, ids: list[str]) -> None:
        values = {"Subject": f"T{self.acts}", "Status": "Completed", "Type": "Call"}
        if name != "Account":
            self.sandbox.create("salesforce", "Task", {**values, "WhoId": self.chance.choice(ids)})


@pytest.fixture
def here(
    sandbox: Sandbox,
    world: SimulatedWorld,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Small]:
    monkeypatch.setattr(soql, "PAGE_ROWS", 12)
    monkeypatch.setattr(bulk, "RESULT_ROWS", 15)
    monkeypatch.setattr(bulk, "BATCH_ROWS", 6)
    options = PullOptions(engagement=EngagementMapper())
    settings = sandbox_settings(sandbox)
    connector = SalesforceConnector(settings, options, world, UnlimitedBudget(), bulk_above=request.param)
    made = Small(Mirror(mirror_url(tmp_path), world), world, {"salesforce": connector})
    yield made
    made.mirror.close()


def held(sandbox: Sandbox, name: str, *fields: str) -> list[tuple[Any, ...]]:
    """What the org shows as live."""
    rows = sandbox.store.table("salesforce", name).alive()
    return sorted(
        (row.id, int(row.stamp) * 1000, *(row.get(one) for one in fields))
        for row in rows
        if not row.get("IsConverted")
    )


def buried(sandbox: Sandbox, name: str) -> dict[str, str]:
    """What the org shows as merged, and into what, or as deleted."""
    return {row.id: row.merged_into for row in sandbox.store.table("salesforce", name) if row.gone}


@pytest.mark.parametrize("here", [BY_QUERIES, BY_BULK], ids=["queries", "bulk"], indirect=True)
@pytest.mark.parametrize("seed", range(4))
def test_p4_whatever_changes_while_paging_the_mirror_ends_equal(
    here: Small, sandbox: Sandbox, world: SimulatedWorld, seed: int
) -> None:
    churn = Churn(sandbox, world, seed)
    for _ in range(90):
        churn.create(churn.chance.choice(("Lead", "Contact", "Account")), [])
        world.advance(1)
    sandbox.steps.before(REQUESTS, churn.at_request)
    for _ in range(6):
        here.pull()
        assert here.problems == []
        world.advance(300)
    sandbox.steps.clear()
    for _ in range(3):
        world.advance(700)  # slow transactions commit
        counts = here.pull()["salesforce"]
        assert here.problems == []
        assert all(one.balanced for one in counts.values())
    assert churn.acts > 100
    people = "SELECT id, modified_ms, last_name FROM person_record WHERE object = :o AND NOT gone ORDER BY id"
    for name in ("Lead", "Contact"):
        assert here.select(people, o=name) == held(sandbox, name, "LastName")
    companies = "SELECT id, modified_ms, name FROM company_record WHERE NOT gone ORDER BY id"
    assert here.select(companies) == held(sandbox, "Account", "Name")
    tasks = "SELECT id, modified_ms, person_record_id FROM engagement WHERE source = 'salesforce.task'"
    assert sorted(here.select(tasks + " AND NOT deleted")) == held(sandbox, "Task", "WhoId")
    stones = here.select("SELECT object, id, reason, to_id FROM tombstone")
    for name in ("Lead", "Contact", "Account"):
        told = {
            id_: to or "" for kind, id_, why, to in stones if kind == name and why != GoneReason.CONVERTED
        }
        assert told == buried(sandbox, name)
