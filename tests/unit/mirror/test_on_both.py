"""A test that opens a mirror runs on both databases, or says why not: whoever forgets it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from sync.mirror.engine import Mirror
from tests import databases
from tests.databases import mirror_url
from tests.world import SimulatedWorld


def strays(url: str) -> set[str]:
    """What is noted when a mirror is opened; it is forgotten, or this very test would fail."""
    mirror = Mirror(url, SimulatedWorld())
    with mirror.read():
        pass
    mirror.close()
    found = set(databases._Borrowed.strays)
    databases._Borrowed.strays.clear()
    return found


def test_a_test_that_never_heard_of_postgresql_is_noticed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/mirror.db"
    assert strays(url) == {url}


@pytest.mark.sqlite("the marker itself")
def test_one_that_says_why_is_not(tmp_path: Path) -> None:
    assert strays(f"sqlite:///{tmp_path}/mirror.db") == set()


def test_one_that_runs_on_both_opens_the_one_in_turn(tmp_path: Path, database: str) -> None:
    assert strays(mirror_url(tmp_path)) == set()
    url = f"sqlite:///{tmp_path}/other.db"
    assert strays(url) == ({url} if database == "postgresql" else set())
