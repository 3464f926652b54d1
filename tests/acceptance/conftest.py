"""Sites for the acceptance tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.site import Site, made


@pytest.fixture(autouse=True)
def _on_both(database: str) -> None:
    """Every acceptance test runs on both databases (see tests/databases.py)."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Both CRMs, three colleagues, nobody else."""
    yield from made(tmp_path)
