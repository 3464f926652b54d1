"""What `demo --break` does, on a small site: real processes are killed or disturbed, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from config.world import RealWorld
from connectors.sandbox.switches import Switches
from sync.breaks import BREAKS, Break, Ended, processes
from tests.acceptance.site import Site, made


class Crms:
    """The site's sandbox as `processes` wants it."""

    def __init__(self, site: Site) -> None:
        self.site = site

    @property
    def environ(self) -> dict[str, str]:
        return self.site.environ

    def fault(self, **fault: Any) -> None:
        self.site.sandbox.faults.arm(fault.pop("kind"), **fault)

    def heal(self) -> None:
        self.site.sandbox.faults.disarm()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Four MQLs in both CRMs whose plan waits."""

    def seed(site: Site) -> None:
        for number in range(4):
            site.pair(f"lea{number}@acme.example")

    limits = Switches(hs_per_ten_seconds=1_000_000, hs_search_per_second=1_000_000)
    variables = {
        "MQLSYNC_HUBSPOT__RATE_LIMIT__PER_10S": "1000000",
        "MQLSYNC_HUBSPOT__RATE_LIMIT__SEARCH_PER_SECOND": "1000000",
    }
    yield from made(tmp_path, seed=seed, switches=limits, environ=variables)


def at_once(chosen: Break) -> Break:
    """The same from the first write on, with one kill: here is less to write than in the demo."""
    kills = tuple((name, 1) for name, _ in chosen.kills if name == "write.answered")
    return replace(chosen, kills=kills, faults=tuple({**fault, "skip": 0} for fault in chosen.faults))


def disturbed(site: Site, name: str) -> list[Ended]:
    """Approve the plan under that break, passes following until nothing waits; how each process ended."""
    site.sync(code=6, after=3600)
    digest = site.json("plan")["digest"]
    chosen, ended = at_once(BREAKS[name]), []
    offset = site.world.now() - RealWorld().now()
    for number, one in enumerate(processes(chosen, Crms(site), site.folder, ["approve", digest], offset)):
        ended.append(one)
        site.world.advance(chosen.wait.total_seconds())
        state = site.json("status")
        if number >= len(chosen.kills) and state["waiting"] == 0:
            return ended
    raise AssertionError(ended)


@pytest.mark.parametrize("name", ["kill9", "token"])
@pytest.mark.sqlite("the process and its end are the same on any database; test_kill.py runs on both")
def test_a_disturbed_plan_is_written_once_and_completely(site: Site, name: str) -> None:
    ended = disturbed(site, name)
    killed = [one for one in ended if one.how.startswith("killed at ")]
    assert len(killed) == (1 if name == "kill9" else 0)
    assert name == "kill9" or ended[0].how == "ended with 4"
    assert ended[-1].how == "ended with 0"
    times = Counter((entry.crm, entry.id, entry.field, entry.after) for entry in site.written())
    assert max(times.values()) == 1
    for lead in site.sandbox.store.table("salesforce", "Lead").alive():
        assert lead.values["Status"] == "MQL"
    for contact in site.sandbox.store.table("hubspot", "contacts").alive():
        assert contact.values["lifecyclestage"] == "marketingqualifiedlead"


def test_every_break_is_told_and_does_something() -> None:
    for chosen in BREAKS.values():
        assert chosen.told
        assert bool(chosen.kills) + bool(chosen.faults) + chosen.edits == 1
        assert chosen.wait >= timedelta(minutes=10)
