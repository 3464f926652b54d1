"""What a mirror of before the rounds of scoring knew of whom to look at, it knows after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from sync.mirror import rowhash
from sync.mirror.engine import Mirror
from sync.mirror.migrations import config_for
from sync.mirror.runs import PEOPLE_WENT, get_meta, scoring_round
from tests.postgres import Postgres
from tests.world import SimulatedWorld

PERSON = (
    "INSERT INTO person (person_id, founding_crm, founding_object, founding_id, ambiguous, emails, "
    "student_domain, free_mail, disposable, fields, crm_stage, crm_mql, stage, touched, due_at) "
    "VALUES (:id, 'hubspot', 'contacts', :id, :no, '[]', :no, :no, :no, '{}', 'lead', :no, 'lead', "
    ":touched, :due)"
)
SCORE = (
    "INSERT INTO score (person_id, model, version, model_hash, total, fit, engagement, grade, shown, "
    "eligible, over_enter, under_leave, as_of, known_at) "
    "VALUES (:id, 'm', 1, 'h', 0, 0, 0, 'C4', :yes, :no, :no, :no, 1, 1)"
)
SPELL = (
    "INSERT INTO spell (id, person_id, model, version, model_hash, entered_at, entered_by, snapshot) "
    "VALUES ('s', 'late', 'm', 1, 'h', 1, 'crm', '{}')"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mirror]:
    """A mirror of the revision before."""
    server: Postgres | None = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
    url = server.new_database() if server else f"sqlite:///{tmp_path / 'before.db'}"
    mirror = Mirror(url, SimulatedWorld())
    with mirror.write() as conn:
        rowhash.drop(conn)
        command.upgrade(config_for(conn), "0012")
    yield mirror
    mirror.close()
    if server:
        server.drop(url)


def put(mirror: Mirror, *people: tuple[str, bool, int | None]) -> None:
    with mirror.write() as conn:
        for id_, touched, due in people:
            conn.execute(text(PERSON), {"id": id_, "touched": touched, "due": due, "no": False})
            conn.execute(text(SCORE), {"id": id_, "yes": True, "no": False})


@pytest.mark.usefixtures("postgres")
def test_who_was_touched_and_who_was_due_still_is(before: Mirror) -> None:
    put(before, ("touched", True, None), ("late", False, 1_000), ("quiet", False, None))
    with before.write() as conn:
        conn.execute(text(SPELL))
    before.migrate()
    with before.read() as conn:
        due = scoring_round(conn)
        chosen = text("SELECT person_id FROM person WHERE score_round >= :due")
        assert conn.execute(chosen, {"due": due}).scalars().all() == ["touched"]
        late = text("SELECT person_id, due_at FROM score WHERE due_at IS NOT NULL")
        assert [tuple(row) for row in conn.execute(late)] == [("late", 1_000)]
        assert get_meta(conn, PEOPLE_WENT)  # the first run looks at all spells, as every run did before


@pytest.mark.usefixtures("postgres")
def test_an_empty_mirror_stays_empty(before: Mirror) -> None:
    before.migrate()
    with before.read() as conn:
        assert get_meta(conn, PEOPLE_WENT) is None
