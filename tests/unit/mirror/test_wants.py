"""What a pass with nothing new asks the mirror: by the open spells, never by going through the records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Engine

from sync.mirror import reconciling, wants
from sync.mirror.engine import Connection, Mirror

pytestmark = pytest.mark.sqlite("the plans of SQLite, which it tells without any rows")

HUBSPOT = ("hubspot", "contacts")
ASKED: dict[str, Callable[[Connection], Any]] = {
    "stage": lambda conn: wants.spell_wants(
        conn, *HUBSPOT, "stage", "lifecyclestage", {"": "mql"}, models=["default"]
    ),
    "reason": lambda conn: wants.once_per_spell(conn, *HUBSPOT, "reason", "why", models=["default"]),
    "owner": lambda conn: list(wants.owner_wants(conn, [(*HUBSPOT, "owner")], [], models=["default"])),
    "record type": lambda conn: reconciling.type_in_use(conn, *HUBSPOT, "Partner"),
}


@pytest.fixture
def asked() -> Iterator[list[tuple[str, Any]]]:
    """Every statement, with its parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("what", ASKED)
def test_nothing_new_is_found_without_going_through_the_records(
    mirror: Mirror, asked: list[tuple[str, Any]], what: str
) -> None:
    mirror.migrate()
    with mirror.read() as conn:
        conn.execute(text("SELECT 1"))
        asked.clear()
        ASKED[what](conn)
        plans = [
            step.detail
            for statement, parameters in list(asked)
            for step in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
        ]
    assert plans
    for table in ("person", "person_member", "person_record"):
        steps = [step.partition(" USING ")[2] for step in plans if f" {table} " in f"{step} "]
        assert not any(step == "" or step.endswith("(crm=? AND object=?)") for step in steps), plans
