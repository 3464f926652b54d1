"""Each table lets go by its own clock; what is open stays, and the audit chain holds."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from config.keeping import RetentionSettings
from sync.mirror import audit, retention
from sync.mirror.audit import Entry
from sync.mirror.engine import Connection, Mirror
from tests.unit.mirror.rows import gone, person, save

DAY = 86_400
NOW = 2_000 * DAY
KEEP = RetentionSettings().model_dump()


def intent(conn: Connection, id_: str, state: str, done_at: int | None) -> None:
    conn.execute(
        text(
            "INSERT INTO intent (id, run_id, person_id, crm, object, record_id, purpose, field, policy, "
            "reason, state, attempts, epoch, model_hash, created_at, done_at) VALUES (:id, 'r', 'p', "
            "'hubspot', 'contacts', '1', 'status', 'f', 'machine', '', :state, 0, 0, '', 1, :done_at)"
        ),
        {"id": id_, "state": state, "done_at": done_at},
    )


def ids(conn: Connection, table: str, column: str = "id") -> set[str]:
    return {str(one) for one in conn.execute(text(f"SELECT {column} FROM {table}")).scalars()}


def test_ended_changes_go_and_open_ones_stay(mirror: Mirror) -> None:
    with mirror.write() as conn:
        intent(conn, "old", "verified", NOW - 801 * DAY)
        intent(conn, "new", "verified", NOW - 799 * DAY)
        intent(conn, "open", "unsure", None)
        conn.execute(text("INSERT INTO plan_item (digest, intent_id) VALUES ('d', 'old'), ('d', 'new')"))
        assert retention.prune(conn, KEEP, NOW) == {"intent": 1, "plan_item": 1}
        assert ids(conn, "intent") == {"new", "open"}
        assert ids(conn, "plan_item", "intent_id") == {"new"}


def test_runs_readings_and_answers(mirror: Mirror) -> None:
    with mirror.write() as conn:
        for id_, days, outcome in (("old", 401, "ok"), ("new", 399, "ok"), ("never ended", 401, None)):
            values = {"id": id_, "at": NOW - days * DAY, "outcome": outcome}
            columns = "INSERT INTO run (id, kind, started_at, outcome, report) "
            conn.execute(text(columns + "VALUES (:id, 'sync', :at, :outcome, '{}')"), values)
        for day in (1_599, 1_600, 1_999):
            conn.execute(
                text("INSERT INTO spell_reading (spell_id, day, below) VALUES ('s', :day, :below)"),
                {"day": day, "below": False},
            )
        assert retention.prune(conn, KEEP, NOW) == {"run": 1, "spell_reading": 1}
        assert ids(conn, "run") == {"new", "never ended"}
        assert ids(conn, "spell_reading", "day") == {"1600", "1999"}


def test_words_of_the_audit_go_and_its_chain_holds(mirror: Mirror) -> None:
    with mirror.write() as conn:
        for at in (NOW - 1_096 * DAY, NOW - 1_094 * DAY):
            audit.append(conn, [Entry("write", "hubspot.contacts.1.f", {"after": "x"})], at=at, run_id="r")
        assert retention.prune(conn, KEEP, NOW) == {"audit_detail": 1}
        assert audit.broken_at(conn) is None
        assert [act.detail for act in audit.acts(conn, 5)] == [{"after": "x"}, None]


def test_what_a_gone_record_said_goes_and_that_it_was_stays(mirror: Mirror) -> None:
    alive, dead = (
        person("contacts", "1", "a@b.example"),
        person("contacts", "2", "c@d.example", raw='{"x": 1}'),
    )
    save(mirror, alive, dead)
    save(mirror, gone("contacts", "2", at_ms=alive.modified_ms + 1))
    with mirror.write() as conn:
        later = alive.modified_ms // 1000 + 91 * DAY
        assert retention.prune(conn, KEEP, later) == {"person_record": 1}
        kept = conn.execute(text("SELECT id, email, raw, gone FROM person_record ORDER BY id")).all()
        assert [(row.id, row.email, row.raw, bool(row.gone)) for row in kept] == [
            ("1", "a@b.example", "{}", False),
            ("2", None, "{}", True),
        ]
        assert retention.prune(conn, KEEP, later) == {}, "once"
    back = person("contacts", "2", "c@d.example", raw='{"x": 1}', modified_ms=alive.modified_ms + 5)
    save(mirror, back)
    with mirror.read() as conn:
        row = conn.execute(text("SELECT email, gone FROM person_record WHERE id = '2'")).one()
        assert (row.email, bool(row.gone)) == ("c@d.example", False)


@pytest.mark.parametrize("setting", retention.CLOCKS)
def test_zero_keeps_for_good(mirror: Mirror, setting: str) -> None:
    with mirror.write() as conn:
        intent(conn, "old", "verified", 1)
        audit.append(conn, [Entry("write", "x", {})], at=1, run_id="r")
        keep = {**dict.fromkeys(KEEP, 0), setting: 0}
        assert retention.prune(conn, keep, NOW) == {}


def test_every_setting_has_its_tables() -> None:
    assert set(retention.CLOCKS) == set(KEEP)


def test_once_a_day(mirror: Mirror) -> None:
    with mirror.write() as conn:
        assert retention.due(conn, NOW)
        retention.prune(conn, KEEP, NOW)
        assert not retention.due(conn, NOW + DAY - 1)
        assert retention.due(conn, NOW + DAY)
