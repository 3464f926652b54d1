"""Both CRMs over real HTTP: pulled step by step, the mirror ends where a fresh one ends."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from connectors.hubspot.connector import HubSpotConnector
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from sync.mirror.engine import Mirror
from tests.databases import mirror_url
from tests.pipeline.small import Small
from tests.world import SimulatedWorld

PEOPLE_ROWS = (
    "SELECT p.crm, p.object, p.id, p.email, p.first_name, p.last_name, p.job_title, p.company_id, p.status, "
    "p.lifecycle, p.owner_id, p.opted_out, p.sf_lead_id, p.modified_ms, p.version FROM person_record p "
    "WHERE NOT p.gone ORDER BY 1, 2, 3"
)
MEMBERS = (
    "SELECT [[joined]](id, ',') FROM (SELECT person_id, id FROM person_member ORDER BY id) m "
    "GROUP BY person_id"
)
ENGAGEMENTS = (
    # an activity names each of its people; merges move those, so the activity and its person are compared
    "SELECT e.source, "
    "CASE WHEN [[place]](e.id, ':') > 0 THEN substr(e.id, 1, [[place]](e.id, ':')) ELSE e.id END, "
    "e.kind, e.asset_key, e.occurred_at, (SELECT [[joined]](m.id, ',') FROM (SELECT id FROM person_member "
    "WHERE person_id = e.person_id ORDER BY id) m) FROM engagement e "
    "WHERE e.source NOT LIKE '%opt_out' AND NOT e.deleted ORDER BY 1, 2, 6"
)
LINKS = (
    "SELECT l.from_object, l.from_id, l.to_object, l.to_id, l.types FROM link l JOIN person_record p "
    "ON p.object = l.from_object AND p.id = l.from_id AND NOT p.gone ORDER BY 1, 2, 3, 4"
)


def over(sandbox: Sandbox, world: SimulatedWorld, folder: Path) -> Small:
    """A mirror that pulls from the sandbox with the real connectors."""
    keys = sandbox.credentials
    app = {name: keys["salesforce"][name] for name in ("client_id", "client_secret")}
    settings = Settings.model_validate(
        {
            "salesforce": {**app, "login_url": sandbox.salesforce_url},
            "hubspot": {"access_token": keys["hubspot"]["access_token"], "base_url": sandbox.hubspot_url},
        }
    )
    options = PullOptions(engagement=EngagementMapper())
    budget = UnlimitedBudget()
    folder.mkdir()
    mirror = Mirror(mirror_url(folder), world)
    connectors: dict[str, Any] = {
        "salesforce": SalesforceConnector(settings.salesforce, options, world, budget),
        "hubspot": HubSpotConnector(settings.hubspot, options, world, budget),
    }
    return Small(mirror, world, connectors, settings)


@dataclass
class Office:
    """People at work in both CRMs."""

    sandbox: Sandbox
    chance: random.Random = field(default_factory=lambda: random.Random(5))

    def ids(self, here: Small, object_name: str) -> list[str]:
        rows = here.select("SELECT id FROM person_record WHERE object = :o AND NOT gone ORDER BY id",
                           o=object_name)  # fmt: skip
        return [row[0] for row in rows]

    def work(self, here: Small) -> None:
        """Edits, a deletion, a merge and a conversion."""
        crm_of = {"Lead": "salesforce", "Contact": "salesforce", "contacts": "hubspot"}
        last_name = {"Lead": "LastName", "Contact": "LastName", "contacts": "lastname"}
        for object_name, crm in crm_of.items():
            picked = self.chance.sample(self.ids(here, object_name), 8)
            for id_ in picked[:4]:
                name = f"New {self.chance.random():.6f}"
                self.sandbox.edit(crm, object_name, id_, {last_name[object_name]: name})
            self.sandbox.delete(crm, object_name, picked[4])
            self.sandbox.merge(crm, object_name, picked[5], picked[6])
            if object_name == "Lead":
                self.sandbox.convert(picked[7])


@pytest.fixture
def here(sandbox: Sandbox, world: SimulatedWorld, tmp_path: Path) -> Iterator[Small]:
    sandbox.populate(seed=11, people=80, days=30)
    made = over(sandbox, world, tmp_path / "first")
    yield made
    made.mirror.close()


def pull_all(here: Small) -> None:
    counts = here.pull()
    assert here.problems == []
    assert all(one.balanced for feeds in counts.values() for one in feeds.values())
    here.match()


def test_step_by_step_ends_where_a_fresh_mirror_ends(
    here: Small, sandbox: Sandbox, world: SimulatedWorld, tmp_path: Path
) -> None:
    office = Office(sandbox)
    pull_all(here)
    for _ in range(3):
        world.advance(1800)
        office.work(here)
        world.advance(1800)
        pull_all(here)
    world.advance(3 * 3600)  # past every overlap and the late search index
    pull_all(here)
    fresh = over(sandbox, world, tmp_path / "fresh")
    pull_all(fresh)
    for question in (PEOPLE_ROWS, ENGAGEMENTS, LINKS):
        assert here.select(question) == fresh.select(question)
    assert sorted(here.select(MEMBERS)) == sorted(fresh.select(MEMBERS))
    fresh.mirror.close()


def test_a_second_pull_stores_nothing(here: Small, world: SimulatedWorld) -> None:
    pull_all(here)
    world.advance(600)
    counts = here.pull()
    assert here.problems == []
    stored = {name: one.stored for feeds in counts.values() for name, one in feeds.items() if one.stored}
    assert stored == {}
    assert all(one.gone == 0 for feeds in counts.values() for one in feeds.values())


def test_a_full_pull_with_its_sweep_finds_nothing_either(here: Small, world: SimulatedWorld) -> None:
    pull_all(here)
    world.advance(600)
    counts = here.pull(full=True)
    assert here.problems == []
    assert sum(one.stored + one.gone for feeds in counts.values() for one in feeds.values()) == 0
