"""Whether a CRM tells who wrote a field is looked at, on the simulated CRMs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.sandbox.sandbox import Sandbox
from sync.stages.detection import degraded
from tests.pipeline.test_write_sandbox import SandboxBench
from tests.pipeline.write_bench import POOLS
from tests.world import SimulatedWorld


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld, sandbox: Sandbox) -> Iterator[SandboxBench]:
    made = SandboxBench(tmp_path, world, sandbox, routing=POOLS)
    yield made
    for connector in made.connectors.values():
        connector.close()
    made.mirror.close()


def found(bench: SandboxBench) -> list[str]:
    return [
        message
        for connector in bench.connectors.values()
        for message, _ in degraded(bench.mirror, connector, bench.settings)
    ]


def test_all_is_well_where_we_have_a_user_and_an_app_of_our_own(bench: SandboxBench) -> None:
    lead, contact = bench.pair("p1")
    bench.pair("p2")
    assert found(bench) == []
    bench.sync()
    bench.sandbox.edit("salesforce", "Lead", lead.id, {"Phone": "1"})
    bench.sandbox.edit("hubspot", "contacts", contact.id, {"hs_lead_status": "IN_PROGRESS"})
    assert found(bench) == []


def test_somebody_signs_in_as_our_user(bench: SandboxBench) -> None:
    lead, _ = bench.pair("p1")
    ours = bench.connectors["salesforce"].sign_in().user_id
    bench.sandbox.edit("salesforce", "Lead", lead.id, {"Phone": "1"}, actor=ours)
    (message,) = found(bench)
    assert message.startswith("writer detection is degraded: our user changed 1 of the last 1 Lead records")
    assert lead.id in message


def test_another_program_uses_our_app(bench: SandboxBench) -> None:
    _, contact = bench.pair("p1")
    bench.sync()
    (version,) = [
        one
        for one in bench.connectors["hubspot"]
        .read("contacts", [contact.id], ["hs_lead_status"])[0]
        .versions["hs_lead_status"]
        if one.value == "OPEN"
    ]
    source, _, app = version.source.partition(":")
    bench.world.advance(3600)
    bench.sandbox.hubspot.edit(
        "contacts", contact.id, {"hs_lead_status": "NEW"}, author="automation", actor=app, source=source
    )
    (message,) = found(bench)
    assert message == (
        "writer detection is degraded: another program writes hs_lead_status of contacts with the app that "
        "mqlsync uses"
    )


def test_salesforce_keeps_no_history_of_a_field(bench: SandboxBench) -> None:
    bench.sandbox.switches.sf_tracked.clear()
    bench.pair("p1")
    bench.sync()
    (message,) = found(bench)
    assert "the history of OwnerId, Status of Lead is not kept" in message
