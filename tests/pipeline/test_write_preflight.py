"""Mistakes of the configuration are found before anything is written, and stop only their own object."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connectors.records import Author, Owner
from scoring.model import Grade, Model
from sync.mirror import routing
from sync.stages.preflight import preflight
from sync.stages.targets import Targets
from tests.pipeline.write_bench import MODEL, POOLS, WRITEBACK, Bench, both, scored
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


def test_a_value_is_looked_for_in_every_record_type_in_use(bench: Bench) -> None:
    """Preflight knows the picklist of each record type, also where no value of its own is configured."""
    partner, plain = bench.lead("1", record_type="Partner"), bench.lead("2")
    bench.person("p1", partner)
    bench.person("p2", plain)
    offered = {"Partner": ("New", "Partner MQL"), "Unused": ("New",), "Untold": ()}
    bench.sf.options_of_type["Lead", "Status"] = offered
    bench.sync()
    (problem,) = bench.problems
    assert (problem.code, problem.exit_code) == ("VALUE_NOT_OFFERED", 2)
    assert "'MQL' for Lead.Status of record type Partner" in problem.message
    assert "record_types.Partner to { mql = … } with one of: New, Partner MQL" in problem.remedy
    assert "Unused" not in problem.message + problem.remedy
    assert bench.sf.writes == []

    configured(bench, lambda w: w["salesforce"]["Lead"]["status"].update(record_types={"Partner": {}}))
    bench.sync()
    assert bench.problems == []
    assert (bench.value(partner, "Status"), bench.value(plain, "Status")) == ("New", "MQL")


def test_a_value_that_was_decided_goes_by_the_mapping_of_today(bench: Bench) -> None:
    """A change waits, the mapping is corrected, or the record gets another type: the old value never goes."""
    lead, typed = bench.lead("1"), bench.lead("2")
    bench.person("p1", lead)
    bench.person("p2", typed)
    bench.decide()
    values = {"values": {"mql": "Working"}, "record_types": {"Partner": {"mql": "Recycled"}}}
    configured(bench, lambda writeback: writeback["salesforce"]["Lead"]["status"].update(values))
    bench.sf.edit(typed, Author.AUTOMATION, record_type="Partner")
    bench.write()
    assert (bench.value(lead, "Status"), bench.value(typed, "Status")) == ("New", "New")
    bench.mirror_record(typed)
    bench.sync()
    assert (bench.value(lead, "Status"), bench.value(typed, "Status")) == ("Working", "Recycled")


def test_slips_in_the_values_that_are_looked_for_are_doubts(bench: Bench) -> None:
    slip = {"from": ["", "Open - Not Contactd", "New", "Long ago"]}
    configured(bench, lambda writeback: writeback["salesforce"]["Lead"]["status"].update(slip))
    bench.sf.options_of_type["Lead", "Status"] = {"Partner": ("New",)}
    with bench.mirror.read() as conn:
        targets = Targets(bench.settings, routing.owners(conn), {})
    found = preflight(bench.ctx, bench.sf, targets)
    assert (found.problems, found.stopped) == ([], set())
    assert found.doubts == [
        "salesforce does not offer 'MQL' for Lead.Status of record type Partner; no record has that type now",
        "writeback.salesforce.Lead.status.from names 'Open - Not Contactd', which salesforce does not offer; "
        "nearest: 'Open - Not Contacted'",
    ]


def test_a_list_must_hold_every_grade_and_no_score_fits_one(bench: Bench) -> None:
    grade = Grade((("A", 30),), (("1", 50),), "D", "4")
    model = cast(Model, SimpleNamespace(**{**vars(MODEL), "grade": grade}))
    both(bench)
    scored(bench)
    bench.sf.options["Lead", "MQL_Score__c"] = ("high", "low")
    bench.hs.options["contacts", "mql_grade"] = ("A1", "D4", "D1")
    ctx = bench.next_context(model)
    with bench.mirror.read() as conn:
        targets = Targets(bench.settings, routing.owners(conn), {})
    found = [preflight(ctx, crm, targets) for crm in (bench.sf, bench.hs)]
    (score,), (listed,) = (one.problems for one in found)
    assert score.message == "Lead.MQL_Score__c takes only the values of a list, no score"
    assert listed.message == "hubspot does not offer A4 for contacts.mql_grade"


def test_what_is_right_is_silent(bench: Bench) -> None:
    both(bench)
    bench.sync()
    assert bench.problems == []
