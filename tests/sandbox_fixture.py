"""Fixtures shared by every test that talks to the two CRMs; imported by conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.sandbox.sandbox import Sandbox
from tests.world import SimulatedWorld


@pytest.fixture
def world() -> SimulatedWorld:
    """A clock that moves only when told."""
    return SimulatedWorld()


@pytest.fixture
def sandbox(world: SimulatedWorld) -> Iterator[Sandbox]:
    """Both CRMs, started and empty, on the world's clock. Fails the test on an error inside the sandbox."""
    with Sandbox(clock=world.clock) as running:
        yield running
    assert running.errors == []
