"""A whole account under bad conditions: restarts at every page, faults everywhere, a life going on."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from connectors.hubspot.connector import FEEDS, HubSpotConnector
from connectors.records import Cursor, FeedKind, Page, PersonRecord, Tombstone
from connectors.sandbox.sandbox import Sandbox
from tests.unit.hubspot.made import on_sandbox, pull
from tests.world import SimulatedWorld

NAMES = [feed.name.removeprefix("hubspot.") for feed in FEEDS]


@pytest.fixture(scope="module")
def populated() -> Iterator[tuple[Sandbox, SimulatedWorld]]:
    """One account that the tests of this module read and do not change."""
    world = SimulatedWorld()
    with Sandbox(clock=world.clock) as sandbox:
        sandbox.populate(seed=11, people=350, days=200)
        yield sandbox, world
        assert sandbox.errors == []


def rows(pages: list[Page]) -> set[object]:
    return {
        row
        for page in pages
        for kind in (
            page.people,
            page.companies,
            page.deals,
            page.links,
            page.engagements,
            page.owners,
            page.tombstones,
        )
        for row in kind
    }


@pytest.mark.parametrize("name", NAMES)
def test_another_process_may_go_on_from_any_page(
    populated: tuple[Sandbox, SimulatedWorld], name: str
) -> None:
    sandbox, world = populated
    pages, _ = pull(on_sandbox(sandbox, world), name)
    if name == "owners":
        return  # there are few: each pass reads them all
    for number in range(len(pages) - 1):
        rest, _ = pull(on_sandbox(sandbox, world), name, pages[number].cursor)
        assert rows([*pages[: number + 1], *rest]) == rows(pages)


@pytest.mark.parametrize("name", NAMES)
def test_faults_cost_time_and_nothing_else(populated: tuple[Sandbox, SimulatedWorld], name: str) -> None:
    sandbox, world = populated
    wanted = rows(pull(on_sandbox(sandbox, world), name)[0])
    bad: list[dict[str, object]] = [
        {"kind": "status", "status": 503},
        {"kind": "html", "status": 200},
        {"kind": "cut"},
        {"kind": "empty", "status": 200},
        {"kind": "wrong_json"},
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        {"kind": "status", "status": 429, "body": {"policyName": "TEN_SECONDLY_ROLLING"}},
    ]
    for number, fault in enumerate(bad):
        sandbox.faults.arm(crm="hubspot", path=".", skip=2 * number, count=1, **fault)  # type: ignore[arg-type]
    try:
        assert rows(pull(on_sandbox(sandbox, world), name)[0]) == wanted
    finally:
        sandbox.faults.disarm()


class Mirror:
    """What a mirror would hold of the contacts: the newest version of each, less the tombstones."""

    def __init__(self) -> None:
        self.people: dict[str, PersonRecord] = {}
        self.gone: dict[str, Tombstone] = {}
        self.cursors: dict[str, Cursor] = {}

    def take(self, page: Page) -> None:
        self.cursors[page.feed.name] = Cursor.from_json(page.cursor.to_json())
        for person in page.people:
            known = self.people.get(person.id)
            if known is None or known.modified_ms <= person.modified_ms:
                self.people[person.id] = person
        self.gone |= {stone.id: stone for stone in page.tombstones}

    def living(self) -> dict[str, str | None]:
        return {person.id: person.city for person in self.people.values() if person.id not in self.gone}


class Life:
    """People at work in the CRM, by dice."""

    def __init__(self, sandbox: Sandbox, world: SimulatedWorld, seed: int) -> None:
        self.sandbox = sandbox
        self.world = world
        self.dice = random.Random(seed)
        self.made = 0

    @property
    def living(self) -> dict[str, str | None]:
        table = self.sandbox.hubspot.portal.table(self.sandbox.hubspot.portal.kind("contacts"))  # type: ignore[arg-type]
        return {record.id: record.values.get("city") for record in table.alive()}

    def act(self, times: int) -> None:
        for _ in range(times):
            self.world.advance(self.dice.choice((0.0, 0.2, 3.0, 40.0)))
            ids = sorted(self.living, key=int)
            what = self.dice.choices(("create", "edit", "archive", "merge"), (3, 8, 1, 1))[0]
            if what == "create" or len(ids) < 20:
                self.made += 1
                self.sandbox.create("hubspot", "contacts", {"email": f"life{self.made}@example.com"})
            elif what == "edit":
                values = {"city": f"City {self.dice.random()}"}
                self.sandbox.edit("hubspot", "contacts", self.dice.choice(ids), values)
            elif what == "archive":
                self.sandbox.archive("hubspot", "contacts", self.dice.choice(ids))
            else:
                self.sandbox.merge("hubspot", "contacts", *self.dice.sample(ids, 2))


def tick(connector: HubSpotConnector, mirror: Mirror, life: Life | None, dice: random.Random) -> None:
    """One pass over contacts and their archive; life goes on between pages, and it may be killed there."""
    for feed in FEEDS:
        if feed.object != "contacts" or feed.kind not in (FeedKind.PEOPLE, FeedKind.DELETIONS):
            continue
        for page in connector.changes(feed, mirror.cursors.get(feed.name)):
            mirror.take(page)
            if life is not None:
                life.act(dice.randrange(4))
                if dice.random() < 0.1:
                    break


@hypothesis_settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), lag=st.sampled_from([0.0, 20.0, 1500.0]), merge_new_id=st.booleans())
def test_a_mirror_follows_a_life(seed: int, lag: float, merge_new_id: bool) -> None:
    world, dice = SimulatedWorld(), random.Random(seed)
    with Sandbox(clock=world.clock) as sandbox:
        sandbox.switches.hs_search_lag = lag
        sandbox.switches.hs_merge_new_id = merge_new_id
        life, mirror = Life(sandbox, world, seed), Mirror()
        for number in range(230):
            sandbox.create("hubspot", "contacts", {"email": f"p{number}@example.com"})
        for _ in range(8):
            tick(on_sandbox(sandbox, world), mirror, life, dice)
            life.act(dice.randrange(30))
            world.advance(dice.choice((1.0, 300.0, 2000.0)))
        for _ in range(8):  # quiet at last: an hourly re-read or two
            world.advance(900)
            tick(on_sandbox(sandbox, world), mirror, None, dice)
        assert mirror.living() == life.living
        assert sandbox.errors == []
