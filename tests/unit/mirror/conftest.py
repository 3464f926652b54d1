"""A fresh mirror, on either database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.mirror.engine import Mirror
from tests.databases import mirror_url
from tests.world import SimulatedWorld


@pytest.fixture
def mirror(tmp_path: Path, database: str) -> Iterator[Mirror]:
    """Asking for it makes a test run on both databases (see tests/databases.py)."""
    mirror = Mirror(mirror_url(tmp_path), SimulatedWorld())
    yield mirror
    mirror.close()
