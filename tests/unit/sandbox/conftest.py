from __future__ import annotations

import pytest

from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox.rest import Rest


@pytest.fixture
def rest(sandbox: Sandbox) -> Rest:
    """A bare client, signed in to the sandbox's Salesforce."""
    return Rest(sandbox)
