"""Retrying and giving up failed changes, on a real mirror."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.mirror import audit, failures, health, outbox
from sync.mirror.engine import Mirror
from sync.mirror.outbox import NewIntent
from tests.databases import mirror_url
from tests.world import SimulatedWorld


@pytest.fixture
def mirror(tmp_path: Path, database: str) -> Iterator[Mirror]:
    opened = Mirror(mirror_url(tmp_path), SimulatedWorld())
    yield opened
    opened.close()


def intent(name: str, record: str, value: str = "MQL") -> NewIntent:
    return NewIntent(
        name, "p_1", None, "salesforce", "Lead", record, "status", "Status", "last_supplied", "New", value,
        "became an MQL", "hash",
    )  # fmt: skip


def park(mirror: Mirror, *names: str) -> None:
    """Have intents refused by the CRM in the run that decided them."""
    with mirror.write() as conn:
        for row in outbox.by_ids(conn, names).values():
            outbox.move(
                conn,
                row,
                "parked",
                why="refused",
                code="X",
                message="no",
                done_at=5,
                ended_run="r1",
                attempts=3,
            )


def states(mirror: Mirror) -> dict[str, tuple[str, str | None, int]]:
    with mirror.read() as conn:
        rows = outbox.by_ids(conn, ("a", "b", "c", "newer"))
    return {name: (row.state, row.why, row.attempts) for name, row in rows.items()}


@pytest.fixture
def with_failures(mirror: Mirror) -> Mirror:
    """Three parked changes; the field of `c` has a newer change that waits."""
    with mirror.write() as conn:
        outbox.add(conn, [intent("a", "1"), intent("b", "2"), intent("c", "3")], run_id="r1", now=1)
    park(mirror, "a", "b", "c")
    with mirror.write() as conn:
        outbox.add(conn, [intent("newer", "3", "Recycled")], run_id="r2", now=9)
    return mirror


def test_a_retried_change_starts_anew_unless_a_newer_one_waits(with_failures: Mirror) -> None:
    with with_failures.write() as conn:
        assert failures.retry(conn, ["a", "c"], "r3", 20) == 1
    assert states(with_failures) == {
        "a": ("queued", None, 0),
        "b": ("parked", "refused", 3),
        "c": ("superseded", "newer", 3),
        "newer": ("queued", None, 0),
    }


def test_of_two_failed_changes_of_one_field_the_newest_is_retried(mirror: Mirror) -> None:
    """W17: both in one request would set the field to either value."""
    for name, value, at in (("b", "55", 1), ("a", "60", 2)):
        with mirror.write() as conn:
            outbox.add(conn, [intent(name, "1", value)], run_id="r1", now=at)
        park(mirror, name)
    with mirror.write() as conn:
        assert failures.retry(conn, ["a", "b"], "r3", 20) == 1
    assert states(mirror) == {"a": ("queued", None, 0), "b": ("superseded", "newer", 3)}


def test_a_skipped_change_keeps_its_reason_and_cannot_be_retried(with_failures: Mirror) -> None:
    with with_failures.write() as conn:
        assert failures.skip(conn, ["b"], "sold to a partner", "r3", 20) == 1
        assert failures.skip(conn, ["b", "newer"], "again", "r3", 21) == 0
        assert failures.retry(conn, ["b"], "r3", 22) == 0
    assert states(with_failures)["b"] == ("superseded", "skipped", 3)
    with with_failures.read() as conn:
        assert [row.intent_id for row in outbox.failed(conn)] == ["a", "c"]


def test_pauses_are_listed_widest_first_and_taken_away_one_by_one(mirror: Mirror) -> None:
    with mirror.write() as conn:
        for scope in ("salesforce.Lead.Status", "hubspot", "all", "salesforce.Lead"):
            outbox.pause(conn, scope, "why", "ann", 1)
        assert failures.resume(conn, "hubspot")
        assert not failures.resume(conn, "hubspot")
    with mirror.read() as conn:
        assert [one.scope for one in failures.paused(conn)] == [
            "all",
            "salesforce.Lead",
            "salesforce.Lead.Status",
        ]


def test_a_changed_audit_row_is_damage(mirror: Mirror) -> None:
    with mirror.write() as conn:
        audit_rows = [audit.Entry("pause", "all", {"n": n}) for n in range(3)]
        audit.append(conn, audit_rows, at=1, run_id="r")
    with mirror.read() as conn:
        assert health.damage(conn) == []
    with mirror.write() as conn:
        conn.exec_driver_sql("UPDATE audit SET detail = '{}' WHERE n = 2")
    with mirror.read() as conn:
        assert health.damage(conn) == ["audit row 2 does not follow from the one before it: it was changed"]
