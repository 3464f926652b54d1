"""Eight bytes a row: whatever changes in a row of the outbox, the cursors or the audit is found."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from connectors.records import Cursor, Feed, FeedKind
from sync.mirror import audit, cursors, health, outbox, rowhash, sending
from sync.mirror.audit import Entry
from sync.mirror.engine import Mirror
from sync.mirror.outbox import NewIntent
from sync.mirror.sending import Sendable
from sync.mirror.unusable import DatabaseDamaged

FEED = Feed("salesforce.Lead", "salesforce", "Lead", FeedKind.PEOPLE)


def fill(mirror: Mirror, count: int = 2) -> None:
    """Some intents, a cursor and some acts."""
    with mirror.write() as conn:
        intents = [
            NewIntent(
                id=f"{'ab'[n]}{n}-intent",
                person_id="p",
                spell_id=None,
                crm="hubspot",
                object="contacts",
                record_id=f"{n}",
                purpose="status",
                field="f",
                policy="machine",
                base_value=None,
                desired_value="Ä",
                reason="why",
                model_hash="m",
            )
            for n in range(count)
        ]
        outbox.add(conn, intents, run_id="r", now=5)
        cursors.save(conn, FEED, Cursor(since_ms=7), 5, complete=True)
        audit.append(conn, [Entry("write", "x", {"n": n}) for n in range(count)], at=5, run_id="r")


def all_damage(mirror: Mirror) -> list[tuple[str, str]]:
    with mirror.read() as conn:
        return [(name, key) for name in rowhash.COVERED for key in rowhash.damaged(conn, name)]


def test_every_way_of_writing_keeps_the_hashes(mirror: Mirror) -> None:
    fill(mirror)
    with mirror.write() as conn:
        row = outbox.by_ids(conn, ["a0-intent"])["a0-intent"]
        outbox.move(conn, row, "quiet", why="x", next_at=9)
        sending.wake(conn, 10)
        cursors.save(conn, FEED, Cursor(since_ms=8), 6, complete=False)
        hashes = conn.execute(text("SELECT row_hash FROM intent")).scalars().all()
    assert len(set(hashes)) == 2
    assert None not in hashes
    assert all_damage(mirror) == []


def test_hashes_come_back_when_the_triggers_do(mirror: Mirror) -> None:
    fill(mirror)
    with mirror.write() as conn:
        rowhash.drop(conn)
        for name in rowhash.COVERED:
            if conn.dialect.name == "postgresql":
                conn.exec_driver_sql(f"DROP TRIGGER {name}_hash ON {name}")
        conn.execute(text("UPDATE intent SET attempts = 4"))
    assert len(all_damage(mirror)) == 2
    mirror.migrate()
    assert all_damage(mirror) == []


def without_triggers(mirror: Mirror) -> sqlite3.Connection:
    """Another program with the file open: it knows nothing of hashes."""
    assert mirror.path is not None
    raw = sqlite3.connect(mirror.path)
    raw.execute("PRAGMA ignore_check_constraints = ON")
    for name in rowhash.COVERED:
        for event in ("insert", "update"):
            raw.execute(f"DROP TRIGGER {name}_hash_{event}")
    return raw


def places(raw: sqlite3.Connection) -> list[tuple[str, int, str]]:
    """Every value of every covered row: table, rowid, column."""
    found = []
    for name in rowhash.COVERED:
        columns = [row[1] for row in raw.execute(f"PRAGMA table_info({name})")]
        rows = [row[0] for row in raw.execute(f"SELECT rowid FROM {name}")]
        found += [
            (name, row, column) for row in rows for column in columns if (name, column) != ("audit", "n")
        ]
    return found


@pytest.mark.sqlite("changes bytes of a file")
def test_a_flipped_byte_is_found(mirror: Mirror) -> None:
    fill(mirror)
    raw = without_triggers(mirror)
    where = places(raw)

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(place=st.sampled_from(where), at=st.integers(0, 10_000), bit=st.integers(0, 7))
    def flip(place: tuple[str, int, str], at: int, bit: int) -> None:
        name, row, column = place
        query = f'SELECT CAST("{column}" AS BLOB), typeof("{column}"), "{column}" FROM {name} WHERE rowid = ?'
        value, kind, stored = raw.execute(query, [row]).fetchone()
        if kind == "integer":
            changed: object = stored ^ (1 << (at * 8 + bit) % 63)
        elif value:
            bytes_ = bytearray(value)
            bytes_[at % len(value)] ^= 1 << bit
            changed = bytes(bytes_)
        else:
            changed = "x"
        cast = "?" if kind == "integer" else "CAST(? AS TEXT)"
        raw.execute(f'UPDATE {name} SET "{column}" = {cast} WHERE rowid = ?', [changed, row])
        raw.commit()
        found = all_damage(mirror)
        with mirror.read() as conn:
            said = health.damage(conn)
        raw.execute(f'UPDATE {name} SET "{column}" = ? WHERE rowid = ?', [stored, row])
        raw.commit()
        assert [one[0] for one in found] == [name], place
        assert any(name in line and "hash" in line for line in said)

    flip()
    raw.close()
    assert all_damage(mirror) == []


@pytest.mark.sqlite("changes the file under the mirror")
def test_the_file_itself_with_one_byte_changed(mirror: Mirror, tmp_path: Path) -> None:
    fill(mirror)
    mirror.compact()
    mirror.close()
    assert mirror.path is not None
    whole = mirror.path.read_bytes()
    mirror.path.write_bytes(whole.replace(b"machine", b"mAchine", 1))
    assert [name for name, _ in all_damage(mirror)] == ["intent"]


@pytest.mark.sqlite("changes the file under the mirror")
@pytest.mark.parametrize("column", ["desired_value", "record_id", "state"])
def test_a_damaged_change_is_never_sent(mirror: Mirror, column: str) -> None:
    fill(mirror)
    raw = without_triggers(mirror)
    value = "sent" if column == "state" else "9"
    raw.execute(f"UPDATE intent SET {column} = ? WHERE id = 'b1-intent'", [value])
    raw.commit()
    raw.close()
    with pytest.raises(DatabaseDamaged, match="b1-intent is not what was written"):
        next(Sendable("hubspot", 10).pages(mirror))
    with mirror.read() as conn, pytest.raises(DatabaseDamaged):
        sending.in_flight(conn, "hubspot", 10)
    assert list(Sendable("salesforce", 10).pages(mirror)) == []


@pytest.mark.sqlite("changes the file under the mirror")
def test_a_damaged_cursor_begins_again(mirror: Mirror) -> None:
    fill(mirror)
    with mirror.read() as conn:
        assert cursors.load(conn, FEED) is not None
    raw = without_triggers(mirror)
    raw.execute("UPDATE feed_cursor SET cursor = replace(cursor, '7', '8')")
    raw.commit()
    raw.close()
    with mirror.read() as conn:
        assert cursors.load(conn, FEED) is None
