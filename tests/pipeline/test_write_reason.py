"""The hand-off text in both CRMs: from what is stored, as long as the field allows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.records import Offered
from tests.pipeline.write_bench import WRITEBACK, Bench, both
from tests.world import SimulatedWorld


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    lead = {**WRITEBACK["salesforce"]["Lead"], "reason": {"field": "MQL_Reason__c"}}
    contact = {**WRITEBACK["hubspot"]["contacts"], "reason": {"field": "mql_reason"}}
    targets: dict[str, Any] = {"salesforce": {"Lead": lead}, "hubspot": {"contacts": contact}}
    made = Bench(tmp_path, world, writeback=targets)
    yield made
    made.mirror.close()


def test_the_reason_tells_what_happened_as_long_as_the_field_allows(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = bench.sf.offered

    def offered(name: str, field: str) -> Offered:
        return Offered(True, True, length=100) if field == "MQL_Reason__c" else asked(name, field)

    monkeypatch.setattr(bench.sf, "offered", offered)
    monkeypatch.setattr(bench.hs, "offered", lambda *_: Offered(True, True, length=65_536))
    lead, contact = both(bench, lead_source="Trade show")
    hit = {"person_id": "p1", "model": "m", "axis": "engagement", "count": 1}
    bench.add("score_hit", rule="demo_request", points=40_000, **hit)
    bench.add("score_hit", rule="student", points=-5_000, **hit)
    now = int(bench.world.now().timestamp())
    row = {"crm": "hubspot", "source": "hubspot.form_submission", "person_id": "p1"}
    bench.add("engagement", id="1", kind="demo_requested", asset="Book a demo", occurred_at=now, **row)
    bench.add("engagement", id="2", kind="content_downloaded", asset="ROI", occurred_at=now - 86_400, **row)
    bench.add("engagement", id="3", kind="page_view", asset="later", occurred_at=now + 86_400, **row)
    bench.sync()
    opening = "MQL since 2026-11-02: 105 points, A1. Why: demo request +40."
    assert bench.value(lead, "MQL_Reason__c") == f'{opening} Content: "ROI". Source: Trade show.'
    assert bench.value(contact, "mql_reason") == (
        f'{opening} Last: demo requested "Book a demo" 2026-11-02; content downloaded "ROI" 2026-11-01. '
        'Content: "ROI". Source: Trade show.'
    )
