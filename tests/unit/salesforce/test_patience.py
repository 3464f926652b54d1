"""A server that hangs or drips does not hold us for ever. The only tests here in real time."""

from __future__ import annotations

import time

import pytest

from connectors.errors import Retriable
from connectors.records import OutcomeKind, RecordRef, Write
from connectors.retry import RetryPolicy
from connectors.salesforce.client import Timeouts
from connectors.sandbox.sandbox import Sandbox
from tests.unit.salesforce.helpers import connect
from tests.world import SimulatedWorld

SHORT = Timeouts(connect=5.0, read=0.5, total=0.6)


class HalfReal(SimulatedWorld):
    """Waiting is simulated; the clock that replies are measured by is not."""

    def monotonic(self) -> float:
        return time.monotonic()


@pytest.fixture
def world() -> SimulatedWorld:
    return HalfReal()


@pytest.mark.parametrize(("kind", "seconds"), [("hang", 20.0), ("drip", 20.0)])
def test_a_reply_that_takes_too_long_is_given_up(
    sandbox: Sandbox, world: SimulatedWorld, kind: str, seconds: float
) -> None:
    connector = connect(sandbox, world, timeouts=SHORT, retries=RetryPolicy(attempts=1))
    sandbox.faults.arm(kind, path="/limits|/describe", seconds=seconds)
    started = time.monotonic()
    with pytest.raises(Retriable):
        connector.offered("Lead", "Status")
    assert time.monotonic() - started < seconds - 1
    connector.close()


def test_a_write_whose_answer_hangs_is_unknown(sandbox: Sandbox, world: SimulatedWorld) -> None:
    record_id = sandbox.create("salesforce", "Lead", {"LastName": "S", "Company": "A"})
    connector = connect(sandbox, world, timeouts=SHORT)
    connector.offered("Lead", "Status")
    sandbox.faults.arm("hang", method="PATCH", seconds=20.0)
    write = Write(RecordRef("salesforce", "Lead", record_id), {"Status": "MQL"}, "2026-11-02T09:00:00.000Z")
    assert connector.write([write])[0].kind is OutcomeKind.UNKNOWN
    assert sum(1 for one in sandbox.requests if one.method == "PATCH") <= 1
    connector.close()
