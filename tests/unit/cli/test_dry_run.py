"""`-n` on every command that writes: it tells what would be done, and everything stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, Table, select

from sync.mirror.engine import Mirror
from sync.mirror.tables import Intent
from tests import reference
from tests.unit.cli.test_on_sandbox import Site, made

METADATA: MetaData = Intent.metadata
PASSING = {"run", "meta", "lease", "budget", "cursor", "field_catalog", "owner"}
"""What any look at a CRM leaves: that there was a run, and what it cost."""
READING = {
    "doctor", "plan", "status", "runs", "budget", "funnel", "sla", "people", "person show",
    "person explain", "person timeline", "model lint", "model diff", "model backtest", "model suggest",
    "model drift", "failed list", "conflicts list", "reconcile", "audit", "db verify", "db stats",
    "privacy find", "accounts list", "accounts check", "completion",
}  # fmt: skip
PROCESSES = {"run", "worker"}
FILES = {"privacy export", "demo"}
"""They only write files that are named, and none that exists."""


def test_every_command_that_writes_has_a_dry_run() -> None:
    without = set()
    for path, command in reference.commands():
        options = {option for param in command.params for option in param.opts}
        if not {"-n", "--dry-run"} <= options:
            without.add(path.removeprefix("mqlsync "))
    assert without - READING - FILES - PROCESSES == set()


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Site]:
    """A site whose first plan waits."""
    for site in made(tmp_path_factory.mktemp("dry"), people=60):
        assert site.run("sync").code == 6
        assert site.run("approve", "--yes").code in (0, 3)
        site.world.advance(86_400)
        yield site


def rows(site: Site) -> dict[str, list[Any]]:
    """Every row of the mirror but those of PASSING."""
    mirror = Mirror(site.environ["MQLSYNC_DATABASE_URL"], site.world)
    found: dict[str, list[Any]] = {}
    with mirror.read() as conn:
        for table in METADATA.sorted_tables:
            if table.name not in PASSING:
                found[table.name] = _rows(conn, table)
    mirror.close()
    return found


def _rows(conn: Any, table: Table) -> list[Any]:
    return sorted(map(repr, conn.execute(select(table)).all()))


def parked(site: Site) -> list[str]:
    """The first characters of a failed change, if there is one."""
    failed = site.json("failed", "list")["failed"]
    return [one["intent_id"] for one in failed if one["intent_id"]]


def test_a_dry_run_changes_nothing(synced: Site, tmp_path: Path) -> None:
    mql = next(one for one in synced.json("people", "--stage", "mql")["people"] if one["emails"])
    who, run_id = mql["person_id"], synced.json("runs")["runs"][-1]["run_id"]
    copy = tmp_path / "copy.db"
    on_file = "sqlite" in synced.environ["MQLSYNC_DATABASE_URL"]
    if on_file:
        assert synced.run("db", "backup", str(copy)).code == 0
    calls: list[tuple[str, ...]] = [
        ("undo", run_id),
        ("undo", who),
        ("pause", "hubspot", "--reason", "a test"),
        ("resume", "all"),
        ("failed", "retry", "--all"),
        ("model", "publish"),
        ("person", "override", who, "--not-mql", "--reason", "a test", "--until", "2030-01-01"),
        ("privacy", "erase", who),
        ("db", "migrate"),
        *([("db", "restore", str(copy))] if on_file else []),
        *[("failed", "skip", one, "--reason", "a test") for one in parked(synced)[:1]],
    ]
    before, ledger = rows(synced), len(synced.sandbox.ledger.entries())
    for call in calls:
        answer = synced.json(*call, "-n")
        assert answer.get("dry_run", True) is True
        assert synced.run(*call, "--dry-run").code == 0
    after = rows(synced)
    changed = {name: set(after[name]) ^ set(before[name]) for name in before if before[name] != after[name]}
    assert changed == {}
    assert len(synced.sandbox.ledger.entries()) == ledger


def test_a_plan_shown_by_a_dry_run_goes_on_waiting(synced: Site) -> None:
    who = next(one["person_id"] for one in synced.json("people", "--stage", "mql")["people"] if one["mql"])
    plan = synced.json("undo", who)
    for verb in ("approve", "reject", "apply"):
        shown = synced.json(verb, plan["digest"], "-n")
        assert [one["field"] for one in shown["changes"]]
        assert shown["dry_run"]
        assert f"of plan {plan['digest']}" in synced.run(verb, plan["digest"], "-n").out
    assert synced.json("reject", plan["digest"])["dropped"] == len(plan["changes"])


def test_a_resync_may_only_look(synced: Site) -> None:
    mql = next(one for one in synced.json("people", "--stage", "mql")["people"] if one["emails"])
    ledger = len(synced.sandbox.ledger.entries())
    assert synced.json("resync", mql["emails"][0], "-n")["run"]["write"]["verified"] == 0
    assert synced.json("resync", "--crm", "hubspot", "--object", "contacts", "-n")["write"]["verified"] == 0
    assert len(synced.sandbox.ledger.entries()) == ledger
