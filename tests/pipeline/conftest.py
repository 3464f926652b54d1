"""Every test of the pipeline runs on both databases."""

import pytest


@pytest.fixture(autouse=True)
def _on_both(database: str) -> None:
    """See tests/databases.py."""
