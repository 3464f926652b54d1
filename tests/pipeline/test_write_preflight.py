"""Mistakes of the configuration are found before anything is written, and stop only their own object."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.records import Owner
from sync.mirror import routing
from sync.stages.preflight import preflight
from sync.stages.targets import Targets
from tests.pipeline.write_bench import POOLS, WRITEBACK, Bench, both
from tests.world import SimulatedWorld


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world, routing=POOLS)
    yield made
    made.mirror.close()


def configured(bench: Bench, change: Callable[[dict[str, Any]], None]) -> None:
    writeback = copy.deepcopy({crm: dict(objects) for crm, objects in WRITEBACK.items()})
    change(writeback)
    bench.settings_with(writeback=writeback)


def rename(writeback: dict[str, Any]) -> None:
    writeback["salesforce"]["Lead"]["status"]["field"] = "Stauts"


def without_from(writeback: dict[str, Any]) -> None:
    del writeback["salesforce"]["Lead"]["status"]["from"]


def off_the_ladder(writeback: dict[str, Any]) -> None:
    writeback["hubspot"]["contacts"]["stage"]["values"] = {"mql": "mql"}


@pytest.mark.parametrize(
    ("change", "crm", "code", "names"),
    [
        (rename, "salesforce", "FIELD_MISSING", "Lead.Stauts"),
        (without_from, "salesforce", "FROM_MISSING", "writeback.salesforce.Lead.status"),
        (off_the_ladder, "hubspot", "VALUE_NOT_ON_LADDER", "'mql'"),
    ],
)
def test_a_mistake_stops_its_object_alone(
    bench: Bench, change: Callable[[dict[str, Any]], None], crm: str, code: str, names: str
) -> None:
    lead, contact = both(bench)
    configured(bench, change)
    bench.sync()
    (problem,) = bench.problems
    assert (problem.crm, problem.code, problem.exit_code) == (crm, code, 2)
    assert names in problem.message
    assert problem.remedy
    statuses = (bench.value(lead, "Status"), bench.value(contact, "hs_lead_status"))
    assert statuses == (("New", "OPEN") if crm == "salesforce" else ("MQL", "NEW"))


def test_a_field_that_we_may_not_write(bench: Bench) -> None:
    both(bench)
    bench.sf.read_only.add(("Lead", "Status"))
    bench.sync()
    assert bench.codes() == ["FIELD_READ_ONLY"]
    assert bench.sf.writes == []


@pytest.mark.parametrize(
    ("routing_settings", "code", "names"),
    [
        ({**POOLS, "rules": [{"when": {}, "pool": "defualt"}]}, "POOL_MISSING", "did you mean 'default'?"),
        (
            {"pools": {"default": {"members": [{"email": "anna@example.com"}]}}},
            "OWNER_NOT_OFFERED",
            "nearest: ann@example.com",
        ),
    ],
)
def test_routing_must_name_what_there_is(
    bench: Bench, routing_settings: dict[str, Any], code: str, names: str
) -> None:
    both(bench)
    bench.settings_with(routing=routing_settings)
    bench.sync()
    assert set(bench.codes()) == {code}
    assert names in bench.problems[0].message
    assert bench.all_writes() == []


def test_one_member_who_is_missing_is_a_warning_while_another_is_there(bench: Bench) -> None:
    gone = Owner("salesforce", "005000000000404AAA", "gone@example.com", "Gone", "person", False)
    bench.add("owner", **gone._asdict())
    members = [{"email": "ann@example.com"}, {"email": "gone@example.com"}]
    bench.settings_with(routing={"pools": {"default": {"members": members}}})
    with bench.mirror.read() as conn:
        targets = Targets(bench.settings, routing.owners(conn), {})
    found = preflight(bench.ctx, bench.sf, targets)
    assert (found.problems, found.stopped) == ([], set())
    assert found.warnings == ["pool default: in salesforce gone@example.com is inactive"]


def test_what_is_right_is_silent(bench: Bench) -> None:
    both(bench)
    bench.sync()
    assert bench.problems == []
