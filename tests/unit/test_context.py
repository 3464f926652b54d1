"""Closing an app: everything is let go of, and no failure on the way hides what went wrong before."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from config.settings import Settings
from sync.context import App
from sync.mirror import engine
from sync.mirror.engine import Mirror
from sync.mirror.unusable import DatabaseDamaged, DiskFull
from tests.world import SimulatedWorld


def test_calls_that_cannot_be_given_back_hide_no_error(tmp_path: Path, monkeypatch: Any) -> None:
    world = SimulatedWorld()
    closed: list[str] = []
    mirror = Mirror(f"sqlite:///{tmp_path / 'mirror.db'}", world)
    app = App(Settings(), world, tmp_path, mirror, [], "")
    app.connectors["hubspot"] = cast(Any, SimpleNamespace(close=lambda: closed.append("hubspot")))
    budget = app.budget("hubspot")

    def fail() -> None:
        raise DiskFull("/mirror.db", 0)

    monkeypatch.setattr(budget, "close", fail)
    monkeypatch.setattr(mirror, "close", lambda: closed.append("mirror"))
    with pytest.raises(DatabaseDamaged), app:
        raise DatabaseDamaged("/mirror.db", "malformed")
    assert closed == ["hubspot", "mirror"]


@pytest.mark.sqlite("its file is locked by another")
def test_a_locked_database_at_the_end_hides_no_error(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT", 20)  # milliseconds
    world = SimulatedWorld()
    path = tmp_path / "mirror.db"
    mirror = Mirror(f"sqlite:///{path}", world)
    mirror.migrate()
    app = App(Settings(), world, tmp_path, mirror, [], "")
    app.budget("salesforce").acquire("read")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ZeroDivisionError, match="the first"), app:
            raise ZeroDivisionError("the first")
