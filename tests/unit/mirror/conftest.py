"""A fresh mirror on a real file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.mirror.engine import Mirror
from tests.world import SimulatedWorld


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    mirror = Mirror(f"sqlite:///{tmp_path / 'mirror.db'}", SimulatedWorld())
    mirror.migrate()
    yield mirror
    mirror.close()
