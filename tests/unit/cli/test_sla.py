"""`sla` and `people --overdue` over a mirror that holds some hand-offs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from sqlmodel import SQLModel

from sync.mirror.engine import Mirror
from tests.databases import mirror_url
from tests.unit.cli.runner import Ran, run
from tests.world import SimulatedWorld

HOUR = 3600
ANN = "ann@example.com"


@pytest.fixture
def folder(tmp_path: Path, world: SimulatedWorld, database: str) -> Path:
    """A configuration whose mirror has four people: touched in time, touched late, overdue, with a queue."""
    environ = {"MQLSYNC_DATABASE_URL": mirror_url(tmp_path)}
    assert run("init", "--config-dir", str(tmp_path), environ=environ, world=world).code == 0
    mirror = Mirror(environ["MQLSYNC_DATABASE_URL"], world)
    now = int(world.now().timestamp())
    rows: list[dict[str, Any]] = [
        {"owner": ANN, "started_at": now - 9 * HOUR, "touched_at": now - 8 * HOUR, "touched_by": "call"},
        {"owner": ANN, "started_at": now - 9 * HOUR, "touched_at": now, "touched_by": "status"},
        {"owner": ANN, "started_at": now - 5 * HOUR},
        {"owner": None, "started_at": now - HOUR},
        {"owner": None, "started_at": now - 400 * 24 * HOUR, "closed_at": now - 399 * 24 * HOUR},
    ]  # fmt: skip
    tables = SQLModel.metadata.tables
    with mirror.write() as conn:
        for number, row in enumerate(rows):
            due = {
                "spell_id": f"s{number}",
                "person_id": f"p_{number}",
                "due_at": row["started_at"] + 4 * HOUR,
            }
            conn.execute(insert(tables["hand_off"]).values(**due, **row))
            founding = {"founding_crm": "x", "founding_object": "x", "founding_id": str(number)}
            person = {"person_id": f"p_{number}", "name": f"Person {number}", **founding}
            conn.execute(insert(tables["person"]).values(**person, email=f"{number}@example.com"))
    mirror.close()
    return tmp_path


def ask(folder: Path, world: SimulatedWorld, *argv: str) -> Ran:
    environ = {"MQLSYNC_DATABASE_URL": mirror_url(folder)}
    return run(*argv, "--config-dir", str(folder), environ=environ, world=world)


def test_the_answer_for_scripts(folder: Path, world: SimulatedWorld) -> None:
    answer = json.loads(ask(folder, world, "sla", "--json").out)
    assert answer["schema_version"] == 1
    assert answer["owners"] == [
        {"owner": None, "handed": 1, "touched": 0, "open": 1, "overdue": 0, "breached": 0},
        {"owner": "ann@example.com", "handed": 3, "touched": 2, "open": 1, "overdue": 1, "breached": 2},
    ]
    found = {one["person_id"]: (one["state"], one["breached"]) for one in answer["hand_offs"]}
    assert found == {
        "p_0": ("touched", False),
        "p_1": ("touched", True),
        "p_2": ("overdue", True),
        "p_3": ("open", False),
    }
    assert answer["hand_offs"][0]["started_at"].endswith("Z")


def test_the_tables_for_people(folder: Path, world: SimulatedWorld) -> None:
    shown = ask(folder, world, "sla").out
    assert "Person 2" in shown
    assert "overdue" in shown
    assert "Person 0" not in shown
    assert "Person 0" in ask(folder, world, "sla", "--all").out
    assert "Person 3" not in ask(folder, world, "sla", "--owner", "Ann@example.com ").out


def test_overdue_people(folder: Path, world: SimulatedWorld) -> None:
    answer = json.loads(ask(folder, world, "people", "--overdue", "--json").out)
    assert [one["person_id"] for one in answer["people"]] == ["p_2"]
